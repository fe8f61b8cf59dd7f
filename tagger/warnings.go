package tagger

import (
	"fmt"
	"slices"
	"strings"

	"loggregator_exporter/metric"
)

// Warning describes a part of a rule file that is valid, but most likely not meant as it is.
type Warning struct {
	File         string
	Line, Column int
	Rule         string // the rule concerned
	Other        string // the rule that causes it, or ""
	Message      string // complete, with place and rules
}

func (w Warning) String() string { return w.Message }

const (
	maxWarnings = 100 // shown; a last one counts the others
	// maxCompared bounds the earlier rules with which a sequence is compared, so that many rules of one pattern load
	// in time.
	maxCompared = 100
)

// warnings finds rules that can never match. A user's rule before a built-in one is meant to win, so only rules of
// the same layer are compared. It may miss some, but reports none that can match.
func (t *Tagger) warnings() []Warning {
	var all []Warning
	for _, set := range []*ruleSet{t.names, t.origins, t.metrics} {
		c := comparison{set: set, metadata: set == t.metrics, expressions: make(map[string][]*rule)}
		ranks := make([][]int32, len(set.rules))
		for rank, v := range set.variants {
			ranks[v.rule] = append(ranks[v.rule], int32(rank))
		}
		for i, r := range set.rules {
			// For origins a prefix comes last, after rules that are meant to win.
			if set == t.origins && r.isPrefix {
				continue
			}
			if w, found := c.warning(r, ranks[i]); found {
				all = append(all, w)
			}
		}
	}
	if omitted := len(all) - maxWarnings; omitted > 0 {
		all = append(all[:maxWarnings], Warning{Message: fmt.Sprintf("%d more warnings are not shown", omitted)})
	}
	return all
}

// comparison compares the rules of a set with earlier ones.
type comparison struct {
	set         *ruleSet
	metadata    bool               // the rules are metrics entries: an earlier one must also say as much
	expressions map[string][]*rule // earlier rules by their regular expression
}

func (c *comparison) warning(r *rule, ranks []int32) (w Warning, found bool) {
	w = Warning{File: r.place.file, Line: r.place.line, Column: r.place.column, Rule: r.id}
	w.Message = fmt.Sprintf("%s: rule %q never matches: ", r.place, r.id)
	if !slices.ContainsFunc(kindNames(), r.when.allowsKind) {
		w.Message += "its conditions on kind exclude each other: no metric can match"
		return w, true
	}
	var earlier *rule
	for _, rank := range ranks {
		if earlier = c.covering(r, rank); earlier == nil {
			break
		}
	}
	if r.regex != nil {
		c.expressions[r.regex.String()] = append(c.expressions[r.regex.String()], r)
	}
	if earlier == nil {
		return w, false
	}
	what := "matches all of its names"
	if c.metadata {
		what = "says the same of all of its names"
	}
	w.Other = earlier.id
	w.Message += fmt.Sprintf("rule %q at %s comes first and %s: move one of them, or remove it", earlier.id,
		earlier.place, what)
	return w, true
}

// covering returns an earlier rule that matches everything that the sequence or expression of a rank matches, or
// nil.
//
// A rule that does so matches any one text of the sequence. So the index finds the candidates by a sample.
func (c *comparison) covering(r *rule, rank int32) *rule {
	q := c.set.variants[rank].sequence
	if q == nil {
		for _, e := range c.expressions[r.regex.String()] {
			if c.replaces(e, r) {
				return e
			}
		}
		q = sequence{token{cap: &capture{typ: typeRest}}}
	}
	var sample strings.Builder
	for _, t := range q {
		if t.cap != nil {
			sample.WriteString(t.cap.sample())
		} else {
			sample.WriteString(t.lit)
		}
	}
	s := search{subject: &Subject{}, origins: [2]string{sampleOrigin}, unconditional: true}
	after := int32(-1)
	for range maxCompared {
		earlier := s.match(c.set, sample.String(), after)
		if earlier == nil || s.best >= rank {
			return nil
		}
		p := c.set.variants[s.best].sequence
		if earlier != r && p != nil && c.replaces(earlier, r) && !passesOn(earlier, p) && covers(p, q) {
			return earlier
		}
		after = s.best
	}
	return nil
}

// replaces says whether an earlier rule leaves nothing to a later one for texts that the patterns of both match.
func (c *comparison) replaces(earlier, later *rule) bool {
	if earlier.layer != later.layer || !later.when.implies(earlier.when) {
		return false
	}
	if !c.metadata {
		return true
	}
	return (later.kind == metric.KindNone || earlier.kind != metric.KindNone) && (!later.hasUnit || earlier.hasUnit) &&
		(later.metric == nil || earlier.metric != nil) && (later.help == "" || earlier.help != "") &&
		(later.expiry == 0 || earlier.expiry != 0) && (later.buckets == nil || earlier.buckets != nil)
}

// passesOn says whether the rule passes the whole text on, so that later rules see it too.
func passesOn(r *rule, q sequence) bool {
	return r.rest >= 0 && len(q) == 1 && q[0].cap != nil && q[0].cap.name == r.captures[r.rest]
}

// covers reports whether a matches every text that b matches. It may return false though a does, since captures of b
// are not taken apart, but never true though a does not.
func covers(a, b sequence) bool {
	c := cover{a: a, failed: make(map[[2]int]bool)}
	for _, t := range b {
		for i := range len(t.lit) {
			c.b = append(c.b, item{literal: t.lit[i : i+1]})
		}
		if t.cap != nil {
			c.b = append(c.b, item{cap: t.cap})
		}
	}
	return c.from(0, 0)
}

// cover matches a sequence against the bytes and captures of another.
type cover struct {
	a      sequence
	b      []item
	failed map[[2]int]bool // by position in a and in b
}

// item is a byte of a literal, or a capture.
type item struct {
	literal string
	cap     *capture
}

func (c *cover) from(i, j int) bool {
	if i == len(c.a) {
		return j == len(c.b)
	}
	key := [2]int{i, j}
	if !c.failed[key] {
		c.failed[key] = !c.token(i, j)
	}
	return !c.failed[key]
}

func (c *cover) token(i, j int) bool {
	t := c.a[i]
	literal := c.literal(j)
	switch {
	case t.cap == nil:
		return strings.HasPrefix(literal, t.lit) && c.from(i+1, j+len(t.lit))
	case t.cap.isRun():
		if t.cap.info().shortest == 0 && c.from(i+1, j) {
			return true
		}
		for ; j < len(c.b) && t.cap.holds(c.b[j]); j++ {
			if c.from(i+1, j+1) {
				return true
			}
		}
		return false
	case j < len(c.b) && c.b[j].cap != nil:
		return t.cap.includes(c.b[j].cap) && c.from(i+1, j+1)
	default:
		covered := false
		t.cap.ends(literal, 0, &[2]string{}, func(end int) { covered = covered || c.from(i+1, j+end) })
		return covered
	}
}

// literal is the literal text of b from j up to the next capture.
func (c *cover) literal(j int) string {
	var b strings.Builder
	for ; j < len(c.b) && c.b[j].cap == nil; j++ {
		b.WriteString(c.b[j].literal)
	}
	return b.String()
}

// holds says whether a run of the capture can hold the byte, or all that the other capture takes.
func (c *capture) holds(i item) bool {
	if i.cap != nil {
		return c.includes(i.cap)
	}
	return c.info().bytes.has(i.literal[0])
}

// includes reports whether the capture takes every text that d takes. It may return false though it does.
func (c *capture) includes(d *capture) bool {
	if c.takesSame(d) {
		return true
	}
	if !c.isRun() {
		return c.typ == typeSet && d.typ == typeSet && !slices.ContainsFunc(d.set.values,
			func(v string) bool { return !c.set.has(v) })
	}
	bytes := d.info().bytes
	if d.typ == typeSet {
		bytes = bytesOf(strings.Join(d.set.values, ""))
	}
	return bytes.isIn(&c.info().bytes) && (!d.isRun() || c.info().shortest <= d.info().shortest)
}
