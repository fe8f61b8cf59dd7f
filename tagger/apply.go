package tagger

import (
	"slices"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/naming"
)

// maxChain bounds the rules that a name runs through.
const maxChain = 8

// chain remembers which rules let through which lengths of text, so that none is tried again on what it left unchanged.
type chain struct {
	n     int
	rules [maxChain]*rule
	sizes [maxChain]int32
}

func (c *chain) add(r *rule, size int) {
	c.rules[c.n], c.sizes[c.n] = r, int32(size)
	c.n++
}

func (c *chain) has(r *rule, size int) bool {
	for i := c.n - 1; i >= 0; i-- {
		if c.rules[i] == r && c.sizes[i] == int32(size) {
			return true
		}
	}
	return false
}

// Apply runs a name through the rules and leaves what they made of it in dst, whose memory is reused.
//
// tr is nil in production: Apply then allocates nothing but what dst lacks and what templates of several parts, changed
// letter case and the quarantine put together. With a trace, the same code also notes each of its steps there.
func (t *Tagger) Apply(s *Subject, dst *Result, tr *Trace) {
	dst.Reset()
	m := search{subject: s}
	m.parseOrigin(t.origins, dst, tr)
	said := description{}
	keepIDs := m.rename(t.names, dst, &said, tr)
	if !dst.Final && !dst.Dropped {
		promoteOrigin(dst, said.fixedComponent, tr)
		if t.quarantine && !keepIDs {
			quarantine(dst, tr)
		}
		m.describe(t.metrics, dst, &said, tr)
	}
	if !said.kind {
		dst.Kind = s.Kind
	}
	if !said.unit {
		dst.Unit = t.unit(s.Unit)
		if dst.Unit == "" && !dst.Final && !dst.Dropped {
			dst.Unit = naming.UnitOfName(dst.Base)
		}
	}
}

// rename runs the name through the rules. It says whether one of them wants ids to stay in the base name.
func (m *search) rename(names *ruleSet, dst *Result, said *description, tr *Trace) (keepIDs bool) {
	s := m.subject
	text, more := s.Name, true
	for more && m.applied.n < maxChain {
		m.component, m.origins = components(dst)
		r := m.match(names, text, -1)
		if tr != nil {
			tr.matched(StageRule, m, r)
		}
		if r == nil {
			break
		}
		dst.Rule = r.id
		if r.drop {
			dst.Dropped = true
			break
		}
		before, named := len(dst.Tags), dst.Tag(labelComponent) != ""
		dst.Tags = r.setTags(dst.Tags, s, m.values[:])
		said.fixedComponent = said.fixedComponent || !named && r.fixesComponent
		r.describe(dst, said, s, m.values[:])
		keepIDs = keepIDs || r.noQuarantine
		m.applied.add(r, len(text))
		if r.final {
			if text = escapeName(r.name.expand(s, m.values[:])); text == "" {
				text, dst.Dropped = s.Name, true
			}
			if tr != nil {
				tr.applied(r, m, dst.Tags, before, text, false)
			}
			break
		}
		text, more = r.next(text, s, m.values[:])
		if tr != nil {
			tr.applied(r, m, dst.Tags, before, text, more)
		}
	}
	dst.Base = text
	return keepIDs
}

// next is the text that is left of a name, and whether it goes on through the rules.
func (r *rule) next(text string, s *Subject, values []string) (next string, more bool) {
	if r.rest >= 0 {
		if values[r.rest] == "" {
			return text, false
		}
		return values[r.rest], true
	}
	if r.name != nil {
		if name := r.name.expand(s, values); name != "" {
			return name, false
		}
	}
	return text, false
}

// components returns the component as conditions see it, and the texts of captures of type origin.
func components(dst *Result) (component string, origins [2]string) {
	component = dst.Tag(labelComponent)
	of := dst.OriginTag(labelComponent)
	switch {
	case component == "":
		return of, [2]string{of}
	case foldEqual(component, of):
		return component, [2]string{component}
	case len(of) > len(component):
		return component, [2]string{of, component}
	default:
		return component, [2]string{component, of}
	}
}

// Names of tags that mean the same wherever they come from.
const (
	labelComponent = "component"
	labelZone      = "zone"
	labelIndex     = "index"
)

// parseOrigin takes the origin apart. A plain one is the component as a whole.
func (m *search) parseOrigin(origins *ruleSet, dst *Result, tr *Trace) {
	if m.subject.Origin == "" {
		return
	}
	r := m.match(origins, m.subject.Origin, -1)
	if r != nil {
		dst.OriginTags = r.setTags(dst.OriginTags, m.subject, m.values[:])
	}
	if dst.OriginTag(labelComponent) == "" {
		dst.OriginTags = append(dst.OriginTags, metric.Label{Name: labelComponent, Value: m.subject.Origin})
	}
	if tr != nil {
		tr.matched(StageOrigin, m, r)
		tr.last().Tags = cloneLabels(dst.OriginTags)
	}
}

// promoteOrigin makes component, zone and index of an origin such as router__0 tags of the name, where the text of the name says
// nothing else: both shapes of a name, router__0 with x and router__0.x, end in the same tags. They come first, as they
// do in the other shape, and a component that a rule sets to fixed text yields to that of the origin, as it does there.
func promoteOrigin(dst *Result, fixedComponent bool, tr *Trace) {
	index := dst.OriginTag(labelIndex)
	if index == "" || dst.Tag(labelIndex) != "" {
		return
	}
	of, named := dst.OriginTag(labelComponent), dst.Tag(labelComponent)
	if named != "" && named != of {
		if !fixedComponent {
			return
		}
		dst.Tags = slices.DeleteFunc(dst.Tags, func(l metric.Label) bool { return l.Name == labelComponent })
	}
	before := len(dst.Tags)
	for _, label := range [...]string{labelComponent, labelZone, labelIndex} {
		dst.Tags = setTag(dst.Tags, label, dst.OriginTag(label))
	}
	rotate(dst.Tags, before)
	if tr != nil {
		tr.Steps = append(tr.Steps, Step{Stage: StageFromOrigin, Text: dst.Base, Tags: cloneLabels(dst.Tags[:len(dst.Tags)-before])})
	}
}

// rotate moves the labels from k on to the front. There are three of them at most.
func rotate(labels []metric.Label, k int) {
	for moved := 0; k < len(labels); k, moved = k+1, moved+1 {
		l := labels[k]
		copy(labels[moved+1:k+1], labels[moved:k])
		labels[moved] = l
	}
}

// describe adds what metrics entries say: each field from the first entry that matches and says it.
func (m *search) describe(entries *ruleSet, dst *Result, said *description, tr *Trace) {
	if len(entries.rules) == 0 {
		return
	}
	m.component, m.origins = components(dst)
	m.applied.n = 0
	for after := int32(-1); ; after = m.best {
		r := m.match(entries, dst.Base, after)
		if r == nil {
			return
		}
		r.describe(dst, said, m.subject, m.values[:])
		if tr != nil {
			tr.matched(StageMetadata, m, r)
			tr.last().says(r)
		}
		if said.kind && said.unit && dst.Metric != "" && dst.Help != "" && dst.Expiry != 0 && dst.Buckets != nil {
			return
		}
	}
}
