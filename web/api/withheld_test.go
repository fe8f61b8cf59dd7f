package api

import (
	"strings"
	"testing"

	"loggregator_exporter/store"
)

// TestWithheld: a selector that fits names which are dropped, filtered, refused or in conflict is not called wrong: these
// names come first.
func TestWithheld(t *testing.T) {
	f := mixedFixture(t)
	limited := newFixture(t, func(o *store.Options) { o.Limits.PerMetric = 1 })
	for _, app := range []string{"one", "two", "three"} {
		limited.gauge("rep", "queue.mail.depth", "app_id", app)
	}
	conflicts := newFixture(t, withoutAddress(t))
	conflicts.fill()
	const asked, more = "What the selector asks for arrives, but is not exposed: ", "More arrives that would match the selector, " +
		"but is not exposed: "
	for _, tc := range []struct {
		f                        *fixture
		text, state, says, first string
	}{
		{f, `cf_whole_x{component="b"}`, "no_series", asked + `"whole.x" is dropped by rule all. `, "whole.x dropped"},
		{f, `cf_whole_x{component="c"}`, "no_series", asked + `"whole.x" is filtered by nozzle.filters[0]. `, "whole.x filtered"},
		{f, `cf_half_x{component="b"}`, "no_series", asked + `"half.x" is dropped by rule half. `, "half.x dropped"},
		{
			f, `cf_whole_x{component=~"a|b"}`, "metric", more + `"whole.x" is dropped by rule all. `, "whole.x dropped",
		},
		{f, `cf_half_x{component="d"}`, "no_series", "The metric cf_half_x has no series", "half.x dropped"},
		{f, `cf_whole_x{component="d"}`, "no_match", "This is the name of a metric", "whole.x exposed"},
		{f, `cf_whole_x{component="a"}`, "metric", "This is the name of a metric", "whole.x exposed"},
		{
			limited, `sum(cf_queue_depth{app_id="three"})`, "no_series",
			asked + `"queue.mail.depth" is refused: metrics.max_series_per_metric is reached`, "queue.mail.depth refused",
		},
		{
			conflicts, `cf_num_bytes_allocated{component="rep"}`, "metric",
			more + `"rep.memoryStats.numBytesAllocated" is in conflict: its series belongs to raw name "memoryStats.numBytesAllocated"`,
			"rep.memoryStats.numBytesAllocated conflict",
		},
	} {
		x, err := tc.f.Explain(t.Context(), ExplainQuery{Name: tc.text, Series: 1})
		if err != nil {
			t.Fatal(err)
		}
		p := x.Presence
		if p.State != tc.state || !strings.HasPrefix(p.Sentence, tc.says) {
			t.Errorf("%s: %s %q, want %s %q", tc.text, p.State, p.Sentence, tc.state, tc.says)
		}
		if strings.Contains(tc.text, `="d"`) && !strings.Contains(p.Sentence, "None of") {
			t.Errorf("%s: %s", tc.text, p.Sentence)
		}
		if first := p.NearNames[0] + " " + p.NearStates[0]; first != tc.first {
			t.Errorf("%s: %s comes first, want %s", tc.text, first, tc.first)
		}
		if wrong := strings.Contains(p.Remedy, "correct the selector"); wrong != (tc.state == "no_match") {
			t.Errorf("%s: %s", tc.text, p.Remedy)
		}
	}
}
