package console

import (
	"strings"
	"testing"

	"loggregator_exporter/web/api"
)

// TestUntaken: the page calls a name that no rule takes as the list of names does.
func TestUntaken(t *testing.T) {
	entry := api.Step{Stage: "metadata", Rule: &api.RuleRef{ID: "runtime/cpus"}}
	for want, steps := range map[string][]api.Step{
		"untagged no rule takes the name, but an entry of metrics describes it":           {entry},
		"undescribed neither a rule takes the name, nor an entry of metrics describes it": nil,
	} {
		f := newFake(t)
		f.explained.Rule, f.explained.Steps = "", steps
		if text := read(t, f, "/explain?name=numCPUS"); !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

// TestSelected: series that an expression selects are listed, and the list of names leads there.
func TestSelected(t *testing.T) {
	f := newFake(t)
	f.explained.Presence = &api.Presence{
		State: "metric", Sentence: "Of its 30 series 21 match.", Selected: &api.Selected{
			Selector: `cf_x{a="<b>"}`, Series: 30, Matching: 21, Labels: []map[string]string{{"a": "<b>", "c": "d"}},
		},
	}
	want := `Series that match cf_x{a="<b>"} 21 of 30 Labels a="<b>", c="d" the first 1 of 21`
	if text := read(t, f, "/explain?name=cf_x"); !strings.Contains(text, want) {
		t.Errorf("no %q in %s", want, text)
	}
	const link = `<a href="explain?name=cf_x%7Ba%3D%22b%22%7D">which series match it?</a>`
	if body := get(t, f, "/names?search=cf_x%7Ba%3D%22b%22%7D"); !strings.Contains(body, link) {
		t.Errorf("no %s", link)
	}
	if body := get(t, f, "/names?search=sum(cf_x)"); strings.Contains(body, "which series match it?") {
		t.Error("an expression without matchers leads to the series that match")
	}
}

// TestFurther: each metric of an expression has its state and sentence on the page.
func TestFurther(t *testing.T) {
	f := newFake(t)
	f.explained.Presence = &api.Presence{State: "metric", Sentence: "First.", Further: []api.Verdict{{
		Selector: `cf_<y>{a="b"}`, Metric: "cf_<y>", State: "no_series", Sentence: "It has none.", Remedy: "Do it.", Link: "/names",
	}}}
	want := `Other metrics of the expression no series cf_<y>{a="b"} cf_<y> It has none. Do it. Show`
	if text := read(t, f, "/explain?name=cf_x"); !strings.Contains(text, want) {
		t.Errorf("no %q in %s", want, text)
	}
}

// TestNothingStored: of a name that arrives and is left out the page does not say that it has not arrived.
func TestNothingStored(t *testing.T) {
	f := newFake(t)
	f.explained.Live, f.explained.NotStored = nil, []api.NotStored{{Reason: "filtered", Samples: 1, Sentence: "Left out."}}
	text := read(t, f, "/explain?name=x")
	if !strings.Contains(text, "nothing of the name is stored now") || strings.Contains(text, "No such name has arrived") {
		t.Error(text)
	}
}
