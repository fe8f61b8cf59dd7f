package api

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/web/live"
)

// nameFilter finds the names of a query.
type nameFilter struct {
	*live.Snapshot

	words  []string // in lower case
	inText [][]bool // of each word, by text of the snapshot: whether it contains the word
	// behind is what follows an origin and a dot at the start of each word, by text of the snapshot; nil where there is no
	// dot. Operators write a name as origin.name.
	behind [][][]byte
	state  State
	reason metric.Outcome // Stored for any
	metric int            // position of the text, -1 for none, -2 for any
	only   map[int]bool   // positions of names; nil for all
}

// at returns the name at a position: one of Names, or of the Others behind them.
func (f *nameFilter) at(i int) *live.Name {
	if i < len(f.Names) {
		return &f.Names[i]
	}
	return &f.Others[i-len(f.Names)]
}

// anyMetric and noMetric stand for a position of a text.
const (
	noMetric  = -1
	anyMetric = -2
)

// nameFilter prepares a query. Origins and metrics, which many names have in common, are searched once.
func (a *API) nameFilter(ctx context.Context, q *NamesQuery, s *live.Snapshot) (*nameFilter, error) {
	f := &nameFilter{
		Snapshot: s, words: strings.Fields(strings.ToLower(q.Search)), state: q.State, reason: reasonOf(q.Reason),
		metric: anyMetric,
	}
	for _, word := range f.words {
		in := make([]bool, len(s.Texts))
		var lower []byte
		for i, text := range s.Texts {
			lower = appendLower(lower[:0], text)
			in[i] = bytes.Contains(lower, []byte(word))
		}
		f.inText = append(f.inText, in)
		f.behind = append(f.behind, namesBehind(s.Texts, []byte(word)))
	}
	if q.Metric != "" {
		f.metric = slices.Index(s.Texts, q.Metric) // noMetric if there is none
	}
	var err error
	if q.Rule != "" {
		if f.only, err = a.takenBy(ctx, s, q.Rule); err != nil {
			return nil, err
		}
	}
	if q.Owner != "" {
		var owned map[int]bool
		f.Snapshot, owned = a.ownedBy(s, q.Owner)
		if f.only != nil {
			for i := range f.only {
				if !owned[i] {
					delete(f.only, i)
				}
			}
		} else {
			f.only = owned
		}
	}
	return f, nil
}

// namesBehind returns what of a word follows each text and a dot; nil for texts with which the word does not start.
func namesBehind(texts []string, word []byte) (behind [][]byte) {
	if !bytes.Contains(word, []byte(".")) {
		return nil
	}
	behind = make([][]byte, len(texts))
	var lower []byte
	for i, text := range texts {
		lower = append(appendLower(lower[:0], text), '.')
		behind[i], _ = bytes.CutPrefix(word, lower)
		if len(behind[i]) == len(word) {
			behind[i] = nil
		}
	}
	return behind
}

// run returns the positions of the names that the query finds, and counts them by state and reason. Names that do not
// arrive are found by their reason only.
func (f *nameFilter) run(page *NamesPage) []int {
	var found []int
	var lower []byte
	for i := range len(f.Names) + len(f.Others) {
		n := f.at(i)
		if n.Filtered {
			page.All++
		}
		if f.only != nil && !f.only[i] || f.metric != anyMetric && !slices.Contains(n.Metrics, uint32(f.metric)) {
			continue
		}
		if len(f.words) > 0 {
			lower = appendLower(lower[:0], n.Name)
			if !f.matches(n, lower) {
				continue
			}
		}
		inState := f.state == "" || holds(n, f.state)
		if inState && len(n.LeftOut) > 0 {
			page.countReasons(n)
		}
		if n.Gone && f.reason == metric.Stored || f.reason != metric.Stored && n.Of(f.reason) == nil {
			continue
		}
		page.Matching++
		for _, state := range states {
			if holds(n, state) {
				page.States[state]++
			}
		}
		if inState {
			found = append(found, i)
		}
	}
	page.Total = len(found)
	return found
}

// countReasons counts a name with each reason for which samples of it were not stored.
func (p *NamesPage) countReasons(n *live.Name) {
	for _, reason := range reasons {
		if n.Of(reason) != nil {
			p.Reasons[reason.String()]++
		}
	}
}

// matches reports whether each word is in the name, which is in lower case, or in one of its origins or metrics, or is
// an origin, a dot and the start of the name.
func (f *nameFilter) matches(n *live.Name, lower []byte) bool {
	for w, word := range f.words {
		in := f.inText[w]
		has := func(pos uint32) bool { return in[pos] }
		follows := func(pos uint32) bool {
			rest := f.behind[w]
			return rest != nil && len(rest[pos]) > 0 && bytes.HasPrefix(lower, rest[pos])
		}
		if !bytes.Contains(lower, []byte(word)) && !slices.ContainsFunc(n.Origins, has) &&
			!slices.ContainsFunc(n.Metrics, has) && !slices.ContainsFunc(n.Origins, follows) {
			return false
		}
	}
	return true
}

// appendLower appends a text in lower case. Names are ASCII nearly always; other letters stay as they are only where
// all of the text is not.
func appendLower(dst []byte, text string) []byte {
	for i := range len(text) {
		c := text[i]
		if c >= 0x80 {
			return append(dst[:len(dst)-i], strings.ToLower(text)...)
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// ownedBy returns the positions of the names of an owner, and the snapshot with what became of the owner's alone.
func (a *API) ownedBy(s *live.Snapshot, owner string) (*live.Snapshot, map[int]bool) {
	by := a.ownersBy()
	own := *s
	own.Names = slices.Clone(s.Names)
	owned := map[int]bool{}
	a.options.Store.Walk(func(chunk []store.Visited) bool {
		for i := range chunk {
			v := &chunk[i]
			if v.Composite || live.OwnerOf(v.Sender, by) != owner {
				continue
			}
			n := live.Name{Name: v.Name, Unit: v.Unit, Kind: v.Kind}
			at, ok := find(s, &n)
			if !ok {
				continue
			}
			if !owned[at] {
				owned[at] = true
				own.Names[at].Forget()
			}
			own.Names[at].Count(v)
		}
		return true
	})
	return &own, owned
}

// find returns the position of a name.
func find(s *live.Snapshot, n *live.Name) (int, bool) {
	return sort.Find(len(s.Names), func(i int) int { return live.Compare(n, &s.Names[i]) })
}

// nameKeys are what names can be sorted by: a text, or a number.
var nameKeys = map[string]func(s *live.Snapshot, n *live.Name) (string, int64){
	"name":      func(*live.Snapshot, *live.Name) (string, int64) { return "", 0 },
	"origin":    func(s *live.Snapshot, n *live.Name) (string, int64) { return firstText(s, n.Origins), 0 },
	"kind":      func(_ *live.Snapshot, n *live.Name) (string, int64) { return n.Kind.String(), 0 },
	"unit":      func(_ *live.Snapshot, n *live.Name) (string, int64) { return n.Unit, 0 },
	"metric":    func(s *live.Snapshot, n *live.Name) (string, int64) { return firstText(s, n.Metrics), 0 },
	"series":    func(_ *live.Snapshot, n *live.Name) (string, int64) { return "", int64(n.Series) },
	"last_seen": func(_ *live.Snapshot, n *live.Name) (string, int64) { return "", n.LastSeen },
	"state": func(_ *live.Snapshot, n *live.Name) (string, int64) {
		return "", int64(slices.Index(states[:], stateOf(n)))
	},
	"samples": func(_ *live.Snapshot, n *live.Name) (string, int64) {
		sum := uint64(0)
		for i := range n.LeftOut {
			sum += n.LeftOut[i].Samples
		}
		return "", int64(sum)
	},
}

func firstText(s *live.Snapshot, positions []uint32) string {
	if len(positions) == 0 {
		return ""
	}
	return s.Texts[positions[0]]
}

// nameOrder is the order of a list of names.
type nameOrder struct {
	*nameFilter

	key        func(*live.Snapshot, *live.Name) (string, int64)
	byName     bool // names have no other key
	bySamples  bool // those of one reason
	descending bool
}

// sortKey is what a name is sorted by, a text or a number.
func (o *nameOrder) sortKey(n *live.Name) (string, int64) {
	if o.bySamples {
		if l := n.Of(o.reason); l != nil {
			return "", int64(l.Samples)
		}
	}
	return o.key(o.Snapshot, n)
}

func (o *nameOrder) sort(found []int) {
	slices.SortFunc(found, func(x, y int) int {
		text, number := o.sortKey(o.at(x))
		return -o.compare(o.at(y), text, number, o.at(x))
	})
}

// compare compares a name with another, whose key is given.
func (o *nameOrder) compare(n *live.Name, text string, number int64, other *live.Name) int {
	ownText, ownNumber := o.sortKey(n)
	by := cmp.Or(strings.Compare(ownText, text), cmp.Compare(ownNumber, number))
	names := live.Compare(n, other)
	if o.descending {
		by = -by
		if o.byName {
			names = -names
		}
	}
	return cmp.Or(by, names)
}

// cursor is where a page ends with a name.
func (o *nameOrder) cursor(n *live.Name) cursor {
	text, number := o.sortKey(n)
	return cursor{
		Key: []byte(text), Number: number, Text: [][]byte{[]byte(n.Name), []byte(n.Kind.String()), []byte(n.Unit)},
	}
}

// page cuts the page of a cursor out of a sorted list.
func (o *nameOrder) page(found []int, c *cursor, query uint32, limit int) (page, error) {
	p := page{}
	if c != nil {
		at, err := o.position(found, c)
		if err != nil {
			return p, err
		}
		if p.from = at; c.Before {
			p.from = max(0, at-limit)
		}
	}
	p.to = min(p.from+limit, len(found))
	if p.to < len(found) {
		last := o.cursor(o.at(found[p.to-1]))
		last.Query = query
		p.next = last.encode()
	}
	if p.from > 0 && p.from < len(found) {
		first := o.cursor(o.at(found[p.from]))
		first.Query, first.Before = query, true
		p.previous = first.encode()
	}
	return p, nil
}

// position returns that of the first name of a sorted list that comes after the one of a cursor, or is that one where
// the page ends before it.
func (o *nameOrder) position(found []int, c *cursor) (int, error) {
	if len(c.Text) != 3 {
		return 0, badData("cursor: it is none of this list")
	}
	row := live.Name{Name: string(c.Text[0]), Unit: string(c.Text[2])}
	row.Kind, _ = metric.ParseKind(string(c.Text[1]))
	return sort.Search(len(found), func(i int) bool {
		order := o.compare(o.at(found[i]), string(c.Key), c.Number, &row)
		return order > 0 || order == 0 && c.Before
	}), nil
}
