package tagger

import (
	"cmp"
	"slices"
	"strings"
)

// Suggestion is a rule that nearly matches a name.
type Suggestion struct {
	Rule, Pattern, Place string
}

// Nearest returns up to n rules whose patterns are nearest to a name, the nearest first, for a person whose name no rule
// matched. Rules that share nothing with the name are left out.
func (t *Tagger) Nearest(name string, n int) []Suggestion {
	type scored struct {
		*rule
		score float64
	}
	var all []scored
	words := idWords(name)
	for i := range t.names.variants {
		v := &t.names.variants[i]
		score := 0.0
		for _, tok := range v.sequence {
			if tok.cap == nil {
				score += overlap(words, idWords(tok.lit))
			}
		}
		r := t.names.rules[v.rule]
		if score == 0 {
			continue
		}
		score -= float64(editDistance(name, r.source)) / 1000
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

func idWords(s string) []string {
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
			if d := editDistance(p, w); d <= len(p)/3 {
				best = max(best, 1-float64(d)/float64(len(p)))
			}
		}
		score += best
	}
	return score
}
