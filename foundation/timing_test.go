package foundation

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// The parts of a timing agree in every round, whichever is asked first: buckets are cumulative, the last one is the
// count, and quantiles rise.
func TestTimingPartsAgree(t *testing.T) {
	known := make(timings)
	var parts []model
	for _, text := range []string{"le 5", "le 30", "le 600", "le +Inf", "count", "sum", "quantile 0", "quantile 0.5", "quantile 1"} {
		m, err := parseModel("timing staging 2 20 "+text, nil, known)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, m)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var before []float64
	for round := range 50 {
		got := make([]float64, len(parts))
		for i := range parts {
			at := (i + round) % len(parts)
			got[at] = parts[at].next(1.5, rng)
		}
		count, mean := got[4], got[5]/got[4]
		if got[0] > got[1] || got[1] > got[2] || got[2] > got[3] || got[3] != count || count != float64(3*(round+1)) ||
			mean < 2 ||
			mean > 100 {
			t.Fatalf("round %d: %v", round, got)
		}
		if got[6] > got[7] || got[7] > got[8] || got[6] <= 0 {
			t.Fatalf("round %d: quantiles %v", round, got[6:])
		}
		for i := range before {
			if got[i] < before[i] {
				t.Fatalf("round %d: %v after %v", round, got, before)
			}
		}
		before = got[:6]
	}
}

func TestTimingWithoutObservations(t *testing.T) {
	m, err := parseModel("timing idle 0 1 quantile 0.5", nil, make(timings))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.next(10, rand.New(rand.NewPCG(1, 1))); !math.IsNaN(got) {
		t.Errorf("%v", got)
	}
}

func TestTimingErrors(t *testing.T) {
	for text, want := range map[string]string{
		"timing a 1 2":          "a name, a rate, a median",
		"timing a x 2 sum":      "invalid syntax",
		"timing a 1 2 le":       "le BOUND",
		"timing a 1 2 sum 3":    "le BOUND",
		"timing a 1 2 middle":   "le BOUND",
		"timing a 1 2 le large": "invalid syntax",
	} {
		if _, err := parseModel(text, nil, make(timings)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The prom scraper's parts are told from metrics that only end like them.
func TestParts(t *testing.T) {
	f := newFoundation(t, Options{})
	serve(t, f)
	if err := f.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	whole, parts := Parts(f.Sent())
	names := make(map[string]int)
	for _, s := range parts {
		names[s.Name]++
	}
	for name, want := range map[string]int{
		"cc_staging_succeeded_duration_seconds_bucket": 16, "cc_staging_succeeded_duration_seconds_sum": 2, "cc_staging_succeeded_duration_seconds_count": 2,
		"http_server_requests_seconds": 12, "http_server_requests_seconds_sum": 4, "http_server_requests_seconds_count": 4, "binding_refresh_count": 0,
	} {
		if names[name] != want {
			t.Errorf("%d parts %s, want %d", names[name], name, want)
		}
	}
	if len(whole)+len(parts) != len(f.Sent()) || len(whole) < 4000 {
		t.Errorf("%d and %d of %d", len(whole), len(parts), len(f.Sent()))
	}
}
