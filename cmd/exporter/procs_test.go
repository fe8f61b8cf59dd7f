package main

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestProcessors: one processor while little is used, all while much is, larger pages while there is work, and seldom a
// look while nothing happens.
func TestProcessors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		type event struct {
			second float64
			what   string
		}
		var got []event
		note := func(what string) { got = append(got, event{time.Since(began).Seconds(), what}) }
		share := func(second time.Duration) float64 { // of a processor, by the time since the start
			switch {
			case second < 8*time.Second:
				return 1.5
			case second < 60*time.Second:
				return 0.1
			case second < 90*time.Second:
				return 0.4 // neither calm nor busy
			case second < 110*time.Second:
				return 0.9
			case second < 130*time.Second:
				return 0.3
			default:
				return 0
			}
		}
		used := func() (sum time.Duration) {
			note("look")
			for at := time.Duration(0); at < time.Since(began); at += time.Second {
				sum += time.Duration(share(at) * float64(time.Second))
			}
			return sum
		}
		p := processors{
			used: used, one: func() { note("one") }, all: func() { note("all") },
			rest: func() { note("rest") }, wide: func() { note("wide") },
		}
		done := make(chan struct{})
		go func() { p.run(ctx); close(done) }()
		time.Sleep(400 * time.Second)
		cancel()
		<-done
		var changes []event
		var wide []float64
		looks := 0
		for _, e := range got {
			switch {
			case e.what == "wide":
				wide = append(wide, e.second)
			case e.what != "look":
				changes = append(changes, e)
			case e.second > 140:
				looks++
			}
		}
		var worked []float64 // from the third look at work on, after it rests
		for second := 31.0; second <= 131; second += 5 {
			worked = append(worked, second)
		}
		if !slices.Equal(wide, worked) {
			t.Errorf("larger pages at %v, want %v", wide, worked)
		}
		if want := []event{{15, "one"}, {15, "rest"}, {96, "all"}, {131, "one"}}; !reflect.DeepEqual(changes, want) {
			t.Errorf("got %v, want %v", changes, want)
		}
		if looks != 4 {
			t.Errorf("%d looks while nothing happened", looks)
		}
	})
}

// TestScrapeIsNoWork: a second of work before each of two looks at a process at rest, however much of the time it is.
func TestScrapeIsNoWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minute := time.Now() // a full one
		ctx, cancel := context.WithCancel(t.Context())
		time.Sleep(45 * time.Second) // looks come after 50, 51, 56, 60 and 65 s
		p := processors{
			used: func() time.Duration { return min(2*time.Second, max(0, time.Since(minute)-59*time.Second)) },
			one:  func() {}, all: func() {}, rest: func() {},
			wide: func() { t.Errorf("larger pages after %v", time.Since(minute)) },
		}
		done := make(chan struct{})
		go func() { p.run(ctx); close(done) }()
		time.Sleep(time.Minute)
		cancel()
		<-done
	})
}

func TestProcessorTime(t *testing.T) {
	if processorTime() <= 0 {
		t.Error("no time")
	}
}
