package tagger

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Bounds of a regular expression. RE2 runs in linear time; what is left to bound is the size of the program.
const (
	maxRegexBytes        = 4096
	maxRegexInstructions = 4000
)

// regexSet finds the first of many regular expressions that matches. An expression runs only on texts that hold one of its required
// literals, and those are found by three bytes each in a single pass over the text, whatever the number of expressions.
type regexSet struct {
	all    []regexEntry
	always []int32 // places in all of expressions without a literal of three bytes
	// grams tells which expressions may match a text that holds three bytes; seen is a bit for each hash of them.
	grams map[uint32][]int32
	seen  [64]uint64
}

type regexEntry struct {
	re    *regexp.Regexp
	order int32
	lits  []string // a text that matches holds one of these; nil: anything may match
}

func (rs *regexSet) add(re *regexp.Regexp, order int32) {
	rs.all = append(rs.all, regexEntry{re: re, order: order, lits: requiredLiterals(re.String())})
}

func (rs *regexSet) finish() {
	rs.grams = make(map[uint32][]int32)
	for i, e := range rs.all {
		if e.lits == nil {
			rs.always = append(rs.always, int32(i))
			continue
		}
		for _, lit := range e.lits {
			rs.register(lit, int32(i))
		}
	}
}

// register files an expression under the three bytes of the literal that the fewest others have.
func (rs *regexSet) register(lit string, at int32) {
	best, fewest := uint32(0), -1
	for i := 0; i+3 <= len(lit); i++ {
		g := gram(lit, i)
		if n := len(rs.grams[g]); fewest < 0 || n < fewest {
			best, fewest = g, n
		}
	}
	rs.grams[best] = append(rs.grams[best], at)
	h := gramHash(best)
	rs.seen[h>>6] |= 1 << (h & 63)
}

func gram(s string, i int) uint32 {
	return uint32(s[i])<<16 | uint32(s[i+1])<<8 | uint32(s[i+2])
}

func gramHash(g uint32) uint32 { return g * 0x9E3779B1 >> 20 }

// match lowers s.best to the order of the first expression that matches, where that is lower, and returns its groups.
func (rs *regexSet) match(s *search) []int {
	var groups []int
	for _, at := range rs.always {
		if e := &rs.all[at]; e.order < s.best {
			if g := e.match(s); g != nil {
				groups = g
			}
		}
	}
	for i := 0; i+3 <= len(s.text); i++ {
		g := gram(s.text, i)
		if h := gramHash(g); rs.seen[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for _, at := range rs.grams[g] {
			e := &rs.all[at]
			// A gram that comes again brings the same expressions again: the first time has settled them.
			if e.order >= s.best || !e.holds(s.text) || rs.before(s.text, i, g) {
				continue
			}
			if m := e.match(s); m != nil {
				groups = m
			}
		}
	}
	return groups
}

func (rs *regexSet) before(text string, i int, g uint32) bool {
	for j := range i {
		if gram(text, j) == g {
			return true
		}
	}
	return false
}

func (e *regexEntry) holds(text string) bool {
	for _, lit := range e.lits {
		if strings.Contains(text, lit) {
			return true
		}
	}
	return false
}

func (e *regexEntry) match(s *search) []int {
	if e.order <= s.after || !s.allowed(e.order) {
		return nil
	}
	groups := e.re.FindStringSubmatchIndex(s.text)
	if groups != nil {
		s.best = e.order
	}
	return groups
}

// compileRegex compiles an expression that must match the whole text, unless it is not anchored.
func compileRegex(text string, anchored bool) (*regexp.Regexp, error) {
	if len(text) > maxRegexBytes {
		return nil, fmt.Errorf("the expression has %d bytes, at most %d are allowed", len(text), maxRegexBytes)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	var bad *syntax.Error
	if errors.As(err, &bad) && (bad.Code == syntax.ErrInvalidRepeatSize || bad.Code == syntax.ErrLarge) {
		return nil, errors.New("the expression is too large: at most 1000 repetitions are allowed, those inside of each other multiplied")
	}
	if err != nil {
		return nil, fmt.Errorf("bad regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, fmt.Errorf("bad regular expression: %w", err)
	}
	if n := len(prog.Inst); n > maxRegexInstructions {
		return nil, fmt.Errorf("the expression compiles to %d instructions, at most %d are allowed: use fewer or smaller repetitions", n, maxRegexInstructions)
	}
	if anchored {
		text = `\A(?:` + text + `)\z`
	}
	return regexp.Compile(text)
}
