package migrate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"loggregator_exporter/metric"
)

// matcher says which values a label may have; "" is for series without the label.
type matcher struct {
	label  string
	values []string
	// any stands for all values but "".
	any bool
	// not: the values are those that it must not have.
	not bool
	// pattern is a regular expression for the values.
	pattern string
	// variable is text with a variable that stands for the value.
	variable string
}

func (c *matcher) allows(value string) bool {
	if c.variable != "" || c.any {
		return c.variable != "" || value != ""
	}
	return slices.Contains(c.values, value)
}

// absent says whether series must not have the label.
func (c *matcher) absent() bool { return len(c.values) == 1 && c.values[0] == "" && !c.not }

// matcher is the matcher as PromQL.
func (c *matcher) text() string {
	value, op := "", labels.MatchEqual
	switch {
	case c.variable != "":
		value, op = c.variable, labels.MatchRegexp
	case c.pattern != "":
		if value, op = c.pattern, labels.MatchRegexp; c.not {
			op = labels.MatchNotRegexp
		}
	case c.any:
		op = labels.MatchNotEqual
	case len(c.values) == 1:
		if value = c.values[0]; c.not {
			op = labels.MatchNotEqual
		}
	default:
		op = labels.MatchRegexp
		var quoted []string
		for _, v := range c.values {
			quoted = append(quoted, regexp.QuoteMeta(v))
		}
		value = strings.Join(quoted, "|")
	}
	return c.label + op.String() + quote(value)
}

// quote writes a string of PromQL.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func allow(matchers []*matcher, k *known) bool {
	for _, c := range matchers {
		if !c.allows(metric.LabelValue(k.labels, c.label)) {
			return false
		}
	}
	return true
}

// tellApart finds the matchers on labels that those series fulfil that targets became, and no other known ones but
// those in also. The first matcher is that of the name. Of the label free nothing is asked.
func (n *names) tellApart(targets, also []*known, free string) ([]*matcher, error) {
	var all, others []*known
	metrics := valuesOf(targets, labelName)
	for _, name := range metrics {
		all = append(all, n.byMetric[name]...)
	}
	for _, k := range all {
		if !isAmong(k, targets) && !isAmong(k, also) {
			others = append(others, k)
		}
	}
	matchers := []*matcher{{label: labelName, values: metrics}}
	for _, label := range labelsOf(targets) {
		c := &matcher{label: label, values: valuesOf(targets, label)}
		if label != labelName && label != labelOrigin && label != free && !needless(c, targets, all) {
			matchers = append(matchers, c)
		}
	}
	return n.exclude(others, targets, matchers, free)
}

// exclude adds matchers until none of the others fulfils them all: first that a label is absent, then the origin.
func (n *names) exclude(others, targets []*known, matchers []*matcher, free string) ([]*matcher, error) {
	have := labelsOf(targets)
	for _, other := range others {
		if !allow(matchers, other) {
			continue
		}
		i := slices.IndexFunc(other.labels, func(l metric.Label) bool {
			given := l.Name == labelComponent && targets[0].anywhere // by the origin, which the old name does not hold
			return l.Name != labelOrigin && l.Name != free && !given && !slices.Contains(have, l.Name)
		})
		switch {
		case i >= 0:
			matchers = append(matchers, &matcher{label: other.labels[i].Name, values: []string{""}})
		case free != "" && metric.LabelValue(other.labels, labelOrigin) == "":
			continue // a name that something else passes on
		case free == "" && slices.Contains(have, labelOrigin):
			matchers = append(matchers, &matcher{label: labelOrigin, values: valuesOf(targets, labelOrigin)})
		}
		if allow(matchers, other) {
			return nil, fmt.Errorf("its series cannot be told apart from those of %s", other.old)
		}
	}
	return matchers, nil
}

// needless says whether a matcher tells nothing: a rule sets the label to one value for all series of the metric.
func needless(c *matcher, targets, all []*known) bool {
	for _, k := range targets {
		if !slices.Contains(k.fixed, c.label) {
			return false
		}
	}
	for _, k := range all {
		if len(c.values) != 1 || metric.LabelValue(k.labels, c.label) != c.values[0] {
			return false
		}
	}
	return true
}

// labelsOf returns the names of the labels of metrics, in the order in which they come.
func labelsOf(list []*known) []string {
	var names []string
	for _, k := range list {
		for _, l := range k.labels {
			if !slices.Contains(names, l.Name) {
				names = append(names, l.Name)
			}
		}
	}
	return names
}

// valuesOf returns the values of a label, sorted.
func valuesOf(list []*known, label string) []string {
	var values []string
	for _, k := range list {
		values = append(values, metric.LabelValue(k.labels, label))
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// widen makes matchers with several values hold for every value, where no other series fulfils them then: a regular
// expression for names finds names that are not known, too.
func (n *names) widen(matchers []*matcher, targets []*known) []*matcher {
	for i := 1; i < len(matchers); i++ {
		c := matchers[i]
		if len(c.values) < 2 {
			continue
		}
		kept := slices.Delete(slices.Clone(matchers), i, i+1)
		if n.finds(kept, targets) {
			matchers = kept
			i--
			continue
		}
		wide := *c
		wide.any = true
		kept = slices.Clone(matchers)
		kept[i] = &wide
		if !slices.Contains(c.values, "") && n.finds(kept, targets) {
			matchers = kept
		}
	}
	return matchers
}

// isAmong says whether metrics are the same series as others.
func isAmong(k *known, list []*known) bool {
	return slices.ContainsFunc(list, func(t *known) bool { return slices.Equal(t.labels, k.labels) })
}

// finds says whether matchers hold for the targets only.
func (n *names) finds(matchers []*matcher, targets []*known) bool {
	for _, name := range matchers[0].values {
		for _, k := range n.byMetric[name] {
			if allow(matchers, k) && !isAmong(k, targets) && metric.LabelValue(k.labels, labelOrigin) != "" {
				return false
			}
		}
	}
	return true
}

var errFactors = errors.New("its metrics have different units here")

// factorOf is the factor of metrics, which must be one.
func factorOf(targets []*known) (mul, div float64, err error) {
	for _, k := range targets {
		if k.mul*targets[0].div != targets[0].mul*k.div {
			return 1, 1, errFactors
		}
	}
	return targets[0].mul, targets[0].div, nil
}
