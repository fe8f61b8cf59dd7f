package tagger

import (
	"strings"

	"loggregator_exporter/metric"
)

// Vocabulary holds the words of rules, without the rules themselves: how they call a dimension, and which words are
// names of measurements. A program that proposes rules for other names calls the same things by the same names.
type Vocabulary struct {
	// Labels has the label of a value by the word that stands before the value: `queues` and `queue`.
	Labels map[string]string
	// Names are the names of all labels that values of a name become.
	Names map[string]bool
	// Values has the label of values that rules list: `ephemeral` and `disk`.
	Values map[string]string
	// Fixed has the tag that rules set where they remove a word: `memoryStats` and type=vm_memory.
	Fixed map[string]metric.Label
	// Components are the components that rules list.
	Components map[string]bool
	// Measures counts the base names that end in a word, in lower case.
	Measures map[string]int
}

// Vocabulary returns the words of all rules.
func (t *Tagger) Vocabulary() *Vocabulary {
	v := &Vocabulary{
		Labels:     make(map[string]string),
		Names:      make(map[string]bool),
		Values:     make(map[string]string),
		Fixed:      make(map[string]metric.Label),
		Components: make(map[string]bool),
		Measures:   make(map[string]int),
	}
	for i := range t.names.variants {
		n := &t.names.variants[i]
		if n.sequence != nil {
			v.addRule(t.names.rules[n.rule], n)
		}
	}
	for i := range t.metrics.variants {
		q := t.metrics.variants[i].sequence
		if n := len(q); n > 0 && q[n-1].cap == nil {
			if words := Words(q[n-1].lit); len(words) > 0 {
				v.Measures[words[len(words)-1]]++
			}
		}
	}
	return v
}

func (v *Vocabulary) addRule(r *rule, n *variant) {
	slot := 0
	for i, t := range n.sequence {
		if t.cap == nil {
			continue
		}
		at := n.slots[slot]
		slot++
		if at < 0 || t.cap.name == "" || !r.keep[at] {
			continue
		}
		v.Names[t.cap.name] = true
		if t.cap.typ == typeSet {
			for _, value := range t.cap.set.values {
				v.addValue(t.cap.name, value)
			}
		}
		if !t.cap.isOpen() {
			continue // its type says what the value is, whatever stands before it
		}
		for _, word := range wordsBefore(n.sequence[:i]) {
			if t.cap.name != labelComponent && v.Labels[word] == "" {
				v.Labels[word] = t.cap.name
			}
		}
	}
	v.addFixed(r, n.sequence)
}

// isOpen says whether the capture takes any word.
func (c *capture) isOpen() bool {
	return c.typ == typeSegment || c.typ == typeRest || c.typ == typeWord || c.typ == typePath || c.typ == typeSet
}

func (v *Vocabulary) addValue(label, value string) {
	if label == labelComponent {
		v.Components[value] = true
	} else if v.Values[value] == "" {
		v.Values[value] = label
	}
}

// addFixed takes rules of the form `word.{rest...}` that set a fixed tag.
func (v *Vocabulary) addFixed(r *rule, q sequence) {
	if len(q) != 2 || q[0].cap != nil || q[1].cap == nil || q[1].cap.typ != typeRest || len(r.tags) != 1 {
		return
	}
	word, separated := strings.CutSuffix(q[0].lit, ".")
	tag := &r.tags[0]
	if separated && tag.value.fixed() && tag.name != labelComponent && !strings.ContainsAny(word, "./") {
		v.Fixed[word] = metric.Label{Name: tag.name, Value: tag.value.expand(&Subject{}, nil)}
	}
}

// wordsBefore returns the segments that may stand before the end of a sequence: the last of a literal or, before a
// separator, the values of a capture that is a part of the base name.
func wordsBefore(q sequence) []string {
	if len(q) == 0 || q[len(q)-1].cap != nil {
		return nil
	}
	literal := q[len(q)-1].lit
	text := strings.TrimRight(literal, "./")
	if text == literal {
		return nil
	}
	if word := text[strings.LastIndexAny(text, "./")+1:]; word != "" {
		return []string{word}
	}
	if len(q) > 1 && q[len(q)-2].cap.typ == typeSet {
		return q[len(q)-2].cap.set.values
	}
	return nil
}

// PassingOn returns the ids of the rules that take only a part of a name and pass the rest on. Where Result.Rule is
// one of them, no rule takes the rest.
func (t *Tagger) PassingOn() map[string]bool {
	ids := make(map[string]bool)
	for _, r := range t.names.rules {
		if r.rest >= 0 {
			ids[r.id] = true
		}
	}
	return ids
}

// TypeOf returns the name of the type of captures that takes the value and only such values: guid, ip, status, zone or
// int; "" for none.
func TypeOf(value string) string {
	for _, t := range []captureType{typeGUID, typeIP, typeStatus, typeZone} {
		if _, longest := captureTypes[t].lengths(value); longest == len(value) && longest > 0 {
			return captureTypes[t].name
		}
	}
	if value != "" && strings.Trim(value, digits) == "" {
		return captureTypes[typeInt].name
	}
	return ""
}

// EqualsOrigin says whether the type origin takes a text where the component is this one.
func EqualsOrigin(component, text string) bool {
	return len(component) == len(text) && equalsOrigin(component, text)
}

// Words returns the words of a name in lower case, split at changes of case and at all characters but letters and
// digits.
func Words(name string) []string {
	var words []string
	start := 0
	end := func(at int) {
		if at > start {
			words = append(words, strings.ToLower(name[start:at]))
		}
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case !isAlphanumeric(c):
			end(i)
			start = i + 1
		case i > start && isUpper(c) && (!isUpper(name[i-1]) || i+1 < len(name) && isLower(name[i+1])):
			end(i)
			start = i
		}
	}
	end(len(name))
	return words
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
