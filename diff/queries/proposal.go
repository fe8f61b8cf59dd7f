package queries

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/metric"
	"loggregator_exporter/migrate/promql"
)

// proposal makes a query that finds what another one found.
type proposal struct {
	*check

	edits   []promql.Edit
	renames []Rename // of labels, for lists of labels and for the result
}

// make returns the new query. It is proposed only if it is seen to find exactly what the old one found.
func (p *proposal) make() (string, error) {
	for i := range p.found {
		if err := p.selector(&p.found[i]); err != nil {
			return "", err
		}
	}
	if err := p.lists(); err != nil {
		return "", err
	}
	text, err := p.parsed.Apply(p.edits)
	if err != nil {
		return "", err
	}
	q, err := promql.Parse(text)
	if err != nil || len(q.Selectors) != len(p.found) {
		return "", errors.New("it is written in a way that cannot be edited here")
	}
	for i, s := range q.Selectors {
		f, err := p.world.read(q, s)
		finds := p.world.selected(after, f.condition, f.matchers, false)
		if err != nil || !slices.Equal(finds, p.found[i].before) && len(p.found[i].before) > 0 {
			return "", fmt.Errorf("no selector here finds just what %s found", p.found[i].name)
		}
	}
	return text, nil
}

// selector makes the edits of a selector.
func (p *proposal) selector(f *found) error {
	if len(f.before) == 0 {
		return nil // of something else
	}
	variable := p.outOfName(f)
	name, err := p.nameOf(f, variable != "")
	if err != nil {
		return err
	}
	if err := p.factor(f); err != nil {
		return err
	}
	conditions, edits, err := p.conditions(f)
	if err != nil {
		return err
	}
	if name == f.name && len(edits) == 0 && slices.Equal(f.before, f.after) {
		return nil
	}
	if name != f.name {
		edits = append(edits, promql.Edit{Span: f.selector.NameAt, Text: name})
	}
	more, err := p.tellApart(f, name, conditions)
	if err != nil {
		return err
	}
	if variable != "" {
		more = append(more, variable)
	}
	if len(more) > 0 {
		edits = append(edits, insertion(f.selector, more))
	}
	p.edits = append(p.edits, edits...)
	return nil
}

// outOfName returns a condition in place of the variable in a name, if a label that the series did not have holds what
// the variable stands for; "" if there is none.
func (p *proposal) outOfName(f *found) string {
	variables := p.parsed.VariablesIn(f.selector.NameAt)
	gone := func(i int32) bool { return p.world.pairs[i].After == nil }
	if f.selector.Name == "" || len(variables) != 1 || slices.ContainsFunc(f.before, gone) {
		return ""
	}
	v := variables[0]
	prefix, suffix := p.parsed.Text[f.selector.NameAt.Start:v.Start], p.parsed.Text[v.End:f.selector.NameAt.End]
	for _, label := range p.newLabels(f) {
		holds := func(i int32) bool {
			was, is := p.world.pairs[i].Before, p.world.pairs[i].After
			return isPlain(was.Type) && isPlain(is.Type) && was.Metric == prefix+is.label(label)+suffix
		}
		if p.isNew(f, label) && !slices.ContainsFunc(f.before, func(i int32) bool { return !holds(i) }) {
			return label + `=~"` + p.parsed.Text[v.Start:v.End] + `"`
		}
	}
	return ""
}

// nameOf returns the name that all series of a selector have now. moved says that a condition takes the place of the
// variable in it.
func (p *proposal) nameOf(f *found, moved bool) (string, error) {
	stays := f.selector.Name == "" || p.parsed.HasVariable(f.selector.NameAt) && !moved
	var names []string
	for _, i := range f.before {
		was, is := p.world.pairs[i].Before, p.world.pairs[i].After
		switch {
		case is == nil:
			return "", fmt.Errorf("%s is gone: %s", was.Metric, p.world.pairs[i].Reason)
		case f.loose:
			return "", fmt.Errorf("which series of %s it finds is not known", f.name)
		case was.Type != is.Type && (!isPlain(was.Type) || !isPlain(is.Type)):
			return "", fmt.Errorf("%s is a %s instead of a %s", is.Metric, is.Type, was.Type)
		case stays && was.Metric != is.Metric:
			return "", errors.New("the name holds a variable, or stands in a condition")
		case moved:
			names = append(names, is.Metric)
		case !stays:
			names = append(names, is.Metric+suffixOf(f.name, was))
		}
	}
	slices.Sort(names)
	switch names = slices.Compact(names); len(names) {
	case 0:
		return f.name, nil
	case 1:
		return names[0], nil
	default:
		return "", fmt.Errorf("its series have several names: %s", strings.Join(names, ", "))
	}
}

// isPlain says whether series of a type are one number each, which a query reads alike.
func isPlain(t metric.Type) bool { return t == metric.TypeGauge || t == metric.TypeCounter }

// renamed returns the name that a label of all series of a selector has now: its own if nothing changes, "" if no label
// has its values.
func (p *proposal) renamed(f *found, label string) string {
	candidates := []string{label}
	for _, l := range p.world.pairs[f.before[0]].After.Labels {
		candidates = append(candidates, l.Name)
	}
	for _, name := range candidates {
		same := func(i int32) bool {
			pair := &p.world.pairs[i]
			return pair.After != nil && pair.Before.label(label) == pair.After.label(name) &&
				(name == label || pair.Before.label(name) == "")
		}
		if !slices.ContainsFunc(f.before, func(i int32) bool { return !same(i) }) {
			return name
		}
	}
	return ""
}

// conditions returns those of a selector with the labels' present names, and the edits that this takes.
func (p *proposal) conditions(f *found) (conditions []matcher, edits []promql.Edit, err error) {
	for _, m := range f.matchers {
		now := p.renamed(f, m.Name)
		if now == "" {
			return nil, nil, fmt.Errorf("label %s is gone, or has other values", m.Name)
		}
		if now != m.Name {
			edits = append(edits, promql.Edit{Span: f.selector.Matchers[m.index].LabelAt, Text: now})
			renamed := *m.Matcher
			renamed.Name = now
			m.Matcher = &renamed
		}
		conditions = append(conditions, m)
	}
	return conditions, edits, nil
}

// maxValues bounds the values of a label in a condition.
const maxValues = 10

// tellApart returns conditions with which a name finds the series of a selector and no others.
func (p *proposal) tellApart(f *found, name string, conditions []matcher) (more []string, err error) {
	finds := func() []int32 {
		return p.world.selected(after, isNamed(name), conditions, false)
	}
	if f.selector.Name == "" || p.parsed.HasVariable(f.selector.NameAt) {
		return nil, nil // the name stays
	}
	now := finds()
	for _, label := range p.newLabels(f) {
		values := map[string]bool{}
		for _, i := range f.before {
			values[p.world.pairs[i].After.label(label)] = true
		}
		if len(values) > maxValues || slices.Equal(now, f.before) && (len(values) > 1 || !p.isNew(f, label)) {
			continue
		}
		m := condition(label, slices.Sorted(maps.Keys(values)))
		found := p.world.filter(nil, after, now, []matcher{m}, false)
		if len(found) < len(now) || name != f.name && m.Type == labels.MatchEqual && said(f.name, m.Value) {
			conditions, more = append(conditions, m), append(more, m.String())
			now = found
		}
	}
	if !slices.Equal(now, f.before) {
		return nil, fmt.Errorf("what %s found cannot be told apart from other series of %s", f.name, name)
	}
	return more, nil
}

var notInWords = regexp.MustCompile(`[^a-z0-9]+`)

// said says whether a name holds a value: then a condition on it belongs to what the name meant, even if no other
// series is known.
func said(name, value string) bool {
	value = notInWords.ReplaceAllString(strings.ToLower(value), "")
	return value != "" && strings.Contains(notInWords.ReplaceAllString(strings.ToLower(name), ""), value)
}

// isNew says whether none of the series of a selector had a label.
func (p *proposal) isNew(f *found, label string) bool {
	return !slices.ContainsFunc(f.before, func(i int32) bool { return p.world.pairs[i].Before.label(label) != "" })
}

// newLabels returns the labels that all series of a selector have and that are not as they were, then the others.
func (p *proposal) newLabels(f *found) (names []string) {
	var others []string
	for _, l := range p.world.pairs[f.before[0]].After.Labels {
		everywhere, changed := true, false
		for _, i := range f.before {
			pair := &p.world.pairs[i]
			value := pair.After.label(l.Name)
			everywhere = everywhere && value != ""
			changed = changed || value != pair.Before.label(l.Name)
		}
		switch {
		case everywhere && changed:
			names = append(names, l.Name)
		case everywhere:
			others = append(others, l.Name)
		}
	}
	return append(names, others...)
}

func condition(label string, values []string) matcher {
	if len(values) == 1 {
		return matcher{Matcher: labels.MustNewMatcher(labels.MatchEqual, label, values[0])}
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	return matcher{Matcher: labels.MustNewMatcher(labels.MatchRegexp, label, strings.Join(quoted, "|"))}
}

// insertion adds conditions to a selector.
func insertion(s *promql.Selector, conditions []string) promql.Edit {
	text := strings.Join(conditions, ",")
	switch {
	case s.Braces.Start == s.Braces.End:
		return promql.Edit{Span: promql.Span{Start: s.NameAt.End, End: s.NameAt.End}, Text: "{" + text + "}"}
	case len(s.Matchers) > 0:
		at := s.Matchers[len(s.Matchers)-1].End
		return promql.Edit{Span: promql.Span{Start: at, End: at}, Text: "," + text}
	default:
		at := s.Braces.Start + 1
		return promql.Edit{Span: promql.Span{Start: at, End: at}, Text: text}
	}
}

// linear are functions whose result is so many times as large as their argument is.
var linear = []string{
	"rate", "irate", "increase", "delta", "idelta", "deriv", "avg_over_time", "min_over_time", "max_over_time",
	"sum_over_time", "last_over_time", "quantile_over_time", "stddev_over_time", "predict_linear",
}

// factor brings values back into the unit that they were in.
func (p *proposal) factor(f *found) error {
	factor := 1.0
	for n, i := range f.before {
		pair := &p.world.pairs[i]
		if pair.After == nil {
			continue // nameOf says so
		}
		one := 1.0
		if scales(f.name, pair.Before) {
			one = pair.Before.Factor / pair.After.Factor
		} else if pair.Before.Factor != pair.After.Factor && strings.HasSuffix(f.name, "_bucket") {
			return errors.New("the bounds of its buckets are in another unit")
		}
		if n > 0 && one != factor {
			return errors.New("its series are converted in several ways")
		}
		factor = one
	}
	if factor == 1 {
		return nil
	}
	part, around, err := p.convertible(f)
	if err != nil {
		return err
	}
	operation := " * " + strconv.FormatFloat(factor, 'g', 6, 64)
	if factor < 1 {
		operation = " / " + strconv.FormatFloat(1/factor, 'g', 6, 64)
	}
	span := p.parsed.SpanOf(part)
	switch around.(type) {
	case nil, *parser.Call, *parser.AggregateExpr, *parser.ParenExpr:
	default:
		p.edits = append(p.edits, promql.Edit{Span: promql.Span{Start: span.Start, End: span.Start}, Text: "("})
		operation += ")"
	}
	p.edits = append(p.edits, promql.Edit{Span: promql.Span{Start: span.End, End: span.End}, Text: operation})
	return nil
}

// convertible returns the smallest part around a selector that can be multiplied, and what is around that, or nil.
func (p *proposal) convertible(f *found) (part, around parser.Node, err error) {
	parser.Inspect(p.parsed.Expr, func(n parser.Node, path []parser.Node) error {
		if n != parser.Node(f.selector.Node) {
			return nil
		}
		part = n
		if len(path) > 1 {
			if _, isRange := path[len(path)-1].(*parser.MatrixSelector); isRange {
				call, ok := path[len(path)-2].(*parser.Call)
				if !ok || !slices.Contains(linear, call.Func.Name) {
					err = errors.New("its values are in another unit, and what is made of them cannot be multiplied")
				}
				part, path = call, path[:len(path)-2]
			}
		}
		if len(path) > 0 {
			around = path[len(path)-1]
		}
		return nil
	})
	return part, around, err
}
