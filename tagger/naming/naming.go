// Package naming turns base names into metric names, and says by which factors the values in the units that components
// emit become values in base units; the store applies them.
package naming

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"loggregator_exporter/metric"
)

// Style says how base names become metric names.
//
// The default writes Prometheus' style: a namespace, words in lower case, values in base units and the base unit as
// the name's last word, `_total` at the end of counters. With KeepUnits values stay as they are and the name ends in
// the unit that they are in. The word total is never there twice: counters lose any other one. Verbatim keeps the
// base name as the rules spell it, letter for letter: no namespace, no suffix and no conversion, so that a unit in the
// name stays that of the value.
type Style struct {
	Namespace string
	Verbatim  bool
	KeepUnits bool
}

// Name is the name of a family, and what to do with the values of its series.
type Name struct {
	// Metric is a legal classic metric name, except under Verbatim, where it is the base name and may hold anything.
	Metric string
	// Unit is the unit whose word the name ends in (before _total), for UNIT metadata; "" otherwise.
	Unit string
	// Mul and Div convert: value*Mul/Div is the value in Unit. Both are 1 where there is nothing to do. Division by a
	// power of ten gives the nearest number, multiplication by its inverse would not.
	Mul, Div float64
}

// Name names the family of a base name. The unit is one of Units, or "" for none: it does not look for one in the
// name, as UnitOfName does. Name.Metric is never empty and never starts with a digit.
func (s Style) Name(base, unitName string, t metric.Type) Name {
	if s.Verbatim && base != "" {
		return Name{Metric: base, Mul: 1, Div: 1}
	}
	words := Words(base)
	u := unitNamed(unitName)
	counter := t == metric.TypeCounter
	if counter {
		words = slices.DeleteFunc(words, isTotal)
	}
	name, target := Name{Mul: 1, Div: 1}, ""
	if u != nil {
		target = u.name
		if !s.KeepUnits {
			target, name.Mul, name.Div = u.baseUnit, u.mul, u.div
		}
		words = stateUnit(words, u, target)
	}
	if !counter {
		words = moveTotal(words, target)
	}
	if u != nil && endsInUnit(words, target) {
		name.Unit = target
	}
	if counter {
		words = append(words, "total")
	}
	name.Metric = s.join(words)
	return name
}

func isTotal(word string) bool { return word == "total" }

// moveTotal puts a `total` at the end before the word or unit that it follows, since `_total` is for counters: the
// gauge tasks_total is total_tasks. The word is kept, since a gauge of the other words may exist as well.
func moveTotal(words []string, unitName string) []string {
	last := len(words) - 1
	if last < 1 || !isTotal(words[last]) {
		return words
	}
	words = words[:last]
	at := last - 1
	if unitName != "" && endsInUnit(words, unitName) {
		at = last - strings.Count(unitName, "_") - 1
	}
	return slices.Insert(words, at, "total")
}

// join puts the namespace before the words unless they begin with it.
func (s Style) join(words []string) string {
	prefix := strings.Join(Words(s.Namespace), "_")
	name := strings.Join(words, "_")
	switch {
	case name == "":
		name = "unnamed"
	case prefix != "" && (name == prefix || strings.HasPrefix(name, prefix+"_")):
		prefix = ""
	}
	if prefix != "" {
		name = prefix + "_" + name
	}
	if name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

// stateUnit makes the words name the target unit once. A word for the unit u, which converted values do not have, is
// replaced where it stands, with an `in` before it if it is the last. Otherwise the target is appended, unless the
// words contain it.
func stateUnit(words []string, u *unit, target string) []string {
	targetWords := strings.Split(target, "_")
	for i, word := range slices.Backward(words) {
		if !slices.Contains(u.words, word) {
			continue
		}
		from := i
		for i == len(words)-1 && from > 0 && words[from-1] == "in" {
			from--
		}
		return slices.Concat(words[:from], targetWords, words[i+1:])
	}
	if containUnit(words, target) {
		return words
	}
	return slices.Concat(words, targetWords)
}

// containUnit reports whether a unit is among the words, in the plural or in the singular.
func containUnit(words []string, unitName string) bool {
	if strings.Contains("_"+unitName, "_per_") {
		return slices.Contains(words, "per")
	}
	return slices.Contains(words, unitName) || slices.Contains(words, strings.TrimSuffix(unitName, "s"))
}

func endsInUnit(words []string, unitName string) bool {
	return strings.HasSuffix("_"+strings.Join(words, "_"), "_"+unitName)
}

// Words takes a name apart at case changes and at every character that is neither letter nor digit, and returns the
// words in lower case: `LRPsRunning` is lrps, running; `numCPUS` is num, cpus. A group that the next segment repeats
// counts once: `running.running_apps` is running, apps. Letters beyond ASCII are spelt by their number, so that two
// names of such letters stay different.
func Words(name string) []string {
	runes := []rune(name)
	spans := wordSpans(make([]wordSpan, 0, 8), runes)
	words := make([]string, 0, len(spans)+2) // callers add a unit and total
	var text strings.Builder                 // of all words, which share its memory
	text.Grow(len(name))
	for _, s := range spans {
		start := text.Len()
		writeLower(&text, runes[s.start:s.end])
		words = append(words, text.String()[start:])
	}
	return words
}

// wordSpan is the position of a word in a name.
type wordSpan struct{ start, end int }

// wordSpans appends the positions of the words of a name.
func wordSpans(spans []wordSpan, name []rune) []wordSpan {
	segmentStart := false // the next word is the first one after a dot or slash
	start := 0
	for i := 0; i <= len(name); i++ {
		ends := i == len(name) || !unicode.IsLetter(name[i]) && !unicode.IsDigit(name[i])
		if !ends && (i == start || !startsWord(name, start, i)) {
			continue
		}
		if i > start {
			if last := len(spans) - 1; !segmentStart || last < 0 ||
				!sameWord(name[spans[last].start:spans[last].end], name[start:i]) {
				spans = append(spans, wordSpan{start, i})
			}
			segmentStart = false
		}
		start = i
		if ends {
			start++
			segmentStart = segmentStart || i < len(name) && (name[i] == '.' || name[i] == '/')
		}
	}
	return spans
}

// sameWord tells whether words are equal but for the case of their ASCII letters.
func sameWord(a, b []rune) bool {
	return slices.EqualFunc(a, b, func(x, y rune) bool { return lower(x) == lower(y) })
}

func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}

// startsWord tells whether a new word starts at the upper-case letter runes[i], in a word that began at start: after
// a lower-case letter (`numGo`), after a digit that belongs to letters (`p95Latency`, not `2XX`), and at the last
// capital of an acronym where a word follows (`GCPause`), which the s of its plural is not (`LRPsRunning`).
func startsWord(runes []rune, start, i int) bool {
	if !unicode.IsUpper(runes[i]) {
		return false
	}
	prev := runes[i-1]
	if unicode.IsDigit(prev) {
		return slices.ContainsFunc(runes[start:i], unicode.IsLetter)
	}
	if !unicode.IsUpper(prev) {
		return true
	}
	return i+1 < len(runes) && unicode.IsLower(runes[i+1]) && !isPlural(runes, i+1)
}

// isPlural tells whether runes[i] is an s that ends an acronym.
func isPlural(runes []rune, i int) bool {
	return runes[i] == 's' && (i+1 == len(runes) || !unicode.IsLower(runes[i+1]))
}

func writeLower(b *strings.Builder, word []rune) {
	for _, r := range word {
		if r < unicode.MaxASCII {
			_ = b.WriteByte(byte(lower(r)))
		} else {
			_, _ = fmt.Fprintf(b, "u%04x", r)
		}
	}
}
