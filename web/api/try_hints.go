package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"loggregator_exporter/internal/suggest"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/tagger/naming"
)

const (
	maxMixed     = 20 // metrics that are warned of because of their units
	maxNearRules = 20 // rules without a live name for which the nearest one is looked for
)

// mixedUnits finds metrics that a rule of the file makes of names with different units.
type mixedUnits struct {
	rules    map[string]string            // by metric
	examples map[string]map[string]string // by metric and unit, a name
}

// add notes a name that has another metric than before.
func (m *mixedUnits) add(name string, was, is *resolver.Resolution) {
	if is.Metric == "" || is.Metric == was.Metric || was.Metric == "" {
		return
	}
	if m.examples == nil {
		m.rules, m.examples = map[string]string{}, map[string]map[string]string{}
	}
	of := m.examples[is.Metric]
	if of == nil {
		of = map[string]string{}
		m.rules[is.Metric], m.examples[is.Metric] = is.Rules.Rule, of
	}
	// A base unit: milliseconds and nanoseconds are converted to the same one.
	unit := cmp.Or(naming.Style{}.Name("x", was.Rules.Unit, metric.TypeGauge).Unit, "none")
	if _, ok := of[unit]; !ok {
		of[unit] = name
	}
}

// warnings are in the order of metrics.
func (m *mixedUnits) warnings(rules []Rule) []RuleError {
	var all []RuleError
	for _, name := range slices.Sorted(maps.Keys(m.examples)) {
		i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == m.rules[name] })
		of := m.examples[name]
		if len(of) < 2 || i < 0 || len(all) == maxMixed {
			continue
		}
		var units []string
		for _, unit := range slices.Sorted(maps.Keys(of)) {
			units = append(units, unit+" ("+of[unit]+")")
		}
		all = append(all, RuleError{
			File: rules[i].File, Line: rules[i].Line, Rule: rules[i].ID,
			Text: fmt.Sprintf("%s gets values of different units: %s; keep what the name says of the quantity in the base name",
				name, strings.Join(units, ", ")),
		})
	}
	return all
}

// nearest says of the rules that take no live name which one has most of the words of their patterns, whatever the
// case and with a misspelt letter; more than half of them.
func (t *trial) nearest(ctx context.Context, rules []Rule) {
	looked, known := 0, map[[2]string]bool{} // what is known of pairs of words, of which there are few
	for i := range rules {
		r := &rules[i]
		words := literals(strings.ToLower(r.Pattern))
		if r.Names > 0 || len(words) == 0 || looked == maxNearRules || ctx.Err() != nil {
			continue
		}
		looked++
		best := len(words) / 2
		for j := range t.all {
			if j > 0 && t.all[j].Name == t.all[j-1].Name {
				continue
			}
			has := strings.FieldsFunc(strings.ToLower(t.all[j].Name), betweenWords)
			found := 0
			for _, w := range words {
				if slices.ContainsFunc(has, func(h string) bool { return alike(known, w, h) }) {
					found++
				}
			}
			if found > best {
				r.Nearest, best = t.all[j].Name, found
			}
			if best == len(words) {
				break
			}
		}
		r.OtherCase = inOtherCase(r.Pattern, r.Nearest)
	}
}

// alike says whether two words are the same but for a misspelling: of one letter in four to nine, of two in more.
func alike(known map[[2]string]bool, x, y string) bool {
	most := min(len(x)/4, 1+len(x)/10, 2)
	if x == y || max(len(x)-len(y), len(y)-len(x)) > most {
		return x == y
	}
	is, ok := known[[2]string{x, y}]
	if !ok {
		is = suggest.Distance(x, y) <= most
		known[[2]string{x, y}] = is
	}
	return is
}

// inOtherCase says whether a name has the words of a pattern, of which some differ from those in their case only.
func inOtherCase(pattern, name string) bool {
	words := strings.FieldsFunc(name, betweenWords)
	differs := false
	for _, wanted := range literals(pattern) {
		if slices.Contains(words, wanted) {
			continue
		}
		if !slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, wanted) }) {
			return false
		}
		differs = true
	}
	return differs
}

// literals are the words of a pattern outside of captures.
func literals(pattern string) []string {
	var text strings.Builder
	depth := 0
	for _, c := range pattern {
		switch c {
		case '{':
			depth++
		case '}':
			depth = max(0, depth-1)
			c = ' '
		}
		if depth == 0 {
			text.WriteRune(c)
		}
	}
	return strings.FieldsFunc(text.String(), betweenWords)
}

func betweenWords(r rune) bool { return strings.ContainsRune("./_-:[]=,\\ ", r) }
