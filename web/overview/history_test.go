package overview

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestHistory runs for two hours in which a counter grows by 5 a second.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		samples := prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "loggregator_exporter_samples_total", Help: "h",
		}, []string{"outcome"})
		began := time.Now()
		f.registry.MustRegister(samples, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "loggregator_exporter_series", Help: "h",
		}, func() float64 { return time.Since(began).Seconds() }))
		stored := samples.WithLabelValues("stored")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		for range 2 * 3600 {
			time.Sleep(time.Second)
			stored.Add(5)
			if time.Since(began) == 2*time.Hour-time.Minute {
				f.ObserveScrape(Scrape{Remote: "10.0.0.1:5", Outcome: "complete", Bytes: 1000, Duration: time.Second})
				f.ObserveScrape(Scrape{Remote: "10.0.0.1:6", Outcome: "complete", Bytes: 10, Duration: 2 * time.Second})
				f.ObserveScrape(Scrape{Remote: "10.0.0.1:7", Outcome: "aborted", Bytes: 1 << 30})
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		h, err := f.History(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(h.Times) != historyLength || h.Times[360]-h.Times[0] != 3600 {
			t.Errorf("%d points over %d s", len(h.Times), h.Times[len(h.Times)-1]-h.Times[0])
		}
		last := map[string]string{}
		for _, g := range h.Graphs {
			for _, l := range g.Lines {
				if len(l.Values) != len(h.Times) {
					t.Errorf("%s %s: %d values", g.ID, l.Name, len(l.Values))
				}
				last[g.ID+" "+l.Name] = fmt.Sprintf("%v %v", l.Values[1], l.Values[355])
			}
		}
		for line, want := range map[string]string{
			"samples stored": "5 5", "series series": fmt.Sprintf("%v %v", h.Times[1]-began.Unix(), h.Times[355]-began.Unix()),
			"scrape_duration duration": "NaN 2", "scrape_size size": "NaN 1000",
		} {
			if last[line] != want {
				t.Errorf("%s: %s, want %s", line, last[line], want)
			}
		}
	})
}

// TestRecorderIsBounded gives a recorder more series than it remembers, and series that come and go.
func TestRecorderIsBounded(t *testing.T) {
	var r recorder
	now := time.Now()
	for i := range 2 * historyLength {
		own := &ownMetrics{at: now.Add(time.Duration(i) * historyStep), samples: map[string][]ownSample{}}
		r.record(own, map[string]float64{"always": float64(i), fmt.Sprint("once ", i): 1})
	}
	if len(r.columns) != maxColumns || len(r.times) != historyLength {
		t.Errorf("%d columns, %d points", len(r.columns), len(r.times))
	}
	for key, column := range r.columns {
		if len(column) != historyLength || cap(column) > 2*historyLength {
			t.Fatalf("%s: %d values, room for %d", key, len(column), cap(column))
		}
	}
	at := now.Add(time.Duration(2*historyLength-1) * historyStep)
	if by, took := r.increase("always", float64(2*historyLength-1), at, time.Minute); by != 6 || took != time.Minute {
		t.Errorf("%v in %v", by, took)
	}
	if by, _ := r.increase("new", 3, at, time.Minute); by != 3 {
		t.Errorf("a counter that was not there grew by %v", by)
	}
}

func TestValue(t *testing.T) {
	text, err := json.Marshal([]Value{1.5, Value(math.NaN()), Value(math.Inf(1)), 123456789})
	if err != nil || string(text) != "[1.5,null,null,1.23457e+08]" {
		t.Errorf("%s, %v", text, err)
	}
}

func TestScrapers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c scrapers
		for i := range 2 * maxScrapers {
			c.observe(&Scrape{Remote: fmt.Sprintf("10.0.0.%d:1", i), UserAgent: strings.Repeat("a", 1000)}, time.Now())
			time.Sleep(time.Second)
		}
		for range 2 {
			c.observe(&Scrape{Remote: "[::1]:1", Format: "text", Bytes: 5, Outcome: "complete"}, time.Now())
			time.Sleep(15 * time.Second)
		}
		list := c.list(time.Now())
		if len(list) != maxScrapers || len(list[1].UserAgent) != maxAgentBytes {
			t.Errorf("%d scrapers, %d bytes", len(list), len(list[1].UserAgent))
		}
		if s := list[0]; s.Address != "::1" || s.Scrapes != 2 || s.IntervalSeconds != 15 || s.Bytes != 5 {
			t.Errorf("%+v", s)
		}
		time.Sleep(scraperMemory)
		if list := c.list(time.Now()); len(list) != 0 {
			t.Errorf("%d scrapers after an hour", len(list))
		}
	})
}
