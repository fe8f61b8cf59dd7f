package tagger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
)

// Stage is the part of the way of a name that a Step belongs to.
type Stage string

// The stages, in the order in which a name meets them.
const (
	StageOrigin     Stage = "origin"      // the origin is taken apart
	StageRule       Stage = "rule"        // the rules are tried on the name, or on the rest of it
	StageFromOrigin Stage = "from_origin" // component, zone and index of the origin join the tags
	StageQuarantine Stage = "quarantine"  // id-like pieces are taken out
	StageMetadata   Stage = "metadata"    // a metrics entry speaks about the base name
)

// Trace is what Apply did, step by step.
type Trace struct {
	Steps []Step
}

// Step is one step of Apply.
type Step struct {
	Stage Stage
	Text  string // what was looked at: the origin, the name or its rest, the base name
	// Rule is the id of the rule that matched, "" for none; Pattern is its pattern as written, Place where it stands.
	Rule, Pattern, Place string
	Captures             []metric.Label // what it captured
	Tags                 []metric.Label // the tags that this step set
	Kept                 []metric.Label // the tags that it did not set, since an earlier rule had, with the values it would have set
	Rest                 string         // what goes on through the rules, "" if nothing does
	Base                 string         // the name that is left, where nothing goes on
	Dropped              bool
	Said                 []string // what it says of the metric, such as `unit seconds`
	// Tried are the rules before the one that matched, or all of them if none did, that share the first segment with
	// the text (regular expressions: a literal piece), and why they did not match; More is the number of those left out.
	Tried []Attempt
	More  int
}

// Attempt is a rule that did not match.
type Attempt struct {
	Rule, Pattern, Place, Reason string
}

const maxAttempts = 50

func (t *Trace) last() *Step { return &t.Steps[len(t.Steps)-1] }

// matched notes a search and what came of it. r is nil where nothing matched.
func (t *Trace) matched(stage Stage, s *search, r *rule) {
	step := Step{Stage: stage, Text: s.text}
	if r != nil {
		step.Rule, step.Pattern, step.Place = r.id, r.source, r.place.String()
		step.Dropped = stage == StageRule && r.drop
		for i, name := range r.captures {
			if v := s.values[i]; v != "" && name != restName {
				step.Captures = append(step.Captures, metric.Label{Name: name, Value: v})
			}
		}
	}
	if stage != StageMetadata {
		step.Tried, step.More = s.attempts(r)
	}
	t.Steps = append(t.Steps, step)
}

// applied adds to the last step what the rule did.
func (t *Trace) applied(r *rule, s *search, tags []metric.Label, before int, next string, more bool) {
	step := t.last()
	step.Tags = cloneLabels(tags[before:])
	for _, l := range r.setTags(nil, s.subject, s.values[:]) {
		if v := valueOf(tags[:before], l.Name); v != "" && v != l.Value {
			step.Kept = append(step.Kept, l)
		}
	}
	if more {
		step.Rest = next
	} else {
		step.Base = next
	}
	step.says(r)
}

// says notes what a rule says of the metric.
func (s *Step) says(r *rule) {
	if r.kind != metric.KindNone {
		s.Said = append(s.Said, "kind "+r.kind.String())
	}
	if r.hasUnit {
		unit := r.unit
		if unit == "" {
			unit = "none"
		}
		s.Said = append(s.Said, "unit "+unit)
	}
	if r.metric != nil {
		s.Said = append(s.Said, "metric "+r.metricText)
	}
	if r.help != "" {
		s.Said = append(s.Said, "help "+strconv.Quote(r.help))
	}
	if r.expiry > 0 {
		s.Said = append(s.Said, "expire "+r.expiry.String())
	}
	if r.buckets != nil {
		s.Said = append(s.Said, fmt.Sprintf("buckets %v", r.buckets))
	}
	if r.final {
		s.Said = append(s.Said, "the name is final")
	}
	if r.statsd != nil && r.statsd.Scale != 1 {
		s.Said = append(s.Said, "scale "+strconv.FormatFloat(r.statsd.Scale, 'g', -1, 64))
	}
	for _, l := range r.dropLabels {
		s.Said = append(s.Said, "drop label "+l)
	}
	for _, l := range r.renameLabels {
		s.Said = append(s.Said, "rename label "+l.Name+" to "+l.Value)
	}
}

func cloneLabels(labels []metric.Label) []metric.Label { return slices.Clone(labels) }

// attempts explains why the rules before the one that matched did not: those that get past the first segment of the text.
func (s *search) attempts(matched *rule) (tried []Attempt, more int) {
	segment := firstSegment(s.text)
	at := -1
	for order := range s.set.variants {
		v := &s.set.variants[order]
		r := s.set.rules[v.rule]
		if r == matched {
			break
		}
		reason := s.reason(v, r, segment)
		if reason == "" || int(v.rule) == at {
			continue
		}
		at = int(v.rule)
		if len(tried) == maxAttempts {
			more++
			continue
		}
		tried = append(tried, Attempt{r.id, r.source, r.place.String(), reason})
	}
	return tried, more
}

// reason says why a sequence or expression of a rule did not match; "" where it does not share the first segment.
func (s *search) reason(v *variant, r *rule, segment int) string {
	if v.sequence == nil {
		if lits := requiredLiterals(r.regex.String()); lits != nil && !slices.ContainsFunc(lits, func(l string) bool { return strings.Contains(s.text, l) }) {
			return ""
		}
		if !r.regex.MatchString(s.text) {
			return "the regular expression does not match"
		}
		return s.refusal(r)
	}
	p := progress{text: s.text, origins: s.origins, steps: maxProgressSteps}
	if p.walk(v.sequence, 0) {
		return s.refusal(r)
	}
	if p.furthest < segment || p.furthest == segment && v.sequence[0].cap != nil {
		return ""
	}
	if p.failed == nil {
		return fmt.Sprintf("matches only as far as %q, and %q is left", s.text[:p.furthest], s.text[p.furthest:])
	}
	return fmt.Sprintf("matches as far as %q, then %q is not %s", s.text[:p.furthest], s.text[p.furthest:], sequence{*p.failed})
}

// refusal says why a rule whose pattern matches was not used.
func (s *search) refusal(r *rule) string {
	if r.when != nil {
		if key := r.when.failing(s.subject, s.component); key != "" {
			return "the pattern matches, but when." + key + " does not hold"
		}
	}
	if s.applied.has(r, len(s.text)) {
		return "it has been applied to this already"
	}
	return "the pattern matches"
}

// firstSegment is the length of the first segment of a name, a slash at the start included.
func firstSegment(name string) int {
	if name == "" {
		return 0
	}
	if i := strings.IndexAny(name[1:], "./"); i >= 0 {
		return i + 1
	}
	return len(name)
}

const maxProgressSteps = 10_000

// progress matches one sequence and knows how far it got.
type progress struct {
	text     string
	origins  [2]string
	steps    int
	furthest int
	failed   *token // the token at furthest; nil where text is left over
}

func (p *progress) walk(q sequence, pos int) bool {
	p.steps--
	if len(q) == 0 {
		if pos == len(p.text) {
			return true
		}
		p.note(pos, nil)
		return false
	}
	p.note(pos, &q[0])
	if p.steps < 0 {
		return false
	}
	if q[0].cap == nil {
		return strings.HasPrefix(p.text[pos:], q[0].lit) && p.walk(q[1:], pos+len(q[0].lit))
	}
	for _, end := range p.ends(q[0].cap, pos) {
		if p.walk(q[1:], end) {
			return true
		}
	}
	return false
}

func (p *progress) note(pos int, t *token) {
	if pos > p.furthest || p.failed == nil && p.furthest == 0 {
		p.furthest, p.failed = pos, t
	}
}

func (p *progress) ends(c *capture, pos int) []int {
	var ends []int
	switch c.kind {
	case kindSet:
		for _, v := range c.set.values {
			if strings.HasPrefix(p.text[pos:], v) {
				ends = append(ends, pos+len(v))
			}
		}
	case kindOrigin:
		for _, o := range p.origins {
			if end := pos + len(o); o != "" && end <= len(p.text) && foldEqual(o, p.text[pos:end]) {
				ends = append(ends, end)
			}
		}
	default:
		if shortest, longest, ok := c.span(p.text, pos); ok {
			for end := longest; end >= shortest; end-- {
				ends = append(ends, end)
			}
		}
	}
	return ends
}
