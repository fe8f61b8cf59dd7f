package tagger

import (
	"fmt"
	"slices"
	"strings"

	"loggregator_exporter/metric"
)

// warnings finds rules that can never match. A user's rule before a built-in one is meant to win, so only rules of the same
// layer are compared. It may miss some, but what it reports is so.
func (l *loader) warnings() []Warning {
	var all []Warning
	for _, set := range []*ruleSet{l.tagger.names, l.tagger.origins, l.tagger.metrics} {
		f := shadowFinder{set: set, metadata: set == l.tagger.metrics}
		warned := f.find()
		if set == l.tagger.origins {
			// A prefix stands here a second time, where another may well come first.
			warned = withoutPrefixes(warned, set)
		}
		all = append(all, warned...)
	}
	return all
}

func withoutPrefixes(warnings []Warning, set *ruleSet) []Warning {
	prefixes := make(map[string]bool)
	for _, r := range set.rules {
		prefixes[r.id] = r.isPrefix
	}
	var kept []Warning
	for _, w := range warnings {
		if !prefixes[w.Rule] {
			kept = append(kept, w)
		}
	}
	return kept
}

// maxShadowing bounds the earlier rules that a sequence is compared with, so that many rules of one pattern load in time.
const maxShadowing = 100

type shadowFinder struct {
	set      *ruleSet
	metadata bool
}

func (f *shadowFinder) find() []Warning {
	var all []Warning
	orders := make([][]int32, len(f.set.rules))
	for order, v := range f.set.variants {
		orders[v.rule] = append(orders[v.rule], int32(order))
	}
	expressions := make(map[string][]*rule)
	for at, r := range f.set.rules {
		if r.when.never() {
			all = append(all, r.warn("", "its conditions on kind exclude each other: no metric can match"))
			continue
		}
		var by *rule
		for _, order := range orders[at] {
			if by = f.shadow(r, order, expressions); by == nil {
				break
			}
		}
		if r.regex != nil {
			expressions[r.regex.String()] = append(expressions[r.regex.String()], r)
		}
		if by == nil {
			continue
		}
		what := "matches all of its names"
		if f.metadata {
			what = "says the same of all of its names"
		}
		all = append(all, r.warn(by.id, fmt.Sprintf("rule %q at %s comes first and %s: move one of them, or remove it", by.id, by.place, what)))
	}
	return all
}

func (r *rule) warn(other, message string) Warning {
	return Warning{
		File: r.place.file, Line: r.place.line, Column: r.place.column, Rule: r.id, Other: other,
		Message: fmt.Sprintf("%s: rule %q never matches: %s", r.place, r.id, message),
	}
}

// never says whether no kind satisfies the condition.
func (c *condition) never() bool {
	if c == nil || c.kinds == nil {
		return false
	}
	return !slices.ContainsFunc(kindNames(), c.kinds.fits)
}

// shadow returns an earlier rule that takes everything that the sequence or expression of an order matches, or nil.
func (f *shadowFinder) shadow(r *rule, order int32, expressions map[string][]*rule) *rule {
	q := f.set.variants[order].sequence
	if q == nil {
		for _, e := range expressions[r.regex.String()] {
			if f.wins(e, r) {
				return e
			}
		}
		q = sequence{token{cap: &capture{kind: kindRest}}}
	}
	s := search{subject: &Subject{}, origins: [2]string{witnessOrigin}, unconditional: true}
	text := witness(q)
	after := int32(-1)
	for range maxShadowing {
		earlier := s.match(f.set, text, after)
		if earlier == nil || s.best >= order {
			return nil
		}
		v := &f.set.variants[s.best]
		if earlier != r && v.sequence != nil && f.wins(earlier, r) && !letsThrough(earlier, v.sequence) && covers(v.sequence, q) {
			return earlier
		}
		after = s.best
	}
	return nil
}

// wins says whether an earlier rule is used wherever a later one could be, if its pattern matches.
func (f *shadowFinder) wins(earlier, later *rule) bool {
	if earlier.layer != later.layer || !later.when.implies(earlier.when) {
		return false
	}
	if !f.metadata {
		return true
	}
	return (later.kind == metric.KindNone || earlier.kind != metric.KindNone) && (!later.hasUnit || earlier.hasUnit) &&
		(later.metric == nil || earlier.metric != nil) && (later.help == "" || earlier.help != "") &&
		(later.expiry == 0 || earlier.expiry != 0) && (later.buckets == nil || earlier.buckets != nil)
}

// letsThrough says whether the rule passes the whole text on, so that later rules get their turn.
func letsThrough(r *rule, q sequence) bool {
	return r.rest >= 0 && len(q) == 1 && q[0].cap != nil && q[0].cap.name == r.captures[r.rest]
}

const witnessOrigin = "q9w"

// witness is a text that the sequence matches.
func witness(q sequence) string {
	var b strings.Builder
	for _, t := range q {
		if t.cap == nil {
			b.WriteString(t.lit)
			continue
		}
		b.WriteString(t.cap.sample())
	}
	return b.String()
}

func (c *capture) sample() string {
	switch c.kind {
	case kindInt:
		return "7"
	case kindGUID:
		return "01234567-89ab-cdef-0123-456789abcdef"
	case kindIP:
		return "10.0.0.1"
	case kindStatus:
		return "200"
	case kindZone:
		return "z1"
	case kindPort:
		return "8080"
	case kindSet:
		return c.set.values[0]
	default:
		return witnessOrigin
	}
}

// covers says whether a matches every text that b matches. It may err on the side of no: captures of b are taken as wholes.
func covers(a, b sequence) bool {
	c := coverage{a: a, b: b, failed: make(map[[3]int]bool)}
	return c.from(0, 0, 0)
}

type coverage struct {
	a, b   sequence
	failed map[[3]int]bool // by place in a, place in b, and byte of a literal of b
}

func (c *coverage) from(i, j, at int) bool {
	if j < len(c.b) && c.b[j].cap == nil && at == len(c.b[j].lit) {
		j, at = j+1, 0
	}
	if i == len(c.a) {
		return j == len(c.b)
	}
	key := [3]int{i, j, at}
	if j == len(c.b) || c.failed[key] {
		return false
	}
	if of := c.a[i].cap; of != nil {
		c.failed[key] = !c.capture(of, i, j, at)
	} else {
		lit := c.a[i].lit
		c.failed[key] = c.b[j].cap != nil || !strings.HasPrefix(c.b[j].lit[at:], lit) || !c.from(i+1, j, at+len(lit))
	}
	return !c.failed[key]
}

// capture tries what the capture at i of a can take of b.
func (c *coverage) capture(of *capture, i, j, at int) bool {
	if !of.isRun() {
		if d := c.b[j].cap; d != nil {
			return of.includes(d) && c.from(i+1, j+1, 0)
		}
		lit := c.b[j].lit[at:]
		for _, end := range (&progress{text: lit}).ends(of, 0) {
			if c.from(i+1, j, at+end) {
				return true
			}
		}
		return false
	}
	for j < len(c.b) {
		t := c.b[j]
		switch {
		case t.cap != nil:
			if !of.includes(t.cap) {
				return false
			}
			j++
		case at == len(t.lit):
			j, at = j+1, 0
			continue
		default:
			if !of.holds(t.lit[at]) {
				return false
			}
			at++
		}
		if c.from(i+1, j, at) {
			return true
		}
	}
	return false
}

// includes says whether the capture takes every text that d takes.
func (c *capture) includes(d *capture) bool {
	if c.sameText(d) {
		return true
	}
	if !c.isRun() {
		if c.kind != kindSet || d.kind != kindSet {
			return false
		}
		for _, v := range d.set.values {
			if _, ok := c.set.index[v]; !ok {
				return false
			}
		}
		return true
	}
	for b := range 256 {
		if d.mayHold(byte(b)) && !c.holds(byte(b)) {
			return false
		}
	}
	return true
}

// mayHold says whether a text of the capture may hold a byte. It may err on the side of yes.
func (c *capture) mayHold(b byte) bool {
	switch c.kind {
	case kindGUID:
		return isHex(b) || b == '-' || b == '_'
	case kindIP:
		return isDigit(b) || b == '-' || b == '_' || b == '.'
	case kindStatus:
		return isDigit(b) || b == 'x' || b == 'X'
	case kindZone:
		return isDigit(b) || strings.IndexByte("aAzZ", b) >= 0
	case kindPort:
		return isDigit(b)
	case kindSet:
		for _, v := range c.set.values {
			if strings.IndexByte(v, b) >= 0 {
				return true
			}
		}
		return false
	default:
		return c.holds(b)
	}
}
