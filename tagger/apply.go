package tagger

import (
	"slices"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/naming"
)

// maxChain bounds the rules that are applied to one name.
const maxChain = 8

// chain holds the rules that were applied to a name, and the length of the text that each was applied to, so that no
// rule is applied again to a text that it left unchanged.
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

// Apply runs a name through the rules and leaves the result in dst, whose memory is reused. With a trace, the same
// code also records each of its steps there.
//
// Without one it allocates only what dst lacks, and new strings: of templates with several parts, of values whose
// case changes, and of names out of which the quarantine takes something.
func (t *Tagger) Apply(s *Subject, dst *Result, tr *Trace) {
	dst.Reset()
	m := search{subject: s}
	m.parseOrigin(t.origins, dst, tr)
	made := decisions{}
	skipQuarantine := m.applyRules(t.names, dst, &made, tr)
	if !dst.Final && !dst.Dropped {
		promoteOrigin(dst, made.fixedComponent, tr)
		if t.quarantine && !skipQuarantine {
			quarantine(dst, tr)
		}
		m.applyMetadata(t.metrics, dst, &made, tr)
	}
	if !made.kind {
		dst.Kind = s.Kind
	}
	if !made.unit {
		dst.Unit = t.unit(s)
		if dst.Unit == "" && !dst.Final && !dst.Dropped {
			dst.Unit = naming.UnitOfName(dst.Base)
		}
	}
}

// applyRules matches the name, and then each rest that a rule leaves of it, against the rules. skipQuarantine is true
// if one of the rules that were applied forbids the quarantine.
func (s *search) applyRules(names *ruleSet, dst *Result, made *decisions, tr *Trace) (skipQuarantine bool) {
	text, isRest := s.subject.Name, true
	for isRest && s.chain.n < maxChain {
		s.component, s.origins = components(dst)
		r := s.match(names, text, -1)
		if tr != nil {
			tr.addMatch(StageRule, s, r)
		}
		if r == nil {
			break
		}
		if r.drop && s.subject.KeepDropped {
			s.chain.add(r, len(text)) // it is not found again
			s.passedOver++
			continue
		}
		dst.Rule = r.id
		if r.drop {
			dst.Dropped = true
			break
		}
		before, named := len(dst.Tags), dst.Tag(labelComponent) != ""
		dst.Tags = r.appendTags(dst.Tags, s.subject, s.values[:])
		made.fixedComponent = made.fixedComponent || !named && r.fixesComponent
		r.addMetadata(dst, made, s.subject, s.values[:])
		skipQuarantine = skipQuarantine || r.skipQuarantine
		s.chain.add(r, len(text))
		if r.isMapping {
			text, isRest = escapeName(r.name.expand(s.subject, s.values[:])), false
			if text == "" {
				text, dst.Dropped, dst.Invalid = s.subject.Name, true, r.noName
			}
		} else {
			text, isRest = r.remaining(text, s.subject, s.values[:])
		}
		if tr != nil {
			tr.addEffect(r, s, dst.Tags, before, text, isRest)
		}
	}
	dst.Base = text
	return skipQuarantine
}

// remaining returns the part of a text that the rule leaves. If isRest is true, it is matched against the rules again.
func (r *rule) remaining(text string, s *Subject, values []string) (left string, isRest bool) {
	if r.rest >= 0 {
		if values[r.rest] == "" {
			return text, false
		}
		return values[r.rest], true
	}
	if name := r.name.expand(s, values); name != "" {
		return name, false
	}
	return text, false
}

// components returns the component as conditions see it, and the texts of origin captures: an earlier rule of the
// chain may have found another component than the origin's.
func components(dst *Result) (component string, origins [2]string) {
	component = dst.Tag(labelComponent)
	of := dst.OriginTag(labelComponent)
	switch {
	case component == "":
		return of, [2]string{of}
	case equalFoldASCII(component, of):
		return component, [2]string{component}
	case len(of) > len(component):
		return component, [2]string{of, component}
	default:
		return component, [2]string{component, of}
	}
}

// Names of tags that mean the same in origins and names.
const (
	labelComponent = "component"
	labelZone      = "zone"
	labelIndex     = "index"
)

// parseOrigin sets the tags of the origin. An origin that no rule matches is the component as a whole.
func (s *search) parseOrigin(origins *ruleSet, dst *Result, tr *Trace) {
	origin := s.subject.Origin
	if origin == "" {
		return
	}
	r := s.match(origins, origin, -1)
	if r != nil {
		dst.OriginTags = r.appendTags(dst.OriginTags, s.subject, s.values[:])
	}
	dst.OriginTags = appendTag(dst.OriginTags, labelComponent, origin)
	if tr != nil {
		tr.addMatch(StageOrigin, s, r)
		tr.addTags(dst.OriginTags)
	}
}

// promoteOrigin makes component, zone and index of an origin such as router__0 tags of the name, unless rules
// found an index or another component in the name itself. So both shapes of a name, router__0 with x and
// router__0.x, get the same tags. They come first, as they do in the other shape, and replace a component that a
// rule sets to fixed text, as they do there.
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
		dst.Tags = appendTag(dst.Tags, label, dst.OriginTag(label))
	}
	rotate(dst.Tags, before)
	if tr != nil {
		tr.Steps = append(tr.Steps, Step{Stage: StageFromOrigin, Text: dst.Base})
		tr.addTags(dst.Tags[:len(dst.Tags)-before])
	}
}

// rotate moves the labels from k on, of which there are three at most, to the front.
func rotate(labels []metric.Label, k int) {
	for moved := 0; k < len(labels); k, moved = k+1, moved+1 {
		l := labels[k]
		copy(labels[moved+1:k+1], labels[moved:k])
		labels[moved] = l
	}
}

// applyMetadata adds what metrics entries say: each field from the first entry that matches and has it.
func (s *search) applyMetadata(entries *ruleSet, dst *Result, made *decisions, tr *Trace) {
	if len(entries.rules) == 0 {
		return
	}
	s.component, s.origins = components(dst)
	s.chain.n = 0
	for after := int32(-1); ; after = s.best {
		r := s.match(entries, dst.Base, after)
		if r == nil {
			return
		}
		dst.Described = true
		r.addMetadata(dst, made, s.subject, s.values[:])
		if tr != nil {
			tr.addMatch(StageMetadata, s, r)
			tr.addMetadata(r)
		}
		if made.kind && made.unit && dst.MetricBase != "" && dst.Help != "" && dst.Expiry != 0 && dst.Buckets != nil {
			return
		}
	}
}
