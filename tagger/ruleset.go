package tagger

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// ruleSet finds the first of its rules that matches a text. Rules are tried in the order in which they were added.
type ruleSet struct {
	rules       []*rule
	variants    []variant // by rank: the first one that matches decides
	index       *index    // of the variants that are sequences
	expressions []expression
}

// variant is one sequence of a rule, or its regular expression.
type variant struct {
	rule     int32
	sequence sequence // nil for a regular expression
	slots    []int8   // by capture of the sequence or group of the expression: the rule's capture, -1 for none
}

// expression is a regular expression. It runs only on texts that contain its literal, for which most texts lack a
// byte.
type expression struct {
	regexp  *regexp.Regexp
	rank    int32
	literal string
	bytes   byteSet // of literal
}

func newRuleSet() *ruleSet { return &ruleSet{index: newIndex()} }

// add adds a rule that matches by sequences or by its regular expression.
func (rs *ruleSet) add(r *rule, sequences []sequence) {
	at := int32(len(rs.rules))
	rs.rules = append(rs.rules, r)
	for _, q := range sequences {
		v := variant{rule: at, sequence: q}
		for _, t := range q {
			if t.cap != nil {
				v.slots = append(v.slots, int8(slices.Index(r.captures, t.cap.name)))
			}
		}
		rs.index.add(q, int32(len(rs.variants)))
		rs.variants = append(rs.variants, v)
	}
	if r.regex == nil {
		return
	}
	v := variant{rule: at}
	for i, name := range r.regex.SubexpNames()[1:] {
		slot := slices.Index(r.captures, name)
		if r.isMapping { // its captures are the groups by number
			slot = i
		}
		v.slots = append(v.slots, int8(slot))
	}
	literal := requiredLiteral(r.regex.String())
	rs.expressions = append(rs.expressions, expression{r.regex, int32(len(rs.variants)), literal, bytesOf(literal)})
	rs.variants = append(rs.variants, v)
}

// finish prepares the set for use by any number of goroutines. Nothing may be added afterwards.
func (rs *ruleSet) finish() { rs.index.finish() }

// match returns the first matching rule whose rank is above after, nil if there is none, and leaves
// what it captured in s.values. It allocates nothing unless a regular expression runs or the walk through the
// index is very long.
func (s *search) match(set *ruleSet, text string, after int32) *rule {
	s.set, s.text, s.after, s.best = set, text, after, noRank
	s.steps, s.visited = 0, nil
	s.find(set.index)
	groups := s.matchExpressions()
	if s.best == noRank {
		return nil
	}
	v := &set.variants[s.best]
	r := set.rules[v.rule]
	clear(s.values[:len(r.captures)])
	for i, slot := range v.slots {
		if slot < 0 {
			continue
		}
		if v.sequence != nil {
			s.values[slot] = text[s.bestSpans[i].start:s.bestSpans[i].end]
		} else if start := groups[2*i+2]; start >= 0 {
			s.values[slot] = text[start:groups[2*i+3]]
		}
	}
	return r
}

// matchExpressions sets best to the rank of the first expression that matches, if that is lower, and returns its
// groups.
func (s *search) matchExpressions() (groups []int) {
	if len(s.set.expressions) == 0 {
		return nil
	}
	bytes := bytesOf(s.text)
	for i := range s.set.expressions {
		e := &s.set.expressions[i]
		if e.rank >= s.best {
			return nil
		}
		if e.rank <= s.after || !e.bytes.isIn(&bytes) || !strings.Contains(s.text, e.literal) || !s.allowed(e.rank) {
			continue
		}
		if groups = e.regexp.FindStringSubmatchIndex(s.text); groups != nil {
			s.best = e.rank
			return groups
		}
	}
	return nil
}

// allowed reports whether a rule whose pattern matches may be used: its condition holds, it was not applied to this
// text before, and if it is a mapping it is the first of the chain.
func (s *search) allowed(rank int32) bool {
	r := s.set.rules[s.set.variants[rank].rule]
	if s.unconditional {
		return true
	}
	return r.when.holds(s.subject, s.component) && !s.chain.has(r, len(s.text)) &&
		(!r.isMapping || s.chain.n == s.passedOver)
}

// requiredLiteral returns a text that every match of an expression contains, "" if none is known. Finding it in a name
// costs a hundredth of running the expression.
func requiredLiteral(expr string) string {
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return ""
	}
	return longestLiteral(parsed.Simplify())
}

func longestLiteral(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		// U+FFFD matches invalid UTF-8 as well.
		if re.Flags&syntax.FoldCase != 0 || slices.Contains(re.Rune, utf8.RuneError) {
			return ""
		}
		return string(re.Rune)
	case syntax.OpCapture, syntax.OpPlus:
		return longestLiteral(re.Sub[0])
	case syntax.OpConcat:
		longest := ""
		for _, sub := range re.Sub {
			if literal := longestLiteral(sub); len(literal) > len(longest) {
				longest = literal
			}
		}
		return longest
	default:
		return ""
	}
}

// Bounds of a regular expression. It runs in linear time, so that bounding the size of its program is enough.
const (
	maxRegexBytes        = 4096
	maxRegexInstructions = 4000
)

// compileRegex compiles an expression, which must match the whole text if anchored.
func compileRegex(text string, anchored bool) (*regexp.Regexp, error) {
	if len(text) > maxRegexBytes {
		return nil, fmt.Errorf("the expression has %d bytes, at most %d are allowed", len(text), maxRegexBytes)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if e, ok := errors.AsType[*syntax.Error](err); ok {
		if e.Code == syntax.ErrInvalidRepeatSize || e.Code == syntax.ErrLarge {
			return nil, errors.New("the expression is too large: " +
				"at most 1000 repetitions are allowed, those inside of each other multiplied")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("bad regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, fmt.Errorf("bad regular expression: %w", err)
	}
	if n := len(prog.Inst); n > maxRegexInstructions {
		return nil, fmt.Errorf("the expression compiles to %d instructions, at most %d are allowed: "+
			"use fewer or smaller repetitions", n, maxRegexInstructions)
	}
	if anchored {
		text = `\A(?:` + text + `)\z`
	}
	return regexp.Compile(text)
}
