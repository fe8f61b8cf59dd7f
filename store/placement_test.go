package store

import (
	"testing"

	"loggregator_exporter/metric"
)

// TestPlacements: what became of samples is told as the store decided it.
func TestPlacements(t *testing.T) {
	s := testStore(t)
	w := s.Writer()
	envelopes := []*metric.Envelope{
		gauge("level", 7),
		gauge("rep.level", 7, "origin", "rep"),
		gauge("level", 7, "origin", "rep"),
		counter("level", 1, 1),
	}
	var tally metric.Tally
	for _, e := range envelopes {
		w.Write(e, &tally)
	}
	var got []Placement
	for _, e := range envelopes {
		got = w.Placements(got, e)
	}
	got = w.Placements(got, gauge("unknown", 1))
	for i, want := range []struct {
		outcome metric.Outcome
		metric  string
		reason  string
	}{
		{metric.Stored, "cf_level", ""},
		{metric.Stored, "cf_level", ""},
		{metric.Conflict, "cf_level", `its series belongs to raw name "rep.level"`},
		{metric.Stored, "cf_level_total", ""},
		{metric.Filtered, "", ""},
	} {
		if p := got[i]; p.Outcome != want.outcome || p.Metric != want.metric || p.Reason != want.reason {
			t.Errorf("%d: %v %q %q", i, p.Outcome, p.Metric, p.Reason)
		}
	}
	if got[0].Series == got[1].Series || got[1].Series != got[2].Series || got[1].Identity == got[2].Identity {
		t.Errorf("%+v", got)
	}
}
