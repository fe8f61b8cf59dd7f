package tagger

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestRequiredLiteral(t *testing.T) {
	for expr, want := range map[string]string{
		`abc`: "abc", `a.*bcd.*e`: "bcd", `(?i)abc`: "", `abc|def`: "", `ab[cd]`: "ab", `(abc)?`: "", `(abc)+x`: "abc",
		`(abc){2,}`: "abc",
		`x(ab|cd)y`: "x", `a?bcd`: "bcd", `\Aabc\z`: "abc", `[a-z]+_abc_[0-9]+`: "_abc_", `.*`: "", ``: "", `a*b*c*`: "",
		`ab(cde|fgh|[a-z]+)`: "ab", "\uFFFDabc": "", `\babc\b`: "abc", `((a(bcd)e))`: "bcd",
	} {
		if got := requiredLiteral(expr); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// FuzzRegexSet compares the search, which skips expressions whose literal is missing, with running each expression.
func FuzzRegexSet(f *testing.F) {
	f.Add("abc(?P<x>.*)\nab[cd]+e\n(?i)xyz|abc\n.*q?", "abcde")
	f.Add("(a|b|cde)f\nx{2,3}yy\n[^a]bc\n\\bfoo\\b", "xxyy foo")
	f.Add("(foo|bar)?baz\n(a?b?c?d?e?)xyz\nrouter\\.(\\w+)\\.[0-9]xx", "router.requests.2xx")
	f.Add("(?s)a.bcd\n(?m)^abc$\n^abc", "x\nabc")
	f.Fuzz(func(t *testing.T, exprs, text string) {
		set := newRuleSet()
		var all []*regexp.Regexp
		lines := strings.Split(exprs, "\n")
		for _, line := range lines[:min(len(lines), 20)] {
			re, err := compileRegex(line, len(all)%2 == 0)
			if err != nil {
				continue
			}
			all = append(all, re)
			set.add(&rule{id: line, regex: re}, nil)
		}
		set.finish()
		want := slices.IndexFunc(all, func(re *regexp.Regexp) bool { return re.MatchString(text) })
		s := search{subject: &Subject{}}
		r := s.match(set, text, -1)
		switch {
		case r == nil && want >= 0:
			t.Errorf("%q: nothing matches, want %s", text, all[want])
		case r != nil && (want < 0 || r.regex != all[want]):
			t.Errorf("%q: %s matches, want expression %d of %q", text, r.regex, want, exprs)
		}
	})
}
