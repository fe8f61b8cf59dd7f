package diff

import (
	"fmt"
	"strings"

	"loggregator_exporter/diff/queries"
)

// effects are how texts say what a query finds.
var effects = map[queries.Effect]string{
	queries.Nothing: "finds nothing", queries.Less: "finds less", queries.More: "finds more",
	queries.Other: "finds something else",
}

// writeQueries writes the queries that change for people.
func writeQueries(b *strings.Builder, r *queries.Report) {
	fmt.Fprintf(b, "\n%s in %s, %d of them of these series: ", number(r.Queries, "query"), number(r.Documents, "document"),
		r.Known)
	if len(r.Changes) == 0 {
		b.WriteString("all find what they found\n")
	} else {
		fmt.Fprintf(b, "%d %s\n", len(r.Changes), choose(len(r.Changes) == 1, "changes", "change"))
	}
	for i := range r.Changes {
		c := &r.Changes[i]
		fmt.Fprintf(b, "\n%s\n", title(c))
		writeQuery(b, c)
	}
	for _, u := range r.Unread {
		fmt.Fprintf(b, "\nnot read: %s: %s\n", placeOf(&u), u.Text)
	}
}

// placeOf says where a query is that was not read.
func placeOf(u *queries.Unread) string { return fmt.Sprintf("%s:%d: %s", u.File, u.Line, u.Where) }

// title says where a query is, and what it finds.
func title(c *queries.Change) string {
	return fmt.Sprintf("%s:%d: %s %s", c.File, c.Line, c.Where, effects[c.Effect])
}

func writeQuery(b *strings.Builder, c *queries.Change) {
	inColumn := strings.NewReplacer("\n", "\n           ", "\t", "    ")
	line := func(what, text string) {
		fmt.Fprintf(b, "  %-8s %s\n", what, inColumn.Replace(strings.TrimSpace(text)))
	}
	line("query", c.Query)
	for _, reason := range c.Reasons {
		line("because", reason)
	}
	for _, cause := range c.Causes {
		line("by", cause)
	}
	if c.Proposal == "" {
		line("write", "nothing is proposed: "+c.WhyNot)
	} else {
		line("write", c.Proposal)
	}
	for _, r := range c.Renames {
		line("label", r.Before+" is "+r.After+", in legends and templates as well")
	}
}
