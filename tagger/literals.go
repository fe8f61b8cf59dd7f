package tagger

import (
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

const (
	minLiteral  = 3  // shorter ones refuse too little to be worth a look
	maxLiterals = 16 // alternatives beyond which an expression counts as having no literal
)

// requiredLiterals returns texts of at least three bytes of which every text that the expression matches holds at least one, or
// nil where there are no such texts.
func requiredLiterals(expr string) []string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	l := literalsOf(re.Simplify())
	if good(l.exact) {
		return l.exact
	}
	if good(l.required) {
		return l.required
	}
	return nil
}

// literals is what is known of the texts that an expression matches: exact are all of them, where they are few;
// required are texts of which each of them holds at least one. Nil means not known.
type literals struct {
	exact, required []string
}

func literalsOf(re *syntax.Regexp) literals {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return literals{exact: []string{""}}
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 && !caseless(re.Rune) || slices.Contains(re.Rune, utf8.RuneError) {
			return literals{}
		}
		return literals{exact: []string{string(re.Rune)}}
	case syntax.OpCharClass:
		return literals{exact: classTexts(re.Rune)}
	case syntax.OpCapture:
		return literalsOf(re.Sub[0])
	case syntax.OpPlus:
		l := literalsOf(re.Sub[0])
		return literals{required: better(l.exact, l.required)}
	case syntax.OpQuest:
		if l := literalsOf(re.Sub[0]); l.exact != nil && len(l.exact) < maxLiterals {
			return literals{exact: append([]string{""}, l.exact...)}
		}
	case syntax.OpRepeat:
		if re.Min > 0 {
			l := literalsOf(re.Sub[0])
			return literals{required: better(l.exact, l.required)}
		}
	case syntax.OpAlternate:
		return alternateLiterals(re.Sub)
	case syntax.OpConcat:
		return concatLiterals(re.Sub)
	default:
	}
	return literals{}
}

func caseless(runes []rune) bool {
	for _, r := range runes {
		if r >= utf8.RuneSelf || isLetter(byte(r)) {
			return false
		}
	}
	return true
}

// classTexts are the members of a small character class.
func classTexts(ranges []rune) []string {
	var texts []string
	for i := 0; i+1 < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if len(texts) == 4 || r == utf8.RuneError {
				return nil
			}
			texts = append(texts, string(r))
		}
	}
	return texts
}

func alternateLiterals(subs []*syntax.Regexp) literals {
	var exact, required []string
	exactKnown, requiredKnown := true, true
	for _, sub := range subs {
		l := literalsOf(sub)
		needs := better(l.exact, l.required)
		exact = append(exact, l.exact...)
		required = append(required, needs...)
		exactKnown = exactKnown && l.exact != nil && len(exact) <= maxLiterals
		requiredKnown = requiredKnown && needs != nil && len(required) <= maxLiterals
	}
	var l literals
	if exactKnown {
		l.exact = exact
	}
	if requiredKnown {
		l.required = required
	}
	return l
}

func concatLiterals(subs []*syntax.Regexp) literals {
	run := []string{""} // exact texts of the pieces since the last gap
	whole := true
	var best []string
	for _, sub := range subs {
		l := literalsOf(sub)
		if joined := cross(run, l.exact); joined != nil {
			run = joined
			continue
		}
		whole = false
		best = better(best, run)
		best = better(best, l.required)
		run = []string{""}
		if l.exact != nil {
			run = l.exact
		}
	}
	if whole {
		return literals{exact: run}
	}
	return literals{required: better(best, run)}
}

func cross(a, b []string) []string {
	if b == nil || len(a)*len(b) > maxLiterals {
		return nil
	}
	out := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			out = append(out, x+y)
		}
	}
	return out
}

// better returns the list whose shortest text is longer.
func better(a, b []string) []string {
	if shortest(a) >= shortest(b) {
		return a
	}
	return b
}

// good says whether the texts refuse enough to be worth a look.
func good(texts []string) bool { return shortest(texts) >= minLiteral }

// shortest is the length of the shortest text, -1 for an empty list.
func shortest(texts []string) int {
	n := -1
	for _, t := range texts {
		if n < 0 || len(t) < n {
			n = len(t)
		}
	}
	return n
}
