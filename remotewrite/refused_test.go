package remotewrite

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestRefusedSeries pushes 600 series, in requests of 100, to receivers that refuse 200 of them for good and take
// their time for each answer, and makes the table of docs/remote-write.md: no refused series makes others late, and
// none costs a request.
//
//	go test -run TestRefusedSeries -v ./remotewrite
func TestRefusedSeries(t *testing.T) {
	var table strings.Builder
	for _, tc := range []struct {
		receiver, protocol string
		partial            bool // whether it stores the other series of the request
	}{
		{"Prometheus", Protocol2, true},
		{"Prometheus", Protocol1, false},
		{"Mimir, Cortex", Protocol1, true},
	} {
		for _, delay := range []time.Duration{75 * time.Millisecond, 150 * time.Millisecond, 500 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				_, _ = fmt.Fprintf(&table, "| %s | %s | %d ms |%s\n", tc.receiver, tc.protocol, delay.Milliseconds(),
					refusedSeries(t, tc.protocol, tc.partial, delay))
			})
		}
	}
	docs, err := os.ReadFile("../docs/remote-write.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	if !strings.Contains(string(docs), "|---|---|---|---|---|---|---|\n"+table.String()+"\n") {
		t.Error("docs/remote-write.md has not this table")
	}
}

// refusedSeries pushes for two minutes, and returns the row's figures of a round.
func refusedSeries(t *testing.T, protocol string, partial bool, delay time.Duration) string {
	t.Helper()
	const rounds, good, bad = 8, 400, 200
	isBad := func(s *received) bool {
		x := s.series[strings.Index(s.series, `x="`)+3:][:4]
		return x >= "0350" && x < "0550"
	}
	var latest time.Duration
	stored := map[string]int{}
	r := &receiver{}
	r.answer = func(_ *http.Request, series []received) (int, http.Header, error) {
		<-time.After(delay)
		var kept []received
		for _, s := range series {
			if !isBad(&s) {
				kept = append(kept, s)
			}
		}
		status, header := 400, http.Header{}
		if len(kept) == len(series) {
			status = 200
		} else if !partial {
			kept = nil
		}
		r.mu.Lock()
		for _, s := range kept {
			latest = max(latest, time.Since(time.UnixMilli(s.value.timestamp)))
			stored[s.series]++
		}
		r.mu.Unlock()
		if protocol == Protocol2 {
			header.Set("X-Prometheus-Remote-Write-Samples-Written", fmt.Sprint(len(kept)))
		}
		return status, header, nil
	}
	o := testOptions(protocol)
	o.MaxSamplesPerSend = 100
	p, _ := newPusher(t, o, many(good+bad), r)
	p.rounds.metadata = nil
	ctx, cancel := contextFor(t)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	<-time.After(rounds*o.Interval - time.Second)

	m := p.rounds.metrics
	samples := m.of[contentSamples]
	if lag := testutil.ToFloat64(m.highest) - testutil.ToFloat64(m.highestSent); lag != 0 ||
		testutil.ToFloat64(samples.pending) != 0 {
		t.Errorf("%s after %s: behind by %vs, %v pending", protocol, delay, lag, testutil.ToFloat64(samples.pending))
	}
	times := map[int]int{} // how often series were stored
	for _, n := range stored {
		times[n]++
	}
	if diff := cmp.Diff(map[int]int{rounds: len(stored)}, times); diff != "" {
		t.Error(diff)
	}
	row := fmt.Sprintf(
		" %d | %d | %v | %d ms |",
		r.count()/rounds,
		len(stored),
		testutil.ToFloat64(samples.failed)/rounds,
		latest.Milliseconds(),
	)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	balance(t, p, (rounds+1)*(good+bad))
	return row
}
