package store

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

// step is one envelope and the outcome that it must have.
type step struct {
	envelope *metric.Envelope
	outcome  string
}

func TestStore(t *testing.T) {
	second := time.Second
	many := gauge("a", 1)
	many.TooManyTags = true
	backwards := timer("http", -second, "origin", "gorouter")
	sourced := gauge("requests", 1)
	sourced.SourceID, sourced.InstanceID = []byte("uaa"), []byte("0")
	app := func() *metric.Envelope {
		e := timer("http", 250*time.Millisecond, "origin", "gorouter", "peer_type", "Server", "method", "GET",
			"status_code", "204", "uri", "/secret", "user_agent", "curl", "request_id", "1", "content_length", "512")
		e.SourceID, e.InstanceID = []byte("f1a3c2d0-7a7e-4c55-9f0f-2f0b9d3a4b11"), []byte("3")
		return e
	}
	cases := map[string]struct {
		steps []step
		want  string
	}{
		"the order of tags on the wire makes no difference": {
			[]step{
				{gauge("a", 1, "origin", "x", "team", "y"), "stored"},
				{gauge("a", 2, "team", "y", "origin", "x"), "stored"},
			},
			`gauge cf_a{component="x",origin="x",team="y"} 2` + "\n",
		},
		"of a tag sent twice the last one counts": {
			[]step{
				{gauge("a", 1, "team", "1", "team", "2"), "stored"},
				{gauge("a", 2, "team", "2", "team", "1"), "stored"},
			},
			"gauge cf_a{team=\"1\"} 2\ngauge cf_a{team=\"2\"} 1\n",
		},
		"two raw names of one series: the first owns it": {
			[]step{
				{gauge("memoryStats.numFrees", 1, "origin", "rep"), "stored"},
				{gauge("rep.memoryStats.numFrees", 2, "origin", "rep"), "conflict"},
				{gauge("rep.memoryStats.numFrees", 3, "origin", "rep"), "conflict"},
				{gauge("memoryStats.numFrees", 4, "origin", "rep"), "stored"},
			},
			`gauge cf_num_frees{component="rep",origin="rep",type="vm_memory"} 4` + "\n",
		},
		"a refused name takes over when the owner has expired": {
			[]step{
				{gauge("memoryStats.numFrees", 1, "origin", "rep"), "stored"},
				{at(9*time.Minute, gauge("rep.memoryStats.numFrees", 2, "origin", "rep")), "conflict"},
				{at(11*time.Minute, gauge("rep.memoryStats.numFrees", 3, "origin", "rep")), "stored"},
			},
			`gauge cf_num_frees{component="rep",origin="rep",type="vm_memory"} 3` + "\n",
		},
		"total ends the names of counters, and begins those of gauges": {
			[]step{
				{counter("odd", 0, 7, "origin", "x"), "stored"},
				{gauge("odd_total", 1, "origin", "z"), "stored"},
			},
			`counter cf_odd_total{component="x",origin="x"} 7` + "\n" +
				`gauge cf_total_odd{component="z",origin="z"} 1` + "\n",
		},
		"a gauge and a counter whose names differ by _total": {
			[]step{
				{counter("odd", 0, 7, "origin", "x"), "stored"},
				{gauge("odd", 1, "origin", "x"), "stored"},
				{gauge("even", 2, "origin", "x"), "stored"},
				{counter("even", 0, 8, "origin", "x"), "stored"},
				{timer("work", second, "origin", "x"), "stored"},
				{counter("work_seconds", 0, 9, "origin", "x"), "stored"},
			},
			`gauge cf_even{component="x",origin="x"} 2
counter cf_even_total{component="x",origin="x"} 8
gauge cf_odd{component="x",origin="x"} 1
counter cf_odd_total{component="x",origin="x"} 7
histogram cf_work_seconds{component="x",origin="x"} [0.1 1] [0 1 0] count=1 sum=1
counter cf_work_seconds_total{component="x",origin="x"} 9
`,
		},
		"the names a histogram writes are taken": {
			[]step{
				{timer("work", second, "origin", "x"), "stored"},
				{gauge("work_seconds_count", 1, "origin", "x"), "conflict"},
				{gauge("work_seconds_bucket", 1, "origin", "x"), "conflict"},
			},
			`histogram cf_work_seconds{component="x",origin="x"} [0.1 1] [0 1 0] count=1 sum=1` + "\n",
		},
		"totals replace each other, late ones are outdated": {
			[]step{
				{counter("c", 5, 10), "stored"},
				{at(2*second, counter("c", 5, 20)), "stored"},
				{at(second, counter("c", 5, 15)), "outdated"},
			},
			"counter cf_c_total{} 20\n",
		},
		"deltas alone add up in any order": {
			[]step{
				{at(2*second, counter("c", 5, 0)), "stored"},
				{at(second, counter("c", 7, 0)), "stored"},
			},
			"counter cf_c_total{} 12\n",
		},
		"timers count by what may be a label, and never by more": {
			[]step{{app(), "stored"}, {at(second, app()), "stored"}},
			`histogram cf_http_request_duration_seconds{app_id="f1a3c2d0-7a7e-4c55-9f0f-2f0b9d3a4b11",component="gorouter",` +
				`method="GET",status="2xx"} [0.1 1] [0 2 0] count=2 sum=0.5` + "\n" +
				`histogram cf_http_response_size_bytes{app_id="f1a3c2d0-7a7e-4c55-9f0f-2f0b9d3a4b11",component="gorouter",` +
				`method="GET",status="2xx"} [1000] [2 0] count=2 sum=1024` + "\n",
		},
		"the gorouter's second timer of a request": {
			[]step{
				{timer("http", second, "origin", "gorouter", "peer_type", "Client"), "duplicate"},
				{timer("http", second, "origin", "router__0", "peer_type", "Client"), "duplicate"},
				{timer("http", second, "origin", "uaa", "peer_type", "Client"), "stored"},
				{timer("http", second), "stored"},
			},
			"histogram cf_http_request_duration_seconds{} [0.1 1] [0 1 0] count=1 sum=1\n" +
				`histogram cf_http_request_duration_seconds{component="uaa"} [0.1 1] [0 1 0] count=1 sum=1` + "\n",
		},
		"what cannot be stored is invalid": {
			[]step{
				{gauge("", 1), "invalid"},
				{gauge(strings.Repeat("x", 100_000), 1), "invalid"},
				{gauge("a", 1, "k", strings.Repeat("v", 100_000)), "invalid"},
				{many, "invalid"},
				{backwards, "invalid"},
				{counter("", 1, 1), "invalid"},
			},
			"",
		},
		"odd names and values are made legal": {
			[]step{
				{
					gauge("a\n\"b\"\x00\xff", math.Inf(1), "a-b", "1\n\"\\", "a_b", "2", "9", "\xff", "__v1_type", "x", "empty", ""),
					"stored",
				},
			},
			`gauge cf_a_b{_9="�",a_b="2",envelope_a_b="1\n\"\\"} +Inf` + "\n",
		},
		"reserved labels give way": {
			[]step{
				{
					gauge(
						"a",
						1,
						"deployment",
						"cf",
						"job",
						"router",
						"index",
						"id",
						"ip",
						"10.0.0.1",
						"le",
						"1",
						"quantile",
						"2",
						"instance",
						"3",
					),
					"stored",
				},
			},
			`gauge cf_a{bosh_deployment="cf",bosh_job_id="id",bosh_job_ip="10.0.0.1",bosh_job_name="router",envelope_instance="3",` +
				`envelope_le="1",envelope_quantile="2"} 1` + "\n",
		},
		"the gorouter's tag component is its target": {
			[]step{
				{gauge("a", 1, "origin", "gorouter", "component", "uaa"), "stored"},
				{gauge("a", 2, "origin", "x", "component", "uaa"), "stored"},
			},
			`gauge cf_a{component="gorouter",origin="gorouter",target_component="uaa"} 1` + "\n" +
				`gauge cf_a{component="uaa",origin="x"} 2` + "\n",
		},
		"without an origin the source id names the component": {
			[]step{{sourced, "stored"}},
			`gauge cf_requests{component="uaa",instance_id="0",source_id="uaa"} 1` + "\n",
		},
		"a clock of zero or far ahead is not believed": {
			[]step{
				{
					&metric.Envelope{
						Kind:      metric.KindGauge,
						Timestamp: start + int64(time.Hour),
						Arrived:   start,
						Points:    gauge("a", 1).Points,
					},
					"stored",
				},
				{
					&metric.Envelope{Kind: metric.KindGauge, Timestamp: 0, Arrived: start + 1, Points: gauge("a", 2).Points},
					"stored",
				},
				{gauge("a", 3), "outdated"},
			},
			"gauge cf_a{} 2\n",
		},
		"after two minutes of outdated samples the new clock counts": {
			[]step{
				{at(time.Hour, gauge("a", 1)), "stored"},
				{
					&metric.Envelope{
						Kind:      metric.KindGauge,
						Timestamp: start,
						Arrived:   start + int64(time.Hour),
						Points:    gauge("a", 2).Points,
					},
					"outdated",
				},
				{
					&metric.Envelope{
						Kind:      metric.KindGauge,
						Timestamp: start,
						Arrived:   start + int64(time.Hour+119*second),
						Points:    gauge("a", 3).Points,
					},
					"outdated",
				},
				{
					&metric.Envelope{
						Kind:      metric.KindGauge,
						Timestamp: start,
						Arrived:   start + int64(time.Hour+120*second),
						Points:    gauge("a", 4).Points,
					},
					"stored",
				},
			},
			"gauge cf_a{} 4\n",
		},
		"logs, events and nothing have no samples": {
			[]step{
				{&metric.Envelope{Kind: metric.KindLog}, ""},
				{&metric.Envelope{Kind: metric.KindEvent}, ""},
				{&metric.Envelope{}, ""},
			},
			"",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t)
				for i, step := range c.steps {
					<-time.After(time.Until(timeOf(step.envelope.Arrived)))
					s.sweep(time.Now())
					if got := write(s, step.envelope); got != step.outcome {
						t.Errorf("step %d: %q, want %q", i, got, step.outcome)
					}
				}
				if got := dump(s); got != c.want {
					t.Errorf("got\n%swant\n%s", got, c.want)
				}
			})
		})
	}
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.MaxSeries = 2 })
		for _, c := range []struct{ name, want string }{
			{"a", "stored"}, {"b", "stored"}, {"c", "over_limit"}, {"a", "stored"}, {"c", "over_limit"},
		} {
			if got := write(s, gauge(c.name, 1)); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
		if got := s.Stats(); got.Series != 2 || got.Families != 2 || got.Refused != 0 {
			t.Errorf("%+v", got)
		}
		got := s.Refusals()
		if len(got) != 1 || got[0].RawName != "c" || got[0].Count != 2 || got[0].Outcome != metric.OverLimit {
			t.Errorf("%+v", got)
		}
	})
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		ctx := t.Context()
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		t.Cleanup(func() {
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		write(s, gauge("old", 1, "origin", "x"))
		write(s, timer("http", time.Second, "content_length", "1"))
		<-time.After(9 * time.Minute)
		write(s, at(9*time.Minute, gauge("young", 1, "origin", "x")))
		<-time.After(time.Minute)
		// Not swept yet, but no longer shown.
		if got, want := dump(s), `gauge cf_young{component="x",origin="x"} 1`+"\n"; got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		<-time.After(time.Minute)
		if got := s.Stats(); got.Series != 1 || got.Families != 1 {
			t.Errorf("after the sweep: %+v", got)
		}
		<-time.After(10 * time.Minute)
		if got := s.Stats(); got != (Stats{}) {
			t.Errorf("left at the end: %+v", got)
		}
		if n := len(s.families.claims) + s.families.series.live + s.families.labels.index.live + s.entries.nameIndex.live + s.entries.tagsetIndex.live + s.entries.pairs.live; n != 0 {
			t.Errorf("%d entries of the indexes are left", n)
		}
	})
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	s := testStore(t)
	w := s.Writer()
	var tally metric.Tally
	for name, e := range map[string]*metric.Envelope{
		"gauge":    gauge("memoryStats.numFrees", 1, "origin", "rep", "deployment", "cf", "job", "cell", "index", "1", "ip", "10.0.0.1"),
		"counter":  counter("requests", 1, 0, "origin", "x", "deployment", "cf"),
		"timer":    timer("http", time.Second, "origin", "gorouter", "status_code", "200", "method", "GET", "content_length", "7", "uri", "/"),
		"conflict": gauge("rep.memoryStats.numFrees", 1, "origin", "rep", "deployment", "cf", "job", "cell", "index", "1", "ip", "10.0.0.1"),
		"invalid":  gauge("", 1),
	} {
		w.Write(e, &tally)
		if n := testing.AllocsPerRun(100, func() { w.Write(e, &tally) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// There are no scrapes, and series come and go in a family that lives on.
func TestUnscrapedFamilyStaysSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		for round := range 20 {
			write(s, at(time.Duration(round)*11*time.Minute, gauge("m", 1, "kept", "1")))
			for i := range 200 {
				write(s, at(time.Duration(round)*11*time.Minute, gauge("m", 1, "round", fmt.Sprint(round), "i", fmt.Sprint(i))))
			}
			<-time.After(11 * time.Minute)
			write(s, at(time.Duration(round+1)*11*time.Minute, gauge("m", 1, "kept", "1")))
			s.sweep(time.Now())
		}
		for _, f := range s.families.all {
			if n := len(f.fresh) + len(f.sorted); n > 2*maxDead+2 {
				t.Errorf("%s: %d entries for %d series", f.name, n, f.live)
			}
		}
		if got := dump(s); got != "gauge cf_m{kept=\"1\"} 1\n" {
			t.Errorf("got\n%s", got)
		}
	})
}
