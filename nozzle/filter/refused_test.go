package filter

import (
	"testing"

	"loggregator_exporter/metric"
)

// TestRefusedBy names the filter that decides, and agrees with what happens to envelopes.
func TestRefusedBy(t *testing.T) {
	list, err := New([]Filter{
		{Keep: &Match{Name: []string{"a.keep"}}},
		{Drop: &Match{Name: []string{"a.*"}}},
		{Drop: &Match{Origin: []string{"noisy"}, Kind: []string{"counter"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, origin, want string
		kind               metric.Kind
		list               *List
	}{
		{"a.keep", "", "", metric.KindGauge, list},
		{"a.b", "", "nozzle.filters[1]", metric.KindGauge, list},
		{"c", "noisy", "nozzle.filters[2]", metric.KindCounter, list},
		{"c", "noisy", "", metric.KindGauge, list},
		{"c", "quiet", "", metric.KindCounter, list},
		{"c", "quiet", "nozzle.selectors", metric.KindTimer, list},
		{"a.b", "", "", metric.KindGauge, nil},
		{"a.b", "", "nozzle.selectors", metric.KindTimer, nil},
	} {
		kinds := []string{"gauge", "counter"}
		e := metric.Envelope{Kind: tc.kind, Name: []byte(tc.name)}
		e.AddTag([]byte("origin"), []byte(tc.origin))
		if got := tc.list.RefusedBy(kinds, &e); got != tc.want {
			t.Errorf("%s of %s, %v: %q, want %q", tc.name, tc.origin, tc.kind, got, tc.want)
		}
		if tc.kind == metric.KindGauge {
			e.Points = []metric.Point{{Name: e.Name}}
		}
		if passes := NewEvaluator(tc.list, kinds).Pass(&e, &metric.Tally{}); passes != (tc.want == "") {
			t.Errorf("%s of %s, %v: passes %v", tc.name, tc.origin, tc.kind, passes)
		}
	}
	if got := (*List)(nil).RefusedBy(nil, &metric.Envelope{Kind: metric.KindTimer}); got != "" {
		t.Error(got)
	}
}
