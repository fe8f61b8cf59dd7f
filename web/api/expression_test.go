package api

import (
	"slices"
	"strings"
	"testing"
)

// FuzzOperands: selectors are found in any text in the order in which they stand in it, each once, and no more than are
// read.
func FuzzOperands(f *testing.F) {
	f.Add("rate(a:b_c{d=\"}\",e='\\'{',f=`\\`}[5m]) / x {y!=\"\"} or {z=~\"a{2}\"}")
	f.Add("a{b{c}}\"")
	f.Add("sum by (a) (b offset 5m) > bool $c # d")
	f.Fuzz(func(t *testing.T, text string) {
		seen, list := map[operand]bool{}, operandsOf(text)
		for _, op := range list {
			if seen[op] || !strings.Contains(text, op.text) || !strings.HasPrefix(op.text, op.name) {
				t.Fatalf("%q in %q", op, text)
			}
			seen[op] = true
		}
		if len(list) > maxSelectors {
			t.Errorf("%d", len(list))
		}
	})
}

// TestOperands cuts selectors out of expressions.
func TestOperands(t *testing.T) {
	for text, want := range map[string][]string{
		"rate(a:b_c{d=\"}\",e='\\'{',f=`\\`}[5m]) / x\n{y!=\"\"} or {z=~\"a{2}\"}": {
			"a:b_c{d=\"}\",e='\\'{',f=`\\`}", "x\n{y!=\"\"}", `{z=~"a{2}"}`,
		},
		"no":                           {"no"},
		"a name":                       {"a name"},
		"a{":                           {"a{"},
		"é{a=\"b\"}":                   {`{a="b"}`},
		"a / on(b) group_left (c) d":   {"a", "d"},
		"a offset 5m > bool 3 or a":    {"a"},
		"SUM BY (x) (a) AND b @ 1e3":   {"a", "b"},
		"a[$__interval] + ${b} * $c":   {"a"},
		"label_replace(a, 'b', \"c\")": {"a"},
		"a + b # c{d}":                 {"a", "b"},
	} {
		var got []string
		for _, op := range operandsOf(text) {
			got = append(got, op.text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestVerdicts: of each metric of an expression it is said whether it is exposed.
func TestVerdicts(t *testing.T) {
	f := newFixture(t)
	f.fill()
	const (
		depth   = "This is the name of a metric, not one that a component sends. Raw names that lead to it: 2."
		missing = "No metric of this name is exposed here, and no name arrives that would lead to it."
		bytes   = "This is the name of a metric, not one that a component sends. Raw names that lead to it: 1. More would, but are " +
			"not exposed: 1 in conflict."
	)
	for _, tc := range []struct {
		text, state, says string
		further           []string
	}{
		{
			`cf_queue_depth{queue="mail"} / cf_nope_total`, "metric",
			"cf_queue_depth: " + depth + " Of its 2 series 1 matches the selector.",
			[]string{"cf_nope_total no_metric " + missing},
		},
		{"cf_nope_total / cf_queue_depth", "metric", "cf_queue_depth: " + depth, []string{"cf_nope_total no_metric " + missing}},
		{
			`cf_queue_depth offset 5m > bool 3 or absent(cf_num_bytes_allocated{component="bbs"})`, "metric", "cf_queue_depth: " + depth,
			[]string{`cf_num_bytes_allocated no_match ` + bytes + ` None of its 3 series matches the selector: component="bbs" fits ` +
				"none, the values are router, rep."},
		},
		{
			`{__name__=~"cf_queue.*|cf_num_bytes.*",component="rep",queue=""}`, "metric", "cf_num_bytes_allocated: More arrives that " +
				`would match the selector, but is not exposed: "rep.memoryStats.numBytesAllocated" is in conflict: its series belongs ` +
				`to raw name "memoryStats.numBytesAllocated". ` + bytes + " Of its 3 series 1 matches the selector.",
			[]string{`cf_queue_depth no_match ` + depth + ` None of its 2 series matches the selector: queue="" fits none, the values ` +
				"are mail, chat."},
		},
		{`{__name__="cf_queue_depth"}`, "metric", depth, nil},
		{
			`{__name__=~"cf_nope.*",component="rep"}`, "no_metric",
			"No metric of such a name is exposed, and no name arrives that would lead to one.", nil,
		},
		{
			`{component="rep"}`, "no_metric",
			"The selector names no metric, so its series are not looked for: put a name before the brace.", nil,
		},
		{
			`cf_nope / cf_none`, "no_metric", "cf_nope: No metric of this name is exposed, and no component sends a name like this.",
			[]string{"cf_none no_metric " + missing},
		},
	} {
		x, err := f.Explain(t.Context(), ExplainQuery{Name: tc.text, Series: 1})
		if err != nil {
			t.Fatal(err)
		}
		p := x.Presence
		var further []string
		for _, v := range p.Further {
			further = append(further, v.Metric+" "+v.State+" "+v.Sentence)
		}
		if p.State != tc.state || p.Sentence != tc.says || !slices.Equal(further, tc.further) {
			t.Errorf("%s: got  %s %q %q\nwant %s %q %q", tc.text, p.State, p.Sentence, further, tc.state, tc.says, tc.further)
		}
	}
}
