package console

import (
	"html/template"
)

// pager leads to the pages around one of a long list.
type pager struct {
	Of                    string       // the path of the page
	First, Previous, Next template.URL // their queries, or ""
	From, To, Total       int          // the rows that are shown, from 1; 0 where their numbers are not known
}

// newPager returns the pager of a page with rows, the first of which has a number from 0.
func newPager(of string, from, rows, total int, previous, next string, query func(cursor string) template.URL) pager {
	p := pager{Of: of, From: from + 1, To: from + rows, Total: total}
	if previous != "" {
		p.First, p.Previous = query(""), query(previous)
	}
	if next != "" {
		p.Next = query(next)
	}
	return p
}

// Paged says whether there is any other page.
func (p pager) Paged() bool { return p.Previous != "" || p.Next != "" }
