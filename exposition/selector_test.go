package exposition

import (
	"strings"
	"testing"
	"unicode/utf8"

	"loggregator_exporter/metric"
)

func TestSelectorMatches(t *testing.T) {
	set := labels("component", "diego-cell", "index", "0", "path", "C:\\x\n\"y\"", "é", "日本")
	for _, tc := range []struct {
		selector string
		want     bool
	}{
		{`cf_up`, true},
		{` cf_up {} `, true},
		{`cf_u`, false},
		{`{}`, true},
		{`{__name__="cf_up"}`, true},
		{`{__name__=~"cf_.*"}`, true},
		{`{__name__!~"cf_.*"}`, false},
		{`{"cf_up"}`, true},
		{`cf_up{"cf_up"}`, true},
		{`cf_up{"cf_down"}`, false},
		{`{'cf_up', index="0"}`, true},
		{`{index="0", "cf_up",}`, true},
		{`cf_up{index="0"}`, true},
		{`cf_up{index="1"}`, false},
		{`cf_up{index!="1"}`, true},
		{`cf_up{index!="0"}`, false},
		{`cf_up{index=""}`, false},
		{`cf_up{absent=""}`, true},
		{`cf_up{absent!=""}`, false},
		{`cf_up{absent=~".*"}`, true},
		{`cf_up{absent=~".+"}`, false},
		{`cf_up{component=~"diego"}`, false}, // anchored
		{`cf_up{component=~"diego-.*"}`, true},
		{`cf_up{component=~"DIEGO-CELL"}`, false},
		{`cf_up{component=~"(?i)DIEGO-CELL"}`, true},
		{`cf_up{component=~"router|diego-cell"}`, true},
		{`cf_up{component!~"router|diego-cell"}`, false},
		{`cf_up{component=~"^diego-cell$"}`, true},
		{`cf_up{component=~"\\Qdiego-cell"}`, true},
		{`cf_up{path="C:\\x\n\"y\""}`, true},
		{`cf_up{path='C:\\x\n"y"'}`, true},
		{"cf_up{path=~`C:\\\\x.\"y\"`}", true}, // a dot matches a newline
		{"cf_up{`é`=`日本`}", true},
		{`cf_up{"é"="\u65e5\U0000672c"}`, true},
		{`cf_up{"é"="\xe6\x97\xa5\346\234\254"}`, true},
		{"cf_up{ # a comment } \n index = \"0\" }", true},
		{`cf_up{index="0",index="1"}`, false},
		{`cf_up{index=~"0",index!="1",}`, true},
	} {
		s, err := ParseSelector(tc.selector)
		if err != nil {
			t.Errorf("%s: %v", tc.selector, err)
			continue
		}
		if got := s.Matches("cf_up", set); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.selector, got, tc.want)
		}
	}
}

func TestSelectorErrors(t *testing.T) {
	const (
		noSelector = `a selector begins with a metric's name or with a brace, as in up{job="x"} or {job="x"}`
		noValue    = `the label's value in quotes, as in`
		noOperator = `one of =, !=, =~ and !~ after the label's name`
		tooMuch    = `a selector ends here: leave out ranges, offsets, operators and functions, ` +
			`and give a second selector as a second match[]`
	)
	for selector, want := range map[string]string{
		``:                    `"" at character 1: ` + noSelector,
		`1up`:                 `"1up" at character 1: ` + noSelector,
		`up[5m]`:              `"up[5m]" at character 3: ` + tooMuch,
		`up{} or down{}`:      `"up{} or down{}" at character 6: ` + tooMuch,
		`memory.bytes`:        `"memory.bytes" at character 7: ` + tooMuch,
		`up{`:                 `"up{" at character 4: the selector ends where it needs a label's name or "}"`,
		`up{job="x"`:          `"up{job=\"x\"" at character 11: the selector ends where it needs a comma or "}"`,
		`up{é="x"}`:           `"up{é=\"x\"}" at character 4: 'é' where it needs a label's name or "}"`,
		`up{"é" "x"}`:         `"up{\"é\" \"x\"}" at character 8: '"' where it needs a comma or "}"`,
		`up{"é"="x" job="y"}`: `"up{\"é\"=\"x\" job=\"y\"}" at character 12: 'j' where it needs a comma or "}"`,
		`up{job}`:             `"up{job}" at character 7: '}' where it needs ` + noOperator,
		`up{job>"x"}`:         `"up{job>\"x\"}" at character 7: '>' where it needs ` + noOperator,
		`up{job=x}`:           `"up{job=x}" at character 8: 'x' where it needs ` + noValue + ` job="value"`,
		`up{job=~}`:           `"up{job=~}" at character 9: '}' where it needs ` + noValue + ` job=~"value"`,
		`up{job="x}`:          `"up{job=\"x}" at character 8: the text that begins here lacks its closing "`,
		"up{job=\"x\n\"}":     `"up{job=\"x\n\"}" at character 10: a line ends within quotes: write \n`,
		`up{job="C:\x"}`: `"up{job=\"C:\\x\"}" at character 11: no escape that Go and PromQL know: ` +
			`a backslash is written as \\`,
		"up{job=\"a\xff\"}": `"up{job=\"a\xff\"}" at character 10: this is not UTF-8`,
		`up{job=~"a)(b"}`: `"up{job=~\"a)(b\"}" at character 9: not a regular expression of RE2, ` +
			"error parsing regexp: unexpected ): `a)(b`",
		`up{a="1",job=~"(?=x"}`: `"up{a=\"1\",job=~\"(?=x\"}" at character 15: not a regular expression of RE2, ` +
			`error parsing regexp: invalid or unsupported Perl syntax: ` + "`(?=`",
		`up{,}`:       `"up{,}" at character 4: ',' where it needs a label's name or "}"`,
		`up{a="1",,}`: `"up{a=\"1\",,}" at character 10: ',' where it needs a label's name or "}"`,
	} {
		_, err := ParseSelector(selector)
		if err == nil {
			t.Errorf("%s: no error, want %s", selector, want)
		} else if err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	_, err := ParseSelector(`up{job="` + strings.Repeat("é", 10_000))
	if err == nil || len(err.Error()) > 2*maxQuoted {
		t.Errorf("%v", err)
	}
}

// FuzzSelector checks that nothing ends the parser but a selector or a readable error, and that what was read can be
// applied.
func FuzzSelector(f *testing.F) {
	for _, s := range []string{
		`cf_up{a="1",b!="2",c=~"3|4",d!~"5"}`, `{"a.b",'c d'="\x41\101\u0041\n"}`, "{a=`\\`,}", `up # comment`,
		`up{`, `{"`, `{a="\`, `{a=~"(((("}`,
		"{\"\xff\"}", `{a="\ud800"}`, `{a="\400"}`, `:a:{b="'"}`,
	} {
		f.Add(s, "cf_up", "1")
	}
	f.Fuzz(func(t *testing.T, selector, name, value string) {
		s, err := ParseSelector(selector)
		if err != nil {
			if !utf8.ValidString(err.Error()) {
				t.Errorf("%q", err.Error())
			}
			return
		}
		s.Matches(name, metric.RenderLabels([]metric.Label{{Name: "a", Value: value}}))
	})
}
