package metric

import (
	"regexp"
	"strings"
	"testing"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern   string
		match, no []string
	}{
		{"", []string{""}, []string{"a"}},
		{"a", []string{"a"}, []string{"", "b", "aa"}},
		{"*", []string{"", "a", "é\n"}, nil},
		{"**", []string{"", "a"}, nil},
		{"a*", []string{"a", "ab"}, []string{"ba"}},
		{"*a", []string{"a", "ba"}, []string{"ab"}},
		{"a*a", []string{"aa", "aba"}, []string{"a"}},
		{"a*b*c", []string{"abc", "axbxc", "abbc"}, []string{"ac", "acb"}},
		{"a?c", []string{"abc", "aéc"}, []string{"ac", "abbc"}},
		{"*b?", []string{"abc", "bbb"}, []string{"b", "bca"}},
		{`a\*`, []string{"a*"}, []string{"ab", `a\*`}},
		{`a\?*`, []string{"a?", "a?b"}, []string{"ab"}},
		{`\a?\\`, []string{`ab\`}, []string{`\ab\`}},
	} {
		g, err := CompileGlob(c.pattern)
		if err != nil {
			t.Fatalf("%q: %v", c.pattern, err)
		}
		if g.String() != c.pattern {
			t.Errorf("%q is written as %q", c.pattern, g.String())
		}
		for _, text := range c.match {
			if !g.Match([]byte(text)) {
				t.Errorf("%q does not match %q", c.pattern, text)
			}
		}
		for _, text := range c.no {
			if g.Match([]byte(text)) {
				t.Errorf("%q matches %q", c.pattern, text)
			}
		}
	}
}

func TestGlobLiteral(t *testing.T) {
	for pattern, want := range map[string]string{"": "", "a": "a", `a\*\\`: `a*\`} {
		g, _ := CompileGlob(pattern)
		if got, ok := g.Literal(); !ok || got != want {
			t.Errorf("%q: got %q, %v", pattern, got, ok)
		}
	}
	for _, pattern := range []string{"*", "a?", "?"} {
		g, _ := CompileGlob(pattern)
		if got, ok := g.Literal(); ok {
			t.Errorf("%q is the literal %q", pattern, got)
		}
	}
}

func TestGlobTrailingBackslash(t *testing.T) {
	for _, pattern := range []string{`\`, `a*\`, `a\\\`} {
		if _, err := CompileGlob(pattern); err != ErrTrailingBackslash { //nolint:errorlint // it is returned as it is
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestGlobAllocatesNothing(t *testing.T) {
	text := []byte("gorouter.memoryStats.numBytesAllocated")
	for _, pattern := range []string{"*.memoryStats.*", "gorouter.memoryStats.?um*"} {
		g, _ := CompileGlob(pattern)
		if n := testing.AllocsPerRun(100, func() { g.Match(text) }); n != 0 {
			t.Errorf("%q costs %v allocations", pattern, n)
		}
	}
}

// A glob means what its regular expression means.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add(`\**\?`, "*?")
	f.Add("*é?", "aéb")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		g, err := CompileGlob(pattern)
		if err != nil || len(pattern) > 20 || len(text) > 100 {
			return
		}
		pattern, text = strings.ToValidUTF8(pattern, ""), strings.ToValidUTF8(text, "")
		if g, err = CompileGlob(pattern); err != nil {
			return
		}
		var b strings.Builder
		escaped := false
		for _, r := range pattern {
			switch {
			case escaped:
				b.WriteString(regexp.QuoteMeta(string(r)))
				escaped = false
			case r == '\\':
				escaped = true
			case r == '*':
				b.WriteString("(?s:.*)")
			case r == '?':
				b.WriteString("(?s:.)")
			default:
				b.WriteString(regexp.QuoteMeta(string(r)))
			}
		}
		want := regexp.MustCompile("^(?:" + b.String() + `)\z`).MatchString(text)
		if got := g.Match([]byte(text)); got != want {
			t.Errorf("%q on %q: got %v, want %v", pattern, text, got, want)
		}
	})
}
