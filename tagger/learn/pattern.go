package learn

import (
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
)

// pattern is the way from the start of a name to a place in it: a token for each segment. It is never changed.
type pattern struct {
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
func (p pattern) capture(s *solver, values []*segment, v verdict) pattern {
	t := token{separator: values[0].separator(), typ: values[0].typ}
	for _, g := range values {
		if g.typ != t.typ {
			t.typ = ""
		}
	}
	t.first = values[0].text
	t.label, t.unnamed = s.label(p, values, t.typ)
	if before := p.directly(); before != nil && t.label == before.value {
		_, from := s.neighbour(before)
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
	return b.String()
}

// Where the label of a dimension comes from.
type labelSource uint8

const (
	fromNowhere    labelSource = iota
	fromVocabulary             // rules call values behind this word so
	fromPlural                 // the word is a plural
	fromWord                   // it is any word, which says little
)

// neighbour returns the label that the segment before values gives them.
func (s *solver) neighbour(before *segment) (label string, from labelSource) {
	if before == nil {
		return "", fromNowhere
	}
	v := s.table.vocabulary
	if label = v.Labels[before.value]; label != "" {
		return label, fromVocabulary
	}
	word := strings.ToLower(strings.ReplaceAll(before.value, "-", "_"))
	if !isLabel(word) {
		return "", fromNowhere
	}
	one := singular(word)
	if v.Names[one] {
		return one, fromVocabulary
	}
	if before.measure || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" {
		return "", fromNowhere
	}
	if one != word {
		return one, fromPlural
	}
	return word, fromWord
}

// label names the dimension of values behind a pattern. unnamed says that nothing tells how to call it.
func (s *solver) label(p pattern, values []*segment, typ string) (name string, unnamed bool) {
	name, from := s.neighbour(p.directly())
	if from == fromVocabulary && s.unlisted(name, values) && name != singular(strings.ToLower(p.directly().value)) {
		name, from = "", fromNowhere
	}
	if common := s.commonLabel(values); common != "" && (name == "" || from == fromWord) {
		name = common
	}
	if typ == "status" || typ == "zone" || from == fromWord && typ != "" && typ != "int" {
		name = "" // the type says more than the word
	}
	if name == "" {
		switch typ {
		case "guid", "ip", "zone", "status":
			name = typ
		case "int":
			name = numberLabel(values)
		default:
			name, unnamed = "dimension", true
		}
	}
	return p.free(name), unnamed
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

// unlisted says whether rules list values of a label, but none of these: then the label is for other ones.
func (s *solver) unlisted(label string, values []*segment) bool {
	if !s.table.listed[label] {
		return false
	}
	return !slices.ContainsFunc(values, func(g *segment) bool { return g.known || g.typ != "" })
}

// directly is the segment right before the next one, nil if that is a capture.
func (p *pattern) directly() *segment {
	if n := len(p.tokens); n > 0 {
		return p.tokens[n-1].segment
	}
	return nil
}

// commonLabel returns the label under which rules list most of the values, or the envelope tag that has them.
func (s *solver) commonLabel(values []*segment) string {
	count := make(map[string]int)
	components := 0
	for _, g := range values {
		if label := s.table.vocabulary.Values[g.value]; label != "" {
			count[label]++
		} else if tag := s.table.tagValues[g.value]; tag != "" && isLabel(tag) {
			count[tag]++
		}
		if s.table.components[g.value] || s.table.vocabulary.Components[g.value] {
			components++
		}
	}
	best := ""
	for label, n := range count {
		if n*2 >= len(values) && (best == "" || n > count[best] || n == count[best] && label < best) {
			best = label
		}
	}
	if best == "" && components*2 >= len(values) {
		best = "target_component"
	}
	return best
}

// numberLabel is port for numbers that look like ports, and index for others.
func numberLabel(values []*segment) string {
	for _, g := range values {
		if n, err := strconv.Atoi(g.value); err != nil || n < 1024 || n > 65535 {
			return "index"
		}
	}
	return "port"
}

// isLabel says whether a text can be the name of a label.
func isLabel(s string) bool {
	return s != "" && metric.LegalLabel(s) == s
}
