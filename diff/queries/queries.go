// Package queries says which queries of dashboards and rule files find less, more or something else once series have
// changed, and proposes what to write instead.
package queries

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"loggregator_exporter/metric"
	"loggregator_exporter/migrate/documents"
	"loggregator_exporter/migrate/promql"
)

// Series is a series as it is exposed.
type Series struct {
	Metric string
	Labels []metric.Label
	Type   metric.Type
	Unit   string
	Factor float64 // that values as sent are multiplied by
}

func (s *Series) label(name string) string { return metric.LabelValue(s.Labels, name) }

// Pair is what became of one series. One that stays as it is has the same Series twice.
type Pair struct {
	Before, After *Series // nil where there is none
	Cause         string  // of the change, in words
	Reason        string  // why there is no series after
}

// Effect says what a query finds.
type Effect string

// The effects, the worst first. With several the first counts.
const (
	Nothing Effect = "nothing" // none of what it found
	Other   Effect = "other"   // some of it is gone and something else is found, or it is read in another way
	Less    Effect = "less"
	More    Effect = "more"
)

// Change is a query that no longer finds exactly what it found.
type Change struct {
	File  string         `json:"file"`
	Line  int            `json:"line"`
	Where string         `json:"where"` // panel, variable or rule
	Path  string         `json:"path"`
	Kind  documents.Kind `json:"kind"`
	Query string         `json:"query"`

	Effect  Effect   `json:"effect"`
	Reasons []string `json:"reasons"`
	Causes  []string `json:"causes"` // the rules and settings that did it
	// Breaks is false where the query found nothing before.
	Breaks bool `json:"breaks"`

	// Proposal finds what Query found. Where it is empty, WhyNot says why there is none.
	Proposal string `json:"proposal,omitempty"`
	WhyNot   string `json:"why_not,omitempty"`
	// Renames are labels of the result that have another name with Proposal, for legends and templates.
	Renames []Rename `json:"renames,omitempty"`
}

// Rename is the old and the new name of a label.
type Rename struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

// Unread is a query that could not be read, or a place that hides queries.
type Unread struct {
	File  string `json:"file"`
	Line  int    `json:"line"`
	Where string `json:"where"`
	Text  string `json:"text"`
}

// Report is what changes for queries.
type Report struct {
	Documents int `json:"documents"`
	Queries   int `json:"queries"` // that were read
	// Known are those that find some of the series that were compared.
	Known   int      `json:"known"`
	Changes []Change `json:"changes"`
	Unread  []Unread `json:"unread,omitempty"`
}

// Check looks at all queries of documents.
func Check(ctx context.Context, pairs []Pair, all []*documents.Document) (*Report, error) {
	w := newWorld(pairs)
	r := &Report{Documents: len(all), Changes: []Change{}}
	for _, d := range all {
		for _, n := range d.Notes {
			r.Unread = append(r.Unread, Unread{d.File, n.Line, n.Where, n.Text})
		}
		for _, q := range d.Queries {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if q.Kind == documents.Hint || q.Expr == nil {
				continue
			}
			c := check{world: w, query: q}
			known, err := c.run()
			if err == nil {
				r.Queries++
			}
			switch {
			case err != nil && q.Datasource != "":
				r.Unread = append(r.Unread, Unread{d.File, q.Line, q.Where, err.Error()})
			case err != nil: // it is perhaps of another language
			case c.effect != "":
				r.Changes = append(r.Changes, c.change(d.File))
			}
			if known {
				r.Known++
			}
		}
	}
	return r, nil
}

// check is the check of one query.
type check struct {
	world *world
	query *documents.Query

	parsed  *promql.Query
	found   []found // by selector
	reasons []string
	pairs   map[int32]bool // that changed for the query
	effect  Effect
	breaks  bool
}

// found is what a selector finds before and after.
type found struct {
	selector      *promql.Selector
	condition     *labels.Matcher // on the name
	matchers      []matcher
	name          string // as written
	before, after []int32
	// loose says that the conditions on labels are not looked at, because no series that is known fulfils them.
	loose bool
}

// both are the pairs that are found before and after.
func (f *found) both() []int32 {
	var both []int32
	for _, p := range f.before {
		if _, ok := slices.BinarySearch(f.after, p); ok {
			both = append(both, p)
		}
	}
	return both
}

// without returns what a holds and b does not. Both are sorted.
func without[T cmp.Ordered](a, b []T) []T {
	var out []T
	for _, p := range a {
		if _, ok := slices.BinarySearch(b, p); !ok {
			out = append(out, p)
		}
	}
	return out
}

// run says whether the query finds any of the series that are known.
func (c *check) run() (known bool, err error) {
	if c.query.Kind == documents.Metrics {
		return c.runMetrics()
	}
	if c.parsed, err = promql.Parse(c.query.Expr.String()); err != nil {
		return false, err
	}
	c.pairs = map[int32]bool{}
	for _, s := range c.parsed.Selectors {
		f, err := c.world.find(c.parsed, s)
		if err != nil {
			return false, err
		}
		known = known || len(f.before) > 0 || len(f.after) > 0
		c.found = append(c.found, f)
		c.compare(&c.found[len(c.found)-1])
	}
	c.useOfLabels()
	return known, nil
}

// compare says how what a selector finds differs.
func (c *check) compare(f *found) {
	lost, gained := without(f.before, f.after), without(f.after, f.before)
	what := f.name
	switch {
	case len(lost) > 0 && len(lost) == len(f.before) && len(gained) == 0:
		c.add(Nothing, lost, "%s finds none of %s that it found: %s", what, count(f.before), c.where(f, lost))
	case len(lost) > 0 && len(gained) > 0:
		c.add(Other, slices.Concat(lost, gained), "%s finds %s no longer, and %s that it did not find: %s", what, count(lost),
			count(gained), c.where(f, lost))
	case len(lost) > 0:
		c.add(Less, lost, "%s finds %d of %s no longer: %s", what, len(lost), count(f.before), c.where(f, lost))
	case len(gained) > 0:
		c.add(More, gained, "%s finds %s that it did not find: %s", what, count(gained), c.whence(f, gained))
	}
	c.breaks = c.breaks || len(lost) > 0 || len(gained) > 0 && len(f.before) > 0
	c.values(f)
}

// values looks at series that are found as before, but mean something else.
func (c *check) values(f *found) {
	for _, p := range f.both() {
		was, is := c.world.pairs[p].Before, c.world.pairs[p].After
		if was.Factor != is.Factor && scales(f.name, was) {
			c.breaks = true
			c.add(Other, []int32{p}, "values of %s are %g times as large: they are in %s instead of %s", f.name,
				is.Factor/was.Factor, cmp.Or(is.Unit, "the unit that is sent"), cmp.Or(was.Unit, "the unit that is sent"))
		}
	}
}

// add notes what changes. Of several effects the worst counts.
func (c *check) add(e Effect, pairs []int32, format string, args ...any) {
	order := []Effect{Nothing, Other, Less, More}
	if c.effect == "" || slices.Index(order, e) < slices.Index(order, c.effect) {
		c.effect = e
	}
	for _, p := range pairs {
		c.pairs[p] = true
	}
	if reason := fmt.Sprintf(format, args...); !slices.Contains(c.reasons, reason) {
		c.reasons = append(c.reasons, reason)
	}
}

func count(pairs []int32) string { return fmt.Sprintf("%d series", len(pairs)) }

// maxPlaces bounds the metrics that a reason names.
const maxPlaces = 3

// where says what became of series.
func (c *check) where(f *found, pairs []int32) string {
	return c.places(pairs, func(p *Pair) string {
		switch {
		case p.After == nil:
			return p.Reason
		case p.After.Metric != p.Before.Metric:
			return "now " + p.After.Metric
		}
		return cmp.Or(f.otherValue(p), "they have other labels")
	})
}

// whence says where series come from.
func (c *check) whence(f *found, pairs []int32) string {
	return c.places(pairs, func(p *Pair) string {
		switch {
		case p.Before == nil:
			return "there was no series"
		case p.After.Metric != p.Before.Metric:
			return "formerly " + p.Before.Metric
		}
		return cmp.Or(f.otherValue(p), "they had other labels")
	})
}

// otherValue says which label that the selector has a condition on has another value; "" where none has.
func (f *found) otherValue(p *Pair) string {
	for _, m := range f.matchers {
		if was, is := p.Before.label(m.Name), p.After.label(m.Name); was != is {
			return fmt.Sprintf("%s is %q instead of %q", m.Name, is, was)
		}
	}
	return ""
}

// places lists what is said of pairs, the most frequent first.
func (c *check) places(pairs []int32, say func(*Pair) string) string {
	times := map[string]int{}
	var texts []string
	for _, p := range pairs {
		text := say(&c.world.pairs[p])
		if times[text] == 0 {
			texts = append(texts, text)
		}
		times[text]++
	}
	slices.SortStableFunc(texts, func(a, b string) int { return cmp.Compare(times[b], times[a]) })
	if more := len(texts) - maxPlaces; more > 0 {
		texts = append(texts[:maxPlaces], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

// change makes what is said of the query.
func (c *check) change(file string) Change {
	q := c.query
	out := Change{
		File: file, Line: q.Line, Where: q.Where, Path: q.Path, Kind: q.Kind, Query: q.Expr.String(),
		Effect: c.effect, Reasons: c.reasons, Breaks: c.breaks, Causes: c.causes(),
	}
	if c.parsed == nil {
		out.WhyNot = "it is a regular expression for names"
		return out
	}
	p := proposal{check: c}
	var err error
	if out.Proposal, err = p.make(); err != nil {
		out.WhyNot = err.Error()
		return out
	}
	out.Renames = p.renames
	return out
}

// causes are those of the series that changed for the query, the most frequent first.
func (c *check) causes() []string {
	times := map[string]int{}
	for p := range c.pairs {
		if cause := c.world.pairs[p].Cause; cause != "" {
			times[cause]++
		}
	}
	texts := make([]string, 0, len(times))
	for t := range times {
		texts = append(texts, t)
	}
	slices.SortFunc(texts, func(a, b string) int {
		return cmp.Or(cmp.Compare(times[b], times[a]), strings.Compare(a, b))
	})
	return texts
}
