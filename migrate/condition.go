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

// condition says which values a label may have; "" is for series without the label.
type condition struct {
	label  string
	values []string
	// any stands for all values but "".
	any bool
	// not: the values are those that it must not have.
	not bool
	// variable is text with a variable that stands for the value.
	variable string
}

func (c *condition) allows(value string) bool {
	if c.variable != "" || c.any {
		return c.variable != "" || value != ""
	}
	return slices.Contains(c.values, value)
}

// absent says whether series must not have the label.
func (c *condition) absent() bool { return len(c.values) == 1 && c.values[0] == "" && !c.not }

// matcher is the condition as PromQL.
func (c *condition) matcher() string {
	value, op := "", labels.MatchEqual
	switch {
	case c.variable != "":
		value, op = c.variable, labels.MatchRegexp
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

func allow(conditions []*condition, k *known) bool {
	for _, c := range conditions {
		if !c.allows(metric.LabelValue(k.labels, c.label)) {
			return false
		}
	}
	return true
}

// tellApart finds the conditions on labels that those series fulfil that targets became, and no other known ones but
// those in also. The first condition is that of the name. Of the label free nothing is asked.
func (n *names) tellApart(targets, also []*known, free string) ([]*condition, error) {
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
	conditions := []*condition{{label: labelName, values: metrics}}
	for _, label := range labelsOf(targets) {
		c := &condition{label: label, values: valuesOf(targets, label)}
		if label != labelName && label != labelOrigin && label != free && !needless(c, targets, all) {
			conditions = append(conditions, c)
		}
	}
	return n.exclude(others, targets, conditions, free)
}

// exclude adds conditions until none of the others fulfils them all: first that a label is absent, then the origin.
func (n *names) exclude(others, targets []*known, conditions []*condition, free string) ([]*condition, error) {
	have := labelsOf(targets)
	for _, other := range others {
		if !allow(conditions, other) {
			continue
		}
		i := slices.IndexFunc(other.labels, func(l metric.Label) bool {
			return l.Name != labelOrigin && l.Name != free && !slices.Contains(have, l.Name)
		})
		switch {
		case i >= 0:
			conditions = append(conditions, &condition{label: other.labels[i].Name, values: []string{""}})
		case free != "" && metric.LabelValue(other.labels, labelOrigin) == "":
			continue // a name that something else passes on
		case free == "" && slices.Contains(have, labelOrigin):
			conditions = append(conditions, &condition{label: labelOrigin, values: valuesOf(targets, labelOrigin)})
		}
		if allow(conditions, other) {
			return nil, fmt.Errorf("its series cannot be told apart from those of %s", other.old)
		}
	}
	return conditions, nil
}

// needless says whether a condition tells nothing: a rule sets the label to one value for all series of the metric.
func needless(c *condition, targets, all []*known) bool {
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

// widen makes conditions with several values hold for every value, where no other series fulfils them then: a regular
// expression for names finds names that are not known, too.
func (n *names) widen(conditions []*condition, targets []*known) []*condition {
	for i := 1; i < len(conditions); i++ {
		c := conditions[i]
		if len(c.values) < 2 {
			continue
		}
		kept := slices.Delete(slices.Clone(conditions), i, i+1)
		if n.finds(kept, targets) {
			conditions = kept
			i--
			continue
		}
		wide := *c
		wide.any = true
		kept = slices.Clone(conditions)
		kept[i] = &wide
		if !slices.Contains(c.values, "") && n.finds(kept, targets) {
			conditions = kept
		}
	}
	return conditions
}

// isAmong says whether metrics are the same series as others.
func isAmong(k *known, list []*known) bool {
	return slices.ContainsFunc(list, func(t *known) bool { return slices.Equal(t.labels, k.labels) })
}

// finds says whether conditions hold for the targets only.
func (n *names) finds(conditions []*condition, targets []*known) bool {
	for _, name := range conditions[0].values {
		for _, k := range n.byMetric[name] {
			if allow(conditions, k) && !isAmong(k, targets) && metric.LabelValue(k.labels, labelOrigin) != "" {
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
