package migrate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"loggregator_exporter/metric"
	"loggregator_exporter/migrate/promql"
)

// firstNamespace began the names of the first versions of firehose_exporter, and usualPrefix those of all others.
const firstNamespace, usualPrefix = "firehose_exporter_", "firehose_"

// nameMatcher is the matcher on __name__, or nil.
func nameMatcher(s *promql.Selector) *promql.Matcher {
	for i := range s.Matchers {
		if s.Matchers[i].Label == labelName {
			return &s.Matchers[i]
		}
	}
	return nil
}

// selectSeries says what a selector becomes; nil if it does not select old names.
func (m *Migrator) selectSeries(s *promql.Selector) (*translation, error) {
	if recorded := m.selectRecorded(s); recorded != nil {
		return recorded, nil
	}
	prefix := m.old.Prefix()
	name, byPattern := s.Name, false
	if name == "" {
		n := nameMatcher(s)
		if n == nil {
			return nil, nil
		}
		name, byPattern = n.Value, n.Type != labels.MatchEqual
	}
	if !strings.Contains(name, prefix) {
		return nil, nil
	}
	if rest, ok := strings.CutPrefix(name, firstNamespace); ok && prefix == usualPrefix {
		name = prefix + rest
	}
	switch variables := promql.FindVariables(name); {
	case byPattern:
		return m.selectByPattern(s, len(variables) > 0)
	case !strings.HasPrefix(name, prefix):
		return nil, nil
	case len(variables) > 0:
		return m.selectByVariable(s, name, variables)
	case strings.Contains(name, ":"): // recorded by a rule
		return nil, nil
	default:
		return m.selectByName(s, name)
	}
}

func (m *Migrator) selectByName(s *promql.Selector, name string) (*translation, error) {
	selected := &translation{selector: s, mul: 1, div: 1}
	if found, err := m.selectSpecial(selected, strings.TrimPrefix(name, m.old.Prefix())); found || err != nil {
		return selected, err
	}
	targets := m.names.lookUp(name)
	if len(targets) > 0 {
		return selected, m.take(selected, targets, nil, "")
	}
	if origin, like := m.names.likeOthers(name); len(like) > 0 {
		return selected, m.takeLike(selected, origin, like)
	}
	return nil, errors.New("the name is not among those that are known: give the foundation's names with " +
		"--names, --capture or --url")
}

// takeLike fills a translation of a component that is not known with what its metric is for others. The old name does
// not tell how the component spells itself.
func (m *Migrator) takeLike(s *translation, origin string, like []*known) error {
	if err := m.take(s, like, m.names.byMetric[like[0].metric()], labelComponent); err != nil {
		return err
	}
	spelled := "(?i)" + strings.ReplaceAll(origin, "_", "[-_. ]?")
	s.matchers = slices.Insert(s.matchers, 1, &matcher{label: labelComponent, variable: spelled})
	s.notes = append(s.notes, fmt.Sprintf("%s is not known: taken as what other components emit under this name", origin))
	return nil
}

// take fills a translation with what known metrics became.
func (m *Migrator) take(s *translation, targets, also []*known, free string) error {
	var err error
	if s.matchers, err = m.names.tellApart(targets, also, free); err != nil {
		return err
	}
	s.targets, s.identity = targets, &targets[0].identity
	s.mul, s.div, err = factorOf(targets)
	s.delta = targets[0].delta
	return err
}

// selectByPattern is for regular expressions on __name__.
func (m *Migrator) selectByPattern(s *promql.Selector, hasVariable bool) (*translation, error) {
	n := nameMatcher(s)
	if hasVariable || n.Type != labels.MatchRegexp {
		return nil, errors.New("names by such a matcher cannot be translated: write them out")
	}
	pattern, err := regexp.Compile("^(?s:" + n.Value + ")$")
	if err != nil {
		return nil, err
	}
	var targets []*known
	for _, form := range []func(string) string{func(name string) string { return name }, squash} {
		for _, k := range m.names.all {
			if pattern.MatchString(form(k.old)) || pattern.MatchString(k.short) {
				targets = append(targets, k)
			}
		}
		if len(targets) > 0 {
			break
		}
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("no known name matches %s", n.Value)
	}
	selected := &translation{selector: s}
	if err := m.take(selected, targets, nil, ""); err != nil {
		return nil, err
	}
	selected.matchers = m.names.widen(selected.matchers, targets)
	if len(selected.matchers[0].values) > 1 {
		selected.notes = append(selected.notes, "the expression lists the names that are known to match")
	}
	return selected, nil
}

// selectByVariable is for names of which a variable is a part: it becomes the value of a label.
func (m *Migrator) selectByVariable(
	s *promql.Selector, name string, variables []promql.Variable,
) (*translation, error) {
	if len(variables) > 1 {
		return nil, errors.New("more than one variable is part of the name")
	}
	v := variables[0]
	matching, values := m.names.between(name[:v.Start], name[v.End:])
	label, targets := m.labelOf(matching, values)
	if label == "" {
		return nil, fmt.Errorf("the variable %s stands for a part of the name that is no label here", v.Name)
	}
	selected := &translation{selector: s}
	if err := m.take(selected, targets, matching, label); err != nil {
		return nil, err
	}
	if len(selected.matchers[0].values) > 1 {
		return nil, fmt.Errorf("the names that the variable %s stands for are different metrics here", v.Name)
	}
	value := &matcher{label: label, variable: name[v.Start:v.End]}
	selected.matchers = slices.Insert(selected.matchers, 1, value)
	use := VariableUse{Name: v.Name, Label: label}
	for _, k := range targets {
		now := metric.LabelValue(k.labels, label)
		if r := (Rename{values[k], now}); r.Old != r.New && !slices.Contains(use.Values, r) {
			use.Values = append(use.Values, r)
		}
	}
	selected.variables = []VariableUse{use}
	return selected, nil
}

// between returns the metrics whose old names begin and end as given, with what stands in between. Names of older
// versions, with single underscores only, count where there are no others.
func (n *names) between(before, after string) (matching []*known, values map[*known]string) {
	values = map[*known]string{}
	for _, form := range []func(string) string{func(name string) string { return name }, squash} {
		for _, k := range n.all {
			old := form(k.old)
			if len(old) > len(before)+len(after) && strings.HasPrefix(old, before) && strings.HasSuffix(old, after) {
				matching = append(matching, k)
				values[k] = old[len(before) : len(old)-len(after)]
			}
		}
		if len(matching) > 0 {
			break
		}
	}
	return matching, values
}

// labelOf finds the label whose values a part of old names spells, and the metrics of which that is so: most of them.
func (m *Migrator) labelOf(matching []*known, values map[*known]string) (string, []*known) {
	best, bestTargets := "", []*known(nil)
	for _, label := range labelsOf(matching) {
		var targets []*known
		for _, k := range matching {
			value := metric.LabelValue(k.labels, label)
			if label != labelName && label != labelOrigin && value != "" && m.spelled(value) == squash(values[k]) {
				targets = append(targets, k)
			}
		}
		if len(targets) > len(bestTargets) {
			best, bestTargets = label, targets
		}
	}
	return best, bestTargets
}

// spelled is a value as it stands within an old name.
func (m *Migrator) spelled(value string) string {
	return squash(strings.TrimPrefix(m.old.Name("", value, metric.KindNone), m.old.Prefix()))
}
