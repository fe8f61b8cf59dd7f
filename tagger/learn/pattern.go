package learn

import (
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
)

// pattern is the way from the start of a name to a place in it: a token for each segment. It is never changed.
type pattern struct {
	scope    string // that of the names, "" for those of all components together
	tokens   []token
	ids      []uint32 // of the segments, where none is a capture
	segments int      // up to the last capture, inclusive
	captures bool
	product  bool          // of the last capture
	fixed    *metric.Label // a tag that the rule sets in place of the tokens, all of which are literal
	yes, no  []string
	doubt    bool
}

// token is a literal segment or a capture.
type token struct {
	segment   *segment // nil for a capture
	separator string   // before a capture
	label     string
	typ       string // of the capture: "" for a segment, rest for whatever follows
	unnamed   bool   // nothing tells how to call the label
	byWord    bool   // it is called after the word before it, for want of anything else
	first     string // the first value
}

// Types of captures that are more than a type of the rule language.
const (
	typRest    = "rest"    // whatever follows
	typIndexed = "indexed" // a component and its index
)

func (p pattern) literal(g *segment) pattern {
	p.tokens = append(slices.Clip(p.tokens), token{segment: g})
	p.ids = append(slices.Clip(p.ids), g.id)
	return p
}

// capture returns the pattern with a capture for the values.
func (p pattern) capture(segments *table, values []*segment, v verdict) pattern {
	t := token{separator: values[0].separator(), typ: values[0].typ}
	for _, g := range values {
		if g.typ != t.typ {
			t.typ = ""
		}
	}
	t.first = values[0].text
	t.label, t.unnamed = segments.label(p, values, t.typ)
	if before := p.directly(); before != nil && t.label == before.value {
		_, from := segments.neighbour(before)
		t.byWord = from == fromWord
	}
	p.tokens = append(slices.Clip(p.tokens), t)
	p.segments, p.captures, p.product = len(p.tokens), true, v.product
	p.yes = append(slices.Clip(p.yes), t.label+": "+strings.Join(v.evidence, "; "))
	p.no = append(slices.Clip(p.no), v.against...)
	p.doubt = p.doubt || v.decision != yes
	if v.decision == doubtful {
		p.no = append(p.no, "the evidence for "+t.label+" is thin")
	}
	return p
}

// as returns the pattern whose last capture has another type.
func (p pattern) as(typ string) pattern {
	p.tokens = slices.Clone(p.tokens)
	p.tokens[len(p.tokens)-1].typ = typ
	return p
}

// swapLabels gives the name of the word before two captures to the second one: queues/{vhost}/{queue}.
func (p *pattern) swapLabels() {
	p.tokens = slices.Clone(p.tokens)
	for i := 1; i < len(p.tokens); i++ {
		a, b := &p.tokens[i-1], &p.tokens[i]
		if i < 2 || a.segment != nil || b.segment != nil || !b.unnamed || p.tokens[i-2].segment == nil {
			continue
		}
		if word := p.tokens[i-2].segment.value; a.label == singular(word) && a.label != word {
			a.label, b.label, a.unnamed, b.unnamed = b.label, a.label, true, false
		}
	}
}

func (p *pattern) last() *token { return &p.tokens[len(p.tokens)-1] }

// previous is the segment before the next one; nil at the start and behind a capture that nothing stands before.
func (p *pattern) previous() *segment {
	for _, t := range slices.Backward(p.tokens) {
		if t.segment != nil {
			return t.segment
		}
	}
	return nil
}

// key is the same for patterns that make one rule.
func (p *pattern) key() string {
	var b strings.Builder
	tokens := p.tokens
	if p.captures {
		tokens = tokens[:p.segments]
	}
	for _, t := range tokens {
		if t.segment != nil {
			b.WriteString(t.segment.text)
			continue
		}
		b.WriteString(t.separator + "\x00" + t.typ + "\x00")
	}
	if p.captures && p.tokens[0].segment == nil && p.tokens[0].typ == "" {
		// Without a word before it, a rule is for one component, and for what that has in common.
		b.WriteString("\x00" + p.scope + "\x00" + p.tokens[0].first)
	}
	if p.doubt {
		b.WriteString("\x00doubt")
	}
	return b.String()
}

// free returns the label or, if the rule cannot have it twice, the label with a number.
func (p *pattern) free(name string) string {
	if name == "component" {
		name = "target_component"
	}
	used := func(name string) bool {
		return name == "component" || name == "leaf" || name == "rest" || name == "le" || name == "quantile" ||
			slices.ContainsFunc(p.tokens, func(t token) bool { return t.label == name })
	}
	base := name
	for n := 2; used(name); n++ {
		name = base + "_" + strconv.Itoa(n)
	}
	return name
}

// directly is the segment right before the next one, nil if that is a capture.
func (p *pattern) directly() *segment {
	if n := len(p.tokens); n > 0 {
		return p.tokens[n-1].segment
	}
	return nil
}
