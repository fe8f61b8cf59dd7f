package tagger

import (
	"strings"

	"loggregator_exporter/metric"
)

// condition is the compiled `when` of a rule: all parts must hold; a nil part holds always.
type condition struct {
	origin, sourceID, unit, component *matcher
	kinds                             *matcher
	tags                              []tagCondition
}

type tagCondition struct {
	name  string
	value *matcher
}

// holds says whether the condition is true of a metric whose component, as far as it is known, is the one given.
func (c *condition) holds(s *Subject, component string) bool { return c.failing(s, component) == "" }

// failing returns the key of the first part that does not hold, or "".
func (c *condition) failing(s *Subject, component string) string {
	switch {
	case c.kinds != nil && !c.kinds.fits(s.Kind.String()):
		return "kind"
	case c.origin != nil && !c.origin.fits(s.Origin):
		return "origin"
	case c.component != nil && !c.component.fits(component):
		return "component"
	case c.unit != nil && !c.unit.fits(s.Unit):
		return "unit"
	case c.sourceID != nil && !c.sourceID.fits(s.SourceID):
		return "source_id"
	}
	for i := range c.tags {
		if t := &c.tags[i]; !t.value.fits(valueOf(s.Tags, t.name)) {
			return "tags." + t.name
		}
	}
	return ""
}

// implies says whether d holds wherever c does. It may err on the side of no.
func (c *condition) implies(d *condition) bool {
	if d == nil {
		return true
	}
	if c == nil {
		c = &condition{}
	}
	ok := c.kinds.implies(d.kinds) && c.origin.implies(d.origin) && c.component.implies(d.component) &&
		c.unit.implies(d.unit) && c.sourceID.implies(d.sourceID)
	for i := range d.tags {
		var mine *matcher
		for j := range c.tags {
			if c.tags[j].name == d.tags[i].name {
				mine = c.tags[j].value
			}
		}
		ok = ok && mine.implies(d.tags[i].value)
	}
	return ok
}

// matcher fits a value if one of any fits (or any is empty) and none of not does.
type matcher struct {
	any, not []glob
}

func (m *matcher) fits(value string) bool {
	for i := range m.not {
		if m.not[i].fits(value) {
			return false
		}
	}
	for i := range m.any {
		if m.any[i].fits(value) {
			return true
		}
	}
	return len(m.any) == 0
}

// implies says whether d fits every value that m fits. It may err on the side of no.
func (m *matcher) implies(d *matcher) bool {
	if d == nil {
		return true
	}
	if m == nil || len(m.any) == 0 {
		return m != nil && m.String() == d.String()
	}
	for i := range m.any {
		g := &m.any[i]
		if g.exact() && d.fits(g.parts[0]) {
			continue
		}
		if len(d.not) == 0 && containsGlob(d.any, g) {
			continue
		}
		return m.String() == d.String()
	}
	return true
}

func containsGlob(globs []glob, g *glob) bool {
	for i := range globs {
		if globs[i].text == g.text {
			return true
		}
	}
	return false
}

func (m *matcher) String() string {
	var b strings.Builder
	for i, g := range m.any {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(g.text)
	}
	for i, g := range m.not {
		if i > 0 || len(m.any) > 0 {
			b.WriteString(", ")
		}
		b.WriteString("!" + g.text)
	}
	return b.String()
}

// glob is text in which `*` stands for any characters or none: the parts between the stars.
type glob struct {
	text  string
	parts []string
}

// newGlob compiles a glob. Backslashes take away the meaning of `*`, `!` and of themselves.
func newGlob(text string) glob {
	g := glob{text: text}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c == '*':
			g.parts = append(g.parts, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	g.parts = append(g.parts, b.String())
	return g
}

func (g *glob) exact() bool { return len(g.parts) == 1 }

func (g *glob) fits(value string) bool {
	if g.exact() {
		return value == g.parts[0]
	}
	last := len(g.parts) - 1
	value, ok := strings.CutPrefix(value, g.parts[0])
	if !ok {
		return false
	}
	value, ok = strings.CutSuffix(value, g.parts[last])
	if !ok {
		return false
	}
	for _, part := range g.parts[1:last] {
		i := strings.Index(value, part)
		if i < 0 {
			return false
		}
		value = value[i+len(part):]
	}
	return true
}

// kindNames are the kinds that rules may name.
func kindNames() []string {
	return []string{metric.KindGauge.String(), metric.KindCounter.String(), metric.KindTimer.String()}
}
