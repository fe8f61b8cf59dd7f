package tagger

import (
	"slices"
	"strings"

	"loggregator_exporter/metric"
)

// condition is the compiled `when` of a rule: every part must hold. A part that is nil always holds.
type condition struct {
	kind, origin, component, unit, sourceID *valueCondition
	tags                                    []tagCondition
}

type tagCondition struct {
	name  string
	value *valueCondition
}

// holds says whether the condition holds for a metric of a component.
func (c *condition) holds(s *Subject, component string) bool { return c.failing(s, component) == "" }

// failing returns the key of the first part that does not hold, or "".
func (c *condition) failing(s *Subject, component string) string {
	switch {
	case c == nil:
		return ""
	case !c.kind.holds(s.Kind.String()):
		return "kind"
	case !c.origin.holds(s.Origin):
		return "origin"
	case !c.component.holds(component):
		return "component"
	case !c.unit.holds(s.Unit):
		return "unit"
	case !c.sourceID.holds(s.SourceID):
		return "source_id"
	}
	for i := range c.tags {
		if t := &c.tags[i]; !t.value.holds(metric.LabelValue(s.Tags, t.name)) {
			return "tags." + t.name
		}
	}
	return ""
}

// allowsKind says whether the condition can hold for metrics of a kind.
func (c *condition) allowsKind(kind string) bool { return c == nil || c.kind.holds(kind) }

// implies reports whether d holds wherever c does. It may return false though d does.
func (c *condition) implies(d *condition) bool {
	if d == nil {
		return true
	}
	if c == nil {
		c = &condition{}
	}
	for _, t := range d.tags {
		if !c.tag(t.name).implies(t.value) {
			return false
		}
	}
	return c.kind.implies(d.kind) && c.origin.implies(d.origin) && c.component.implies(d.component) &&
		c.unit.implies(d.unit) && c.sourceID.implies(d.sourceID)
}

func (c *condition) tag(name string) *valueCondition {
	for _, t := range c.tags {
		if t.name == name {
			return t.value
		}
	}
	return nil
}

// valueCondition holds for a value that a glob of any matches, or any value if any is empty, and no glob of none.
type valueCondition struct {
	any, none []metric.Glob
}

func (c *valueCondition) holds(value string) bool {
	return c == nil || !matchesAny(c.none, value) && (len(c.any) == 0 || matchesAny(c.any, value))
}

func matchesAny(globs []metric.Glob, value string) bool {
	for i := range globs {
		if globs[i].Match([]byte(value)) {
			return true
		}
	}
	return false
}

// implies reports whether d holds for every value for which c does. It may return false though d does.
func (c *valueCondition) implies(d *valueCondition) bool {
	if d == nil {
		return true
	}
	if c == nil {
		return false
	}
	sameText := func(a, b metric.Glob) bool { return a.String() == b.String() }
	if slices.EqualFunc(c.any, d.any, sameText) && slices.EqualFunc(c.none, d.none, sameText) {
		return true
	}
	for _, g := range c.any {
		value, exact := g.Literal()
		among := func(h metric.Glob) bool { return sameText(g, h) }
		if exact && d.holds(value) || len(d.none) == 0 && slices.ContainsFunc(d.any, among) {
			continue
		}
		return false
	}
	return len(c.any) > 0
}

// conditionGlob compiles a value of `when`. Of the special characters of globs only `*` and `\` have a meaning in
// rules.
func conditionGlob(written string) metric.Glob {
	var b strings.Builder
	for i := 0; i < len(written); i++ {
		c := written[i]
		if c == '?' || c == '\\' && i+1 == len(written) {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
		if c == '\\' && i+1 < len(written) {
			i++
			b.WriteByte(written[i])
		}
	}
	g, _ := metric.CompileGlob(b.String()) // it fails only on a backslash at the end
	return g
}
