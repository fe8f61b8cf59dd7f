package metric

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestRenderLabels(t *testing.T) {
	for _, c := range []struct {
		labels []Label
		want   Labels
	}{
		{nil, ``},
		{[]Label{{"b", "2"}, {"a", "1"}}, `a="1",b="2"`},
		{[]Label{{"a", "1"}, {"b", "2"}, {"a", "3"}}, `a="3",b="2"`},
		{[]Label{{"a", ""}, {"b", "2"}}, `b="2"`},
		{[]Label{{"a", "1"}, {"a", ""}}, ``},
		{[]Label{{"a", "quote \" backslash \\ newline \n equals = comma , é"}}, `a="quote \" backslash \\ newline \n equals = comma , é"`},
	} {
		if got := RenderLabels(slices.Clone(c.labels)); got != c.want {
			t.Errorf("%q: got %s, want %s", c.labels, got, c.want)
		}
	}
}

func TestLabelsValue(t *testing.T) {
	ls := RenderLabels([]Label{{"a", `x\"`}, {"bb", "1\n"}, {"b", "2"}})
	for name, want := range map[string]string{"a": `x\"`, "b": "2", "bb": "1\n", "c": "", "": ""} {
		if got := ls.Value(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for range ls.All() {
		break // stopping early is allowed
	}
}

// Rendered labels are an identity: different sets never look the same, and what was rendered can be read again.
func FuzzLabels(f *testing.F) {
	f.Add("a", "1", "b", "2")
	f.Add("a", `1",b="2`, "b", "")
	f.Add("a", `\`, "b", `\n`)
	f.Add("a", "\n", "a", `\"`)
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		for _, s := range []string{n1, n2} {
			if strings.ContainsFunc(s, func(r rune) bool { return r < 'a' || r > 'z' }) || s == "" {
				return // not a label name
			}
		}
		if !utf8.ValidString(v1) || !utf8.ValidString(v2) {
			return // not a label value
		}
		want := map[string]string{n1: v1}
		want[n2] = v2
		maps.DeleteFunc(want, func(_, v string) bool { return v == "" })
		rendered := RenderLabels([]Label{{n1, v1}, {n2, v2}})
		got := maps.Collect(rendered.All())
		if !maps.Equal(got, want) {
			t.Errorf("%s is read as %q, want %q", rendered, got, want)
		}
	})
}

func TestEnvelope(t *testing.T) {
	var e Envelope
	for range MaxTags {
		e.AddTag([]byte("k"), []byte("first"))
	}
	if e.TooManyTags {
		t.Error("too many too early")
	}
	e.Tags[MaxTags-1].Value = []byte("last")
	e.AddTag([]byte("k"), []byte("beyond"))
	if !e.TooManyTags || len(e.Tags) != MaxTags || string(e.Tag("k")) != "last" || e.Tag("x") != nil {
		t.Errorf("%v, %d tags, k is %q", e.TooManyTags, len(e.Tags), e.Tag("k"))
	}
	e.Points = append(e.Points, Point{}, Point{})
	for kind, want := range map[Kind]int{KindNone: 0, KindGauge: 2, KindCounter: 1, KindTimer: 1, KindLog: 0, KindEvent: 0} {
		if e.Kind = kind; e.Samples() != want {
			t.Errorf("%s: %d samples, want %d", kind, e.Samples(), want)
		}
	}
	tags, points := cap(e.Tags), cap(e.Points)
	if e.Reset(); len(e.Tags)+len(e.Points) != 0 || e.TooManyTags || e.Kind != KindNone || cap(e.Tags) != tags || cap(e.Points) != points {
		t.Errorf("after Reset: %+v", e)
	}
}

func TestKinds(t *testing.T) {
	for k := KindNone; k <= KindEvent; k++ {
		if got, ok := ParseKind(k.String()); !ok || got != k {
			t.Errorf("%d is %q, which is read as %d", k, k, got)
		}
	}
	if _, ok := ParseKind("unknown"); ok || Kind(99).String() != "unknown" {
		t.Error("an unknown kind is known")
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		"diego-cell é \U0001F600 \n\\\"": "diego-cell é \U0001F600 \n\\\"",
		"a\tb\r\n":                       `a\tb\r` + "\n",
		"\x00\x1b[31m\x7f":               `\x00\x1b[31m\x7f`,
		"\u0085\u009f\u00a0":             `\u0085\u009f` + "\u00a0",
		"a\u2028b\u2029":                 `a\u2028b\u2029`,
		"admin\u202Enimda\u2066":         `admin\u202enimda\u2066`,
		"a\xffb\xc3":                     "a\uFFFDb\uFFFD",
		"\uFFFD":                         "\uFFFD",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	text := "10.0.1.2 é"
	if n := testing.AllocsPerRun(100, func() { Printable(text) }); n != 0 {
		t.Errorf("%v allocations for printable text", n)
	}
}

// Printable text is valid, has no character that it should have replaced, and stays as it is.
func FuzzPrintable(f *testing.F) {
	f.Add("a\x00\xff\u202e")
	f.Fuzz(func(t *testing.T, text string) {
		got := Printable(text)
		if !utf8.ValidString(got) || Printable(got) != got {
			t.Errorf("%q became %q", text, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) && r != '\n' {
				t.Errorf("%q kept %q", text, r)
			}
		}
	})
}
