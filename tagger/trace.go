package tagger

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/internal/suggest"
	"loggregator_exporter/metric"
)

// Stage is a stage of Apply.
type Stage string

// The stages, in order.
const (
	StageOrigin     Stage = "origin"      // the origin is taken apart
	StageRule       Stage = "rule"        // the rules are tried on the name, or on the rest of it
	StageFromOrigin Stage = "from_origin" // component, zone and index of the origin become tags of the name
	StageQuarantine Stage = "quarantine"  // id-like parts are taken out
	StageMetadata   Stage = "metadata"    // a metrics entry matches the base name
)

// Trace is what Apply did, step by step.
type Trace struct {
	Steps []Step
	// NoAttempts leaves Tried empty, which costs most of a trace's time.
	NoAttempts bool
	// OnlyRules leaves all but Stage and Rule empty, which costs little beside the rules.
	OnlyRules bool
}

// Step is one step of Apply.
type Step struct {
	Stage Stage
	Text  string // that the step matched: the origin, the name, a rest of it or the base name
	// Rule is the id of the rule that matched, "" for none; Pattern is its pattern as written, Place where it stands.
	Rule, Pattern, Place string
	Captures             []metric.Label // by that rule
	Tags                 []metric.Label // the tags that this step set
	Kept                 []metric.Label // the tags that an earlier rule had set, with this step's values
	Rest                 string         // the text that is matched against the rules again, or ""
	Base                 string         // the name that is left, if nothing is matched again
	Dropped              bool
	Metadata             []string // what the rule sets of the metric, such as `unit seconds`
	// Tried are rules before the one that matched, or of all rules if none did, and why they did not match: those
	// that match the first segment of the text, and regular expressions whose literal it contains. Omitted is the
	// number of such rules beyond maxAttempts.
	Tried   []Attempt
	Omitted int
}

// Attempt is a rule that did not match.
type Attempt struct {
	Rule, Pattern, Place, Reason string
}

const maxAttempts = 50

func (t *Trace) last() *Step { return &t.Steps[len(t.Steps)-1] }

// addMatch adds a step for a search and the rule that it found, nil for none.
func (t *Trace) addMatch(stage Stage, s *search, r *rule) {
	if t.OnlyRules {
		t.addRule(stage, r)
		return
	}
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
	if stage != StageMetadata && !t.NoAttempts {
		step.Tried, step.Omitted = s.attempts(r)
	}
	t.Steps = append(t.Steps, step)
}

func (t *Trace) addRule(stage Stage, r *rule) {
	t.Steps = append(t.Steps, Step{Stage: stage})
	if r != nil {
		t.last().Rule = r.id
	}
}

// addEffect adds to the last step what the rule did: the tags from before on are its own.
func (t *Trace) addEffect(r *rule, s *search, tags []metric.Label, before int, left string, isRest bool) {
	step := t.last()
	if t.OnlyRules {
		return
	}
	step.Tags = slices.Clone(tags[before:])
	for _, l := range r.appendTags(nil, s.subject, s.values[:]) {
		if v := metric.LabelValue(tags[:before], l.Name); v != "" && v != l.Value {
			step.Kept = append(step.Kept, l)
		}
	}
	if isRest {
		step.Rest = left
	} else {
		step.Base = left
	}
	t.addMetadata(r)
}

// addTags says what tags the last step set.
func (t *Trace) addTags(tags []metric.Label) {
	if !t.OnlyRules {
		t.last().Tags = slices.Clone(tags)
	}
}

// addMetadata adds to the last step what the rule sets of the metric.
func (t *Trace) addMetadata(r *rule) {
	if t.OnlyRules {
		return
	}
	s := t.last()
	add := func(isSet bool, format string, args ...any) {
		if isSet {
			s.Metadata = append(s.Metadata, fmt.Sprintf(format, args...))
		}
	}
	add(r.kind != metric.KindNone, "kind %s", r.kind)
	add(r.hasUnit, "unit %s", cmp.Or(r.unit, "none"))
	add(r.metric != nil, "metric %s", r.metricText)
	add(r.help != "", "help %q", r.help)
	add(r.expiry > 0, "expire %s", r.expiry)
	add(r.buckets != nil, "buckets %v", r.buckets)
	add(r.isMapping, "the name is final")
	add(r.isMapping && r.scale != 1, "scale %s", strconv.FormatFloat(r.scale, 'g', -1, 64))
	for _, l := range r.dropLabels {
		add(true, "drop label %s", l)
	}
	for _, l := range r.renameLabels {
		add(true, "rename label %s to %s", l.Name, l.Value)
	}
}

// attempts explains why the rules before the one that matched did not.
func (s *search) attempts(matched *rule) (tried []Attempt, omitted int) {
	segment := firstSegment(s.text)
	at := -1
	for rank := range s.set.variants {
		v := &s.set.variants[rank]
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
			omitted++
			continue
		}
		tried = append(tried, Attempt{r.id, r.source, r.place.String(), reason})
	}
	return tried, omitted
}

// reason says why a sequence or expression of a rule did not match; "" if it is not worth showing.
func (s *search) reason(v *variant, r *rule, segment int) string {
	if v.sequence == nil {
		switch {
		case !strings.Contains(s.text, requiredLiteral(r.regex.String())):
			return ""
		case !r.regex.MatchString(s.text):
			return "the regular expression does not match"
		default:
			return s.whyUnused(r)
		}
	}
	p := progress{text: s.text, origins: s.origins, steps: maxProgressSteps}
	if p.match(v.sequence, 0) {
		return s.whyUnused(r)
	}
	if p.furthest < segment || p.furthest == segment && v.sequence[0].cap != nil {
		return ""
	}
	if p.failed == nil {
		return fmt.Sprintf("matches only as far as %q, and %q is left", s.text[:p.furthest], s.text[p.furthest:])
	}
	return fmt.Sprintf("matches as far as %q, then %q is not %s", s.text[:p.furthest], s.text[p.furthest:],
		sequence{*p.failed})
}

// whyUnused says why a rule whose pattern matches was not used.
func (s *search) whyUnused(r *rule) string {
	if key := r.when.failing(s.subject, s.component); key != "" {
		return "the pattern matches, but when." + key + " does not hold"
	}
	if s.chain.has(r, len(s.text)) {
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

// progress matches one sequence and records how far it got.
type progress struct {
	text     string
	origins  [2]string
	steps    int // left
	furthest int
	failed   *token // the token that failed at furthest; nil if the sequence was at its end
}

func (p *progress) match(q sequence, pos int) (matched bool) {
	p.steps--
	var failing *token
	if len(q) > 0 {
		failing = &q[0]
	} else if pos == len(p.text) {
		return true
	}
	if pos > p.furthest || p.failed == nil && p.furthest == 0 {
		p.furthest, p.failed = pos, failing
	}
	switch {
	case failing == nil || p.steps < 0:
		return false
	case failing.cap == nil:
		return strings.HasPrefix(p.text[pos:], failing.lit) && p.match(q[1:], pos+len(failing.lit))
	default:
		failing.cap.ends(p.text, pos, &p.origins, func(end int) { matched = matched || p.match(q[1:], end) })
		return matched
	}
}

// Suggestion is a rule that nearly matches a name.
type Suggestion struct {
	Rule, Pattern, Place string
}

// Nearest returns up to n rules whose patterns are nearest to a name that no rule matches, the nearest first.
// Rules that share no word with the name are left out.
func (t *Tagger) Nearest(name string, n int) []Suggestion {
	type scored struct {
		*rule
		score float64
	}
	var all []scored
	words := wordsOf(name)
	for i := range t.names.variants {
		v := &t.names.variants[i]
		score := 0.0
		for _, tok := range v.sequence {
			if tok.cap == nil {
				score += overlap(words, wordsOf(tok.lit))
			}
		}
		r := t.names.rules[v.rule]
		if score == 0 {
			continue
		}
		score -= float64(suggest.Distance(name, r.source)) / 1000
		if last := len(all) - 1; last >= 0 && all[last].rule == r {
			all[last].score = max(all[last].score, score)
			continue
		}
		all = append(all, scored{r, score})
	}
	slices.SortStableFunc(all, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	suggestions := make([]Suggestion, 0, n)
	for _, s := range all[:min(n, len(all))] {
		suggestions = append(suggestions, Suggestion{s.id, s.source, s.place.String()})
	}
	return suggestions
}

func wordsOf(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return strings.ContainsRune("./_-:[]=, ", r) })
}

// overlap is the share of the pattern's words that the name has, or nearly has.
func overlap(name, pattern []string) float64 {
	score := 0.0
	for _, p := range pattern {
		best := 0.0
		for _, w := range name {
			if len(p) < 3 && p != w {
				continue
			}
			if d := suggest.Distance(p, w); d <= len(p)/3 {
				best = max(best, 1-float64(d)/float64(len(p)))
			}
		}
		score += best
	}
	return score
}
