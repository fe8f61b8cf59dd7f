package learn

import (
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
)

// Where the label of a dimension comes from.
type labelSource uint8

const (
	fromNowhere    labelSource = iota
	fromVocabulary             // rules call values behind this word so
	fromPlural                 // the word is a plural
	fromWord                   // it is any word, which says little
)

// neighbour returns the label that the segment before values gives them.
func (t *table) neighbour(before *segment) (label string, from labelSource) {
	if before == nil {
		return "", fromNowhere
	}
	v := t.vocabulary
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
func (t *table) label(p pattern, values []*segment, typ string) (name string, unnamed bool) {
	name, from := t.neighbour(p.directly())
	if from == fromVocabulary && t.unlisted(name, values) && name != singular(strings.ToLower(p.directly().value)) {
		name, from = "", fromNowhere
	}
	if common := t.commonLabel(values); common != "" && (name == "" || from == fromWord) {
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

// unlisted says whether rules list values of a label, but none of these: then the label is for other ones.
func (t *table) unlisted(label string, values []*segment) bool {
	if !t.listed[label] {
		return false
	}
	return !slices.ContainsFunc(values, func(g *segment) bool { return g.known || g.typ != "" })
}

// commonLabel returns the label under which rules list most of the values, or the envelope tag that has them.
func (t *table) commonLabel(values []*segment) string {
	count := make(map[string]int)
	components := 0
	for _, g := range values {
		if label := t.vocabulary.Values[g.value]; label != "" {
			count[label]++
		} else if tag := t.tagValues[g.value]; tag != "" && isLabel(tag) {
			count[tag]++
		}
		if t.isComponent(g.value) {
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
