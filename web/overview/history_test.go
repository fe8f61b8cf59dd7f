package overview

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestHistory runs for two hours in which a counter grows by 5 a second.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		time.Sleep(time.Second / 2) // so that nothing is counted at the moment of a point
		began := time.Now()
		var stored atomic.Uint64
		f.options.Counts = func(yield func(Column, float64)) {
			yield(Column{"samples_total", "stored", ""}, float64(stored.Load()))
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		for range 2 * 3600 {
			time.Sleep(time.Second)
			stored.Add(5)
			if time.Since(began) == time.Hour+5*time.Minute {
				f.gauge("queue.a.depth")
			}
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
		if len(h.Times) != historyLength || h.Times[60]-h.Times[0] != 3600 {
			t.Errorf("%d points over %d s", len(h.Times), h.Times[len(h.Times)-1]-h.Times[0])
		}
		last := map[string]string{}
		for _, g := range h.Graphs {
			for _, l := range g.Lines {
				if len(l.Values) != len(h.Times) {
					t.Errorf("%s %s: %d values", g.ID, l.Name, len(l.Values))
				}
				last[g.ID+" "+l.Name] = fmt.Sprintf("%v %v", l.Values[1], l.Values[60])
			}
		}
		for line, want := range map[string]string{
			"samples stored": "5 5", "series series": "0 1",
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
	const step = time.Minute
	r := recorder{step: step}
	now := time.Now()
	always := Column{Metric: "always"}
	for i := range 2 * maxColumns {
		r.begin(now.Add(time.Duration(i) * step))
		r.set(always, float64(i))
		r.set(Column{"once", fmt.Sprint(i), ""}, 1)
		r.set(always, -1) // it has a value
		r.end()
	}
	if len(r.columns) != maxColumns || len(r.times) != historyLength {
		t.Errorf("%d columns, %d points", len(r.columns), len(r.times))
	}
	for key, column := range r.columns {
		if len(column.values) != historyLength || cap(column.values) != historyLength {
			t.Fatalf("%s: %d values, room for %d", key, len(column.values), cap(column.values))
		}
	}
	at := now.Add((2*maxColumns - 1) * step)
	if by, took := r.increase(always, 2*maxColumns-1, at, time.Minute); by != 1 || took != time.Minute {
		t.Errorf("%v in %v", by, took)
	}
	if by, _ := r.increase(Column{Metric: "new"}, 3, at, time.Minute); by != 3 {
		t.Errorf("a counter that was not there grew by %v", by)
	}
}

// TestPointAllocatesNothing: a point is made each minute by a process that has nothing else to do.
func TestPointAllocatesNothing(t *testing.T) {
	f := newFixture(t)
	f.ObserveScrape(Scrape{Outcome: "complete"})
	f.options.Counts = func(yield func(Column, float64)) { yield(Column{"samples_total", "stored", ""}, 1) }
	for range historyLength + 1 {
		f.point()
	}
	if n := testing.AllocsPerRun(100, f.point); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestMemory: the system tells what is resident, and the runtime what the heap uses.
func TestMemory(t *testing.T) {
	var m residentMemory
	used := m.read()
	if runtime.GOOS == "linux" && used.ResidentBytes < used.HeapBytes || used.HeapBytes < 1<<16 || used.HeapBytes > 1<<33 {
		t.Errorf("%+v", used)
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
