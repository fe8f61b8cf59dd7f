package migrate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/migrate/promql"
	"loggregator_exporter/store"
)

// rewriter rewrites one query: it finds out what each selector becomes, then what follows for the labels that are
// named elsewhere, and for the values.
type rewriter struct {
	m          *Migrator
	q          *promql.Query
	selectors  map[*promql.Selector]*translation // of old names
	parents    map[parser.Node]parser.Node
	edits      []promql.Edit
	references []*reference
	lists      map[int][]string // the labels of lists that were edited, by where they start
	wrappings  []wrapping
	result     Result
}

// selectAll finds the selectors of old names.
func (r *rewriter) selectAll() error {
	for _, s := range r.q.Selectors {
		selected, err := r.m.selectSeries(s)
		if err != nil {
			return fmt.Errorf("%s: %w", shorten(r.q.Slice(s.Span)), err)
		}
		if selected != nil {
			r.selectors[s] = selected
		}
	}
	return nil
}

func (r *rewriter) findParents() {
	r.parents = map[parser.Node]parser.Node{}
	parser.Inspect(r.q.Expr, func(n parser.Node, path []parser.Node) error {
		if len(path) > 0 {
			r.parents[n] = path[len(path)-1]
		}
		return nil
	})
}

func (r *rewriter) rewriteAll() error {
	for _, step := range []func() error{
		r.limitBuckets, r.rateQuantiles, r.resolveLabels, r.rewriteDeltas, r.rewriteSelectors, r.rewriteSpecial,
		r.ignoreExtras, r.keepValues,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	r.applyWrappings()
	return nil
}

// translation is what a selector of an old name becomes.
type translation struct {
	selector *promql.Selector
	targets  []*known
	identity *store.Identity // by which labels are followed; nil for the exporter's own metrics
	// matchers are those on the new series; the first is that of the name.
	matchers  []*matcher
	mul, div  float64 // the new value is the old one * mul / div
	delta     bool
	special   *special // of series that are no gauge or counter of a component
	recorded  []Rename // of a series that a recording rule writes: its labels that have other names
	bridged   []string // labels that keep their old names, by label_replace
	variables []VariableUse
	notes     []string
}

// series are the translations in the order of the text.
func (r *rewriter) series() []*translation {
	var all []*translation
	for _, s := range r.q.Selectors {
		if selected := r.selectors[s]; selected != nil {
			all = append(all, selected)
		}
	}
	return all
}

// translationOf is what the selector of a node becomes; nil if it does not select old names.
func (r *rewriter) translationOf(n *parser.VectorSelector) *translation {
	for s, selected := range r.selectors {
		if s.Node == n {
			return selected
		}
	}
	return nil
}

func (r *rewriter) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(r.result.Notes, n) {
		r.result.Notes = append(r.result.Notes, n)
	}
}

func (r *rewriter) edit(at promql.Span, text string) {
	if r.q.Slice(at) != text || at.Start == at.End {
		r.edits = append(r.edits, promql.Edit{Span: at, Text: text})
	}
}

// editAll replaces a part and all edits in it.
func (r *rewriter) editAll(at promql.Span, text string) {
	r.edits = slices.DeleteFunc(r.edits, func(e promql.Edit) bool { return at.Start <= e.Start && e.End <= at.End })
	r.edit(at, text)
}

func (r *rewriter) insert(at int, text string) {
	r.edits = append(r.edits, promql.Edit{Span: promql.Span{Start: at, End: at}, Text: text})
}

// shorten cuts a text to what a line can bear.
func shorten(s string) string {
	const limit = 120
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return s
}

func (r *rewriter) rewriteSelectors() error {
	for _, s := range r.series() {
		if err := r.rewriteSelector(s); err != nil {
			return fmt.Errorf("%s: %w", shorten(r.q.Slice(s.selector.Span)), err)
		}
		old := s.selector.Name
		if old == "" {
			old = nameMatcher(s.selector).Value
		}
		rename := Rename{old, strings.Join(s.matchers[0].values, "|")}
		if rename.Old != rename.New && !slices.Contains(r.result.Metrics, rename) {
			r.result.Metrics = append(r.result.Metrics, rename)
		}
		for _, n := range s.notes {
			r.note("%s", n)
		}
		for _, v := range s.variables {
			r.result.Variables = append(r.result.Variables, v)
			r.note("the variable %s was part of a metric's name and stands for a value of the label %s here: "+
				"let the variable have that label's values", v.Name, v.Label)
		}
	}
	return nil
}

// rewriteSelector edits the name and the matchers of a selector.
func (r *rewriter) rewriteSelector(s *translation) error {
	written := s.selector
	matchers := s.matchers[1:]
	name := s.matchers[0]
	if len(name.values) > 1 || written.Name == "" || written.NameAt.Start > written.Braces.Start {
		matchers = s.matchers
	}
	separator := ","
	if strings.Contains(r.q.Slice(written.Braces), ", ") {
		separator = ", "
	}
	var added []string
	for _, c := range matchers {
		if !c.absent() || !r.names(s, c.label) {
			added = append(added, c.text())
		}
	}
	kept, err := r.rewriteMatchers(s)
	if err != nil {
		return err
	}
	r.renameMetric(s, name)
	text := strings.Join(added, separator)
	switch {
	case written.Braces.Start == written.Braces.End:
		if text != "" {
			r.insert(written.NameAt.End, "{"+text+"}")
		}
	case text == "" && kept == 0 && written.NameAt.Start < written.Braces.Start:
		r.editAll(written.Braces, "")
	case text == "":
	case kept > 0:
		r.insert(written.Braces.Start+1, text+separator)
	default:
		r.insert(written.Braces.Start+1, text)
	}
	return nil
}

// rewriteMatchers edits the matchers of a selector, and returns how many are kept.
func (r *rewriter) rewriteMatchers(s *translation) (kept int, err error) {
	all, last := s.selector.Matchers, -1 // of those that are kept
	for i := range all {
		keep, err := r.rewriteMatcher(s, &all[i])
		if err != nil {
			return 0, err
		}
		if keep {
			kept++
			last = i
			continue
		}
		at := all[i].Span
		switch {
		case i+1 < len(all):
			at.End = all[i+1].Start
		case last == i-1 && last >= 0:
			at.Start = all[last].End
		}
		r.edit(at, "")
	}
	return kept, nil
}

// names says whether the query names a label of a translation's series: what it asks of the label then counts.
func (r *rewriter) names(s *translation, label string) bool {
	is := func(old string) bool {
		name, ok := r.newName(s, old)
		return ok && name == label
	}
	return slices.ContainsFunc(s.selector.Matchers, func(m promql.Matcher) bool { return is(m.Label) }) ||
		slices.ContainsFunc(r.references, func(ref *reference) bool {
			return slices.Contains(ref.providers, s) && is(ref.label)
		})
}

// renameMetric edits a name that stands before the braces, and removes one that stands in quotes within them.
func (r *rewriter) renameMetric(s *translation, name *matcher) {
	written := s.selector
	switch {
	case written.Name == "":
	case written.NameAt.Start > written.Braces.Start:
		end := written.NameAt.End
		if len(written.Matchers) > 0 && written.Matchers[0].Start > end {
			end = written.Matchers[0].Start
		}
		r.edit(promql.Span{Start: written.NameAt.Start, End: end}, "")
	case len(name.values) > 1:
		r.edit(written.NameAt, "")
	default:
		r.edit(written.NameAt, name.values[0])
	}
}

// wholeBound matches bounds of buckets as other versions of Prometheus store them.
var wholeBound = regexp.MustCompile(`^[0-9]+$`)

// rewriteMatcher edits a matcher as the author wrote it, and says whether it is kept.
func (r *rewriter) rewriteMatcher(s *translation, m *promql.Matcher) (keep bool, err error) {
	switch {
	case m.Label == labelName:
		return false, nil // a matcher takes its place
	case m.Label == labelQuantile && s.special != nil && s.special.quantile:
		return false, nil // it is an argument of histogram_quantile
	case s.recorded != nil:
		r.edit(m.LabelAt, s.recordedLabel(m.Label))
		return true, nil
	case m.Label == labelUnit:
		if err := checkUnit(s, m); err != nil {
			return false, err
		}
		r.note("there is no label unit: the metric's name says it")
		return false, nil
	case slices.Contains(targetLabels, m.Label):
		r.note("the label %s of a matcher is that of the target: let it name the targets of this exporter", m.Label)
		return true, nil
	}
	name, ok := r.newName(s, m.Label)
	switch {
	case !ok && s.lacks(m.Label):
		return r.rewriteLacking(s, m)
	case !ok:
		return false, noLabel(m.Label)
	case s.special != nil && m.Label == labelStatusCode:
		r.rewriteStatus(s, m, name)
		return true, nil
	}
	if m.Label == labelBucket && wholeBound.MatchString(m.Value) {
		r.note("Prometheus 3 stores the bound of a bucket as %s.0: le=\"%[1]s\" finds none there, neither before nor now",
			m.Value)
	}
	r.needLabel(m.Label, s)
	r.edit(m.LabelAt, name)
	return true, nil
}

// checkUnit says whether a matcher on the unit holds for the series that are selected, as far as their units are
// known.
func checkUnit(s *translation, m *promql.Matcher) error {
	matcher, err := labels.NewMatcher(m.Type, labelUnit, m.Value)
	if err != nil || len(promql.FindVariables(m.Value)) > 0 {
		return errors.New("there is no label unit, and the matcher on it is not plain")
	}
	for _, k := range s.targets {
		if unit := k.identity.Unit; unit != "" && !matcher.Matches(unit) {
			return fmt.Errorf("there is no label unit, and the unit of these series is %s", unit)
		}
	}
	return nil
}
