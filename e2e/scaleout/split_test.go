package scaleout

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
)

// What docs/scaling.md advises where one name is too much for one exporter, and what it warns of.

const (
	half = `app_id: ["8*", "9*", "a*", "b*", "c*", "d*", "e*", "f*"]`
	// Containers are the name that is on one exporter whatever their number.
	containers = `{__name__=~"cf_container_.+"}`
)

// page reads what an exporter shows under a selector: the values by series.
func (e *exporter) page(t *testing.T, selector string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(string(peer.Get(t, "http://"+e.address+"/metrics?"+url.Values{"match[]": {selector}}.Encode()).Body)) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		values[line[:at]] = value
	}
	return values
}

// sum adds up what an exporter shows under a selector, of histograms what stands under that name only.
func (e *exporter) sum(t *testing.T, selector string) (sum float64) {
	t.Helper()
	name, _, _ := strings.Cut(selector, "{")
	for series, v := range e.page(t, selector) {
		if series == name || strings.HasPrefix(series, name+"{") {
			sum += v
		}
	}
	return sum
}

// readers starts exporters and emits rounds, the last of which is in all of them when it returns.
func readers(t *testing.T, configurations ...string) (*site, []*exporter) {
	t.Helper()
	s := newSite(t, foundation.Options{
		Seed: 3, Interval: interval, RequestsPerSecond: 100, Apps: 60,
		Agents: foundation.AgentOptions{KeepIdle: true},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	s.background(t, s.foundation.Serve)
	var exporters []*exporter
	for i, c := range configurations {
		// However long it takes to read the pages, nothing expires meanwhile.
		exporters = append(exporters, s.start(t, strconv.Itoa(i), peer.FreeAddress(t), c, "metrics: {adaptive_expiration: false}"))
	}
	if err := s.foundation.AwaitReaders(ctx, len(exporters)); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		s.mu.Lock()
		err := s.round(ctx)
		s.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		peer.Until(ctx, t, "what was sent is taken", func() string {
			lost, taken := s.foundation.Lost(), 0.0
			if lost.Full > 0 {
				t.Fatalf("lost: %+v", lost)
			}
			for _, e := range exporters {
				taken += e.sum(t, "loggregator_exporter_envelopes_received_total")
			}
			if taken == float64(lost.Sent) {
				return ""
			}
			return fmt.Sprintf("%d envelopes, %v of them were received", lost.Sent, taken)
		})
	}
	return s, exporters
}

// Without names a series is on every exporter, each with another value of it: that is no way to spread a name.
func TestRandomSharingSplitsNoSeries(t *testing.T) {
	const random = `deterministic_name: ""`
	_, e := readers(t, random, random)
	first, second := e[0].page(t, containers), e[1].page(t, containers)
	both, differ := 0, 0
	for series, v := range first {
		if other, ok := second[series]; ok {
			both++
			if other != v {
				differ++
			}
		}
	}
	t.Logf("%d and %d series of containers, %d on both, %d of these with different values", len(first), len(second), both, differ)
	if 10*both < 9*len(first) || differ == 0 {
		t.Error("series are not on both exporters")
	}
}

// Two groups, each with a shard id of its own, divide the apps by the first digit of their GUIDs. Each receives
// everything; what they keep is disjoint and together what one exporter keeps.
func TestGroupsByApp(t *testing.T) {
	s, e := readers(t,
		"shard_id: platform\ndeterministic_name: \"0\"\nfilters:\n  - drop: {"+half+"}",
		"shard_id: apps\ndeterministic_name: \"0\"\nfilters:\n  - keep: {"+half+"}\n  - drop: {}",
		"shard_id: all\ndeterministic_name: \"0\"")
	checkParts(t, e[0], e[1], e[2], `{__name__=~"cf_.+"}`)
	checkParts(t, e[0], e[1], e[2], containers)
	for i, one := range e {
		if got, want := one.sum(t, "loggregator_exporter_envelopes_received_total"), float64(s.foundation.Envelopes(foundation.RLP)); got != want {
			t.Errorf("exporter %d received %v of %v", i, got, want)
		}
		if refused := one.sum(t, `loggregator_exporter_samples_total{outcome="conflict"}`); i < 2 && refused > e[2].sum(t, `loggregator_exporter_samples_total{outcome="conflict"}`) {
			t.Errorf("exporter %d refused %v samples as conflicts", i, refused)
		}
	}
}

// Requests in a group of their own: each envelope comes to one group only, and requests, which come by chance, are
// spread evenly.
func TestGroupsByKind(t *testing.T) {
	s, e := readers(t,
		"shard_id: metrics\ndeterministic_name: \"0\"\nselectors: [gauge, counter]",
		"shard_id: requests\ndeterministic_name: \"0\"\nselectors: [timer]",
		"shard_id: requests\ndeterministic_name: \"1\"\nselectors: [timer]")
	var counts, converted []float64
	all, lossReports := 0.0, 0.0
	for _, one := range e {
		counts = append(counts, one.sum(t, "loggregator_exporter_envelopes_received_total"))
		converted = append(converted, one.sum(t, `loggregator_exporter_envelopes_total{outcome="converted"}`))
		lossReports += one.sum(t, `loggregator_exporter_envelopes_total{outcome="filtered"}`)
		all += counts[len(counts)-1]
	}
	// Who asks for no counters asks for those in which Loggregator says what it lost.
	if want := float64(s.foundation.Envelopes(foundation.RLP)); all-lossReports != want || lossReports > 0.05*want {
		t.Errorf("received %v, together %v, %v of them to be filtered, of %v", counts, all, lossReports, want)
	}
	if got, want := e[1].sum(t, "cf_http_request_duration_seconds_count")+e[2].sum(t, "cf_http_request_duration_seconds_count"), s.requests(); got != want {
		t.Errorf("%v requests, want %v", got, want)
	}
	if n := len(e[0].page(t, `{__name__=~"cf_http_request_.+"}`)); n > 0 {
		t.Errorf("the group without requests has %d series of them", n)
	}
	if n := len(e[1].page(t, containers)); n > 0 {
		t.Errorf("the group of requests has %d series of containers", n)
	}
	t.Logf("received: %v, converted %v", counts, converted)
	if ratio := converted[1] / converted[2]; ratio < 0.7 || ratio > 1.4 {
		t.Errorf("requests are spread as %v to %v", converted[1], converted[2])
	}
}

// checkParts wants the series of two exporters to be those of a third one, with their values, each on one of the two.
func checkParts(t *testing.T, first, second, whole *exporter, selector string) {
	t.Helper()
	parts, more, want := first.page(t, selector), second.page(t, selector), whole.page(t, selector)
	a, b := len(parts), len(more)
	for series, v := range more {
		if _, twice := parts[series]; twice {
			t.Errorf("on both: %s", series)
		}
		parts[series] = v
	}
	if a == 0 || b == 0 || len(parts) != len(want) {
		t.Errorf("%s: %d and %d series, %d together, want %d", selector, a, b, len(parts), len(want))
	}
	for series, v := range want {
		// Times are added up in another order.
		if got, ok := parts[series]; !ok || math.Abs(got-v) > 1e-9*math.Abs(v) && !math.IsNaN(v) {
			t.Errorf("%s is %v (%v), want %v", series, got, ok, v)
		}
	}
	t.Logf("%s: %d and %d series of %d", selector, a, b, len(want))
}
