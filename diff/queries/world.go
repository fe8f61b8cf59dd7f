package queries

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"loggregator_exporter/metric"
	"loggregator_exporter/migrate/promql"
)

// The two sides, as indices.
const (
	before = iota
	after
)

// world holds the series before and after, by name.
type world struct {
	pairs  []Pair
	byName [2]map[string][]int32 // pairs by the names that a page has for them, ascending
	labels map[string]bool       // names of labels of any series
}

func newWorld(pairs []Pair) *world {
	w := &world{pairs: pairs, labels: map[string]bool{}}
	for side := range w.byName {
		w.byName[side] = map[string][]int32{}
		for i := range pairs {
			s := w.side(int32(i), side)
			if s == nil {
				continue
			}
			for _, name := range namesOf(s) {
				w.byName[side][name] = append(w.byName[side][name], int32(i))
			}
			for _, l := range s.Labels {
				w.labels[l.Name] = true
			}
		}
	}
	return w
}

func (w *world) side(p int32, side int) *Series {
	if side == before {
		return w.pairs[p].Before
	}
	return w.pairs[p].After
}

// suffixesOf are what a page adds to the name of a family. A native histogram is asked for by the name itself.
func suffixesOf(t metric.Type) []string {
	switch t {
	case metric.TypeHistogram:
		return []string{"_bucket", "_count", "_sum", ""}
	case metric.TypeSummary:
		return []string{"", "_count", "_sum"}
	default:
		return []string{""}
	}
}

func namesOf(s *Series) []string {
	names := suffixesOf(s.Type)
	for i, suffix := range names {
		names[i] = s.Metric + suffix
	}
	return names
}

// suffixOf is what a name adds to that of the family.
func suffixOf(name string, s *Series) string { return strings.TrimPrefix(name, s.Metric) }

// scales says whether a conversion changes what a name of a series gives: a number of observations stays.
func scales(name string, s *Series) bool {
	suffix := suffixOf(name, s)
	return suffix != "_count" && suffix != "_bucket" || s.Type != metric.TypeHistogram && s.Type != metric.TypeSummary
}

// matcher is a condition on a label that is looked at.
type matcher struct {
	*labels.Matcher
	variable bool // the value holds a variable: the Matcher is only read, and matches nothing
	index    int  // in the selector
}

// isNamed is the condition that a name is just this.
func isNamed(name string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name)
}

// targetLabels are set by Prometheus, or tell parts of a histogram apart: no series here has them.
var targetLabels = map[string]bool{"job": true, "instance": true, "le": true, "quantile": true}

// find looks for what a selector finds on both sides.
func (w *world) find(q *promql.Query, s *promql.Selector) (found, error) {
	f, err := w.read(q, s)
	if err != nil {
		return f, err
	}
	f.before = w.selected(before, f.condition, f.matchers, false)
	if f.loose = len(f.before) == 0; f.loose {
		f.before = w.selected(before, f.condition, f.matchers, true)
	}
	f.after = w.selected(after, f.condition, f.matchers, f.loose)
	return f, nil
}

// read reads the conditions of a selector. Those on labels that no series here has are left out: Prometheus sets them.
func (w *world) read(q *promql.Query, s *promql.Selector) (f found, err error) {
	f = found{selector: s, name: s.Name}
	if f.condition, err = w.nameOf(q, s); err != nil {
		return f, err
	}
	for i, m := range s.Matchers {
		if m.Label == model.MetricNameLabel {
			if f.name == "" {
				f.name = m.Value
			}
			continue
		}
		if targetLabels[m.Label] || !w.labels[m.Label] {
			continue
		}
		one := matcher{&labels.Matcher{Type: m.Type, Name: m.Label, Value: m.Value}, q.HasVariable(m.ValueAt), i}
		if !one.variable {
			if one.Matcher, err = labels.NewMatcher(m.Type, m.Label, m.Value); err != nil {
				return f, fmt.Errorf("condition on %s: %w", m.Label, err)
			}
		}
		f.matchers = append(f.matchers, one)
	}
	return f, nil
}

// nameOf returns a condition on the name: a name, or a regular expression where a variable or a condition stands.
func (w *world) nameOf(q *promql.Query, s *promql.Selector) (*labels.Matcher, error) {
	if s.Name != "" {
		variables := q.VariablesIn(s.NameAt)
		if len(variables) == 0 {
			return isNamed(s.Name), nil
		}
		var pattern strings.Builder
		at := s.NameAt.Start
		for _, v := range variables {
			pattern.WriteString(regexp.QuoteMeta(q.Text[at:v.Start]) + ".+")
			at = v.End
		}
		pattern.WriteString(regexp.QuoteMeta(q.Text[at:s.NameAt.End]))
		if len(variables) == 1 && variables[0].Start == s.NameAt.Start && variables[0].End == s.NameAt.End {
			return isNamed(s.Name), nil // any name at all: it finds none that is known
		}
		return labels.NewMatcher(labels.MatchRegexp, model.MetricNameLabel, pattern.String())
	}
	for _, n := range s.Matchers {
		if n.Label == model.MetricNameLabel && !q.HasVariable(n.ValueAt) {
			return labels.NewMatcher(n.Type, n.Label, n.Value)
		}
	}
	return isNamed(""), nil
}

// selected returns the pairs that a name and conditions find on a side, ascending. Of loose conditions, and of those
// with variables, it is only asked that a series has not lost the label.
func (w *world) selected(side int, name *labels.Matcher, conditions []matcher, loose bool) []int32 {
	var out []int32
	if name.Type == labels.MatchEqual {
		out = w.filter(nil, side, w.byName[side][name.Value], conditions, loose)
	} else {
		for _, known := range slices.Sorted(maps.Keys(w.byName[side])) {
			if name.Matches(known) {
				out = w.filter(out, side, w.byName[side][known], conditions, loose)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (w *world) filter(out []int32, side int, pairs []int32, conditions []matcher, loose bool) []int32 {
	for _, p := range pairs {
		if !slices.ContainsFunc(conditions, func(m matcher) bool { return !w.fulfils(side, p, &m, loose) }) {
			out = append(out, p)
		}
	}
	return out
}

func (w *world) fulfils(side int, p int32, m *matcher, loose bool) bool {
	value := w.side(p, side).label(m.Name)
	if !m.variable && !loose {
		return m.Matches(value)
	}
	was := w.pairs[p].Before
	return side == before || was == nil || value != "" || was.label(m.Name) == ""
}
