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

// counted is one sample of a counter c: when it arrives, how much older its timestamp is, what it says, and the
// value and the outcome after it.
type counted struct {
	at, age      time.Duration
	delta, total uint64
	value        float64
	outcome      string
}

const noTimestamp = time.Duration(-1)

func (c *counted) envelope() *metric.Envelope {
	e := at(c.at, counter("c", c.delta, c.total, "origin", "x"))
	if e.Timestamp -= int64(c.age); c.age == noTimestamp {
		e.Timestamp = 0
	}
	return e
}

// value returns the value of the series that has the text among its labels.
func value(t *testing.T, s *Store, label string) string {
	t.Helper()
	for line := range strings.Lines(dump(s)) {
		if strings.Contains(line, label) {
			return strings.TrimSpace(line[strings.LastIndex(line, "}")+1:])
		}
	}
	t.Fatalf("no series with %s in\n%s", label, dump(s))
	return ""
}

// TestCounters plays what was measured of Loggregator, one series each.
func TestCounters(t *testing.T) {
	const (
		ms  = time.Millisecond
		sec = time.Second
	)
	for name, steps := range map[string][]counted{
		"totals late by the delay between an agent's streams": {
			{0, 0, 5, 5, 5, "stored"},
			{10 * ms, 0, 5, 20, 20, "stored"},
			{20 * ms, 15 * ms, 5, 10, 20, "outdated"},
			{117 * ms, 110 * ms, 5, 15, 20, "outdated"},
			{sec, 0, 5, 25, 25, "stored"},
		},
		"late totals with timestamps that are equal or newer": {
			{0, 0, 5, 20, 20, "stored"},
			{0, 0, 5, 10, 20, "stored"},
			{107 * ms, 0, 5, 15, 20, "stored"},
			{sec, 0, 5, 25, 25, "stored"},
			{4 * sec, 0, 5, 30, 30, "stored"},
		},
		"late totals without any timestamp": {
			{0, noTimestamp, 5, 20, 20, "stored"},
			{50 * ms, noTimestamp, 5, 15, 20, "stored"},
			{30 * sec, noTimestamp, 5, 25, 25, "stored"},
		},
		"a late first total": {
			{0, 0, 5, 10, 10, "stored"},
			{10 * ms, 20 * ms, 5, 5, 10, "outdated"},
			{sec, 0, 5, 15, 15, "stored"},
		},
		"lost samples: the total mends it": {
			{0, 0, 1, 1, 1, "stored"},
			{sec, 0, 1, 7, 7, "stored"},
			{2 * sec, 0, 1, 8, 8, "stored"},
		},
		"the same sample twice": {
			{0, 0, 5, 5, 5, "stored"},
			{sec, 0, 5, 10, 10, "stored"},
			{sec, 0, 5, 10, 10, "stored"},
			{2 * sec, 0, 5, 15, 15, "stored"},
		},
		"an agent that empties its map: totals stuck at 1": {
			{0, 0, 1, 1, 1, "stored"},
			{sec, 0, 1, 1, 2, "stored"},
			{2 * sec, 0, 1, 1, 3, "stored"},
			{3 * sec, 0, 1, 1, 4, "stored"},
			{3*sec + 10*ms, 20 * ms, 1, 1, 5, "stored"}, // late, and counted all the same: deltas have no order
			{15 * sec, 0, 7, 7, 12, "stored"},
		},
		"an agent that empties its map once: the count goes on, and losses mend themselves again": {
			{0, 0, 5, 100, 100, "stored"},
			{15 * sec, 0, 5, 5, 100, "stored"},
			{30 * sec, 0, 5, 10, 110, "stored"},
			{45 * sec, 0, 5, 25, 125, "stored"},
			{60 * sec, 0, 5, 30, 130, "stored"},
		},
		"a total that began anew and passed the old one unseen": {
			{0, 0, 5, 10, 10, "stored"},
			{15 * sec, 0, 12, 12, 22, "stored"}, // 12 in one step from 0 cannot follow 10
			{30 * sec, 0, 1, 13, 23, "stored"},
		},
		"a late sample of the total before, after a total that began anew and was set to 0": {
			{0, 0, 1, 1, 1, "stored"},
			{ms, 0, 1, 3, 3, "stored"},
			{3 * ms, 0, 1, 1, 3, "stored"},
			{4 * ms, 0, 0, 0, 4, "stored"},
			{5 * ms, 3 * ms, 1, 4, 4, "outdated"}, // of the last total but one: too few rather than too many
			{6 * ms, 0, 2, 2, 6, "stored"},
		},
		"a late zero, and an even later sample of the total before it": {
			{0, 0, 1, 1, 1, "stored"},
			{ms, 0, 1, 3, 3, "stored"},
			{4 * ms, 0, 1, 1, 3, "stored"},
			{5 * ms, 2 * ms, 0, 0, 4, "stored"},
			{6 * ms, 4 * ms, 1, 4, 5, "stored"},
		},
		"totals only: what is late of the emitter's life before is not added to its life after": {
			{0, 0, 0, 500, 500, "stored"},
			{15 * sec, 0, 0, 3, 500, "stored"},
			{30 * sec, 0, 0, 8, 8, "stored"},
			{31 * sec, 25 * sec, 0, 510, 8, "outdated"},
			{45 * sec, 0, 0, 12, 12, "stored"},
		},
		"an agent that empties its map again and again": {
			{0, 0, 5, 10, 10, "stored"},
			{5 * sec, 0, 5, 5, 10, "stored"},
			{10 * sec, 0, 5, 10, 20, "stored"},
			{15 * sec, 0, 5, 5, 20, "stored"},
			{20 * sec, 0, 5, 10, 30, "stored"},
			{25 * sec, 0, 5, 5, 30, "stored"},
			{30 * sec, 0, 5, 10, 40, "stored"}, // the third time: only deltas count from here
			{35 * sec, 0, 5, 5, 45, "stored"},
			{40 * sec, 0, 5, 10, 50, "stored"},
			{45 * sec, 0, 5, 15, 55, "stored"},
		},
		"deltas only, as datagrams bring them": {
			{0, 0, 5, 0, 5, "stored"},
			{sec, 2 * sec, 7, 0, 12, "stored"},
			{sec, 0, 0, 0, 12, "stored"},
			{2 * sec, 0, 1, 0, 13, "stored"},
		},
		"deltas first, totals later: the count goes on": {
			{0, 0, 5, 0, 5, "stored"},
			{sec, 0, 5, 500, 10, "stored"},
			{2 * sec, 0, 0, 505, 10, "stored"},
			{3 * sec, 0, 2, 0, 12, "stored"},
		},
		"totals only": {
			{0, 0, 0, 5, 5, "stored"},
			{sec, 0, 0, 9, 9, "stored"},
			{2 * sec, 1500 * ms, 0, 7, 9, "outdated"},
			{3 * sec, 0, 0, 9, 9, "stored"},
		},
		"totals only, and the emitter restarts: the fall is shown once it is sure": {
			{0, 0, 0, 500, 500, "stored"},
			{15 * sec, 0, 0, 3, 500, "stored"},
			{30 * sec, 0, 0, 8, 8, "stored"},
			{45 * sec, 0, 0, 9, 9, "stored"},
		},
		"totals only, one low sample among high ones": {
			{0, 0, 0, 500, 500, "stored"},
			{15 * sec, 0, 0, 3, 500, "stored"},
			{30 * sec, 0, 0, 501, 501, "stored"},
			{45 * sec, 0, 0, 4, 501, "stored"},
			{60 * sec, 0, 0, 502, 502, "stored"},
		},
		"totals only, restarted at zero": {
			{0, 0, 0, 500, 500, "stored"},
			{15 * sec, 0, 0, 0, 500, "stored"},
			{30 * sec, 0, 0, 0, 0, "stored"},
			{45 * sec, 0, 0, 2, 2, "stored"},
		},
		"a total of zero first": {
			{0, 0, 0, 0, 0, "stored"},
			{sec, 0, 0, 0, 0, "stored"},
			{2 * sec, 0, 0, 4, 4, "stored"},
		},
		"a restarted emitter whose clock was set back": {
			{0, 0, 0, 500, 500, "stored"},
			{15 * sec, time.Hour, 0, 3, 500, "outdated"},
			{130 * sec, time.Hour, 0, 4, 500, "outdated"},
			{136 * sec, time.Hour, 0, 5, 5, "stored"},
			{150 * sec, time.Hour, 0, 6, 6, "stored"},
		},
		"a clock set back alone": {
			{0, 0, 5, 500, 500, "stored"},
			{15 * sec, time.Hour, 5, 505, 505, "stored"},
		},
		"late samples while totals begin anew": {
			{0, 0, 1, 50, 50, "stored"},
			{100 * ms, 0, 1, 1, 50, "stored"},
			{110 * ms, 200 * ms, 1, 49, 50, "outdated"},
			{4 * sec, 0, 1, 2, 52, "stored"},
			{5 * sec, 0, 1, 3, 53, "stored"},
		},
		"deltas greater than totals": {
			{0, 0, 10, 1, 1, "stored"},
			{5 * sec, 0, 10, 2, 11, "stored"},
			{10 * sec, 0, 10, 3, 21, "stored"},
		},
		"the end of the range": {
			{0, 0, 5, math.MaxUint64 - 5, math.MaxUint64, "stored"},
			{5 * sec, 0, 5, math.MaxUint64, math.MaxUint64, "stored"},
			{10 * sec, 0, 5, 5, math.MaxUint64, "stored"},
			{15 * sec, 0, 5, 10, math.MaxUint64, "stored"},
			{20 * sec, 0, math.MaxUint64, math.MaxUint64, math.MaxUint64, "stored"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t)
				for i, step := range steps {
					<-time.After(time.Until(timeOf(start + int64(step.at))))
					outcome := write(s, step.envelope())
					if got, want := value(t, s, "cf_c_total"), fmt.Sprint(step.value); got != want || outcome != step.outcome {
						t.Errorf("step %d: value %s, %s, want %s, %s", i, got, outcome, want, step.outcome)
					}
				}
			})
		})
	}
}

// from sets the instance that an envelope comes from.
func from(instance string, e *metric.Envelope) *metric.Envelope {
	e.SourceID, e.InstanceID = []byte("app"), []byte(instance)
	return e
}

// TestInstancesThatShareATotal: an agent adds up what all instances of one source count.
func TestInstancesThatShareATotal(t *testing.T) {
	for _, instances := range [][2]string{{"0", "1"}, {"", "1"}, {"1", ""}} {
		t.Run(strings.Join(instances[:], " and "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t)
				first, second := instances[0], instances[1]
				total := uint64(0)
				count := func(instance string, delta uint64) {
					total += delta
					write(s, from(instance, counter("c", delta, total)))
					// Another counter of the same instances, of which the emitter says its own totals.
					write(s, from(instance, counter("own", 0, total)))
				}
				values := func() string {
					var b strings.Builder
					for _, instance := range instances {
						label := fmt.Sprintf(`instance_id="%s",source_id="app"`, instance)
						if instance == "" {
							label = `{component="app",source_id="app"`
						}
						for line := range strings.Lines(dump(s)) {
							if strings.HasPrefix(line, "counter cf_c_total") && strings.Contains(line, label) {
								b.WriteString(strings.TrimSpace(line[strings.LastIndex(line, "}")+1:]) + " ")
							}
						}
					}
					return b.String()
				}
				count(first, 3)
				count(first, 4)
				if got := values(); got != "7 " {
					t.Fatalf("one instance: %s", got)
				}
				for range 10 {
					count(second, 10)
					count(first, 1)
				}
				if got := values(); got != "17 100 " {
					t.Errorf("%s", got)
				}
				write(s, from(first, counter("c", 0, total))) // nothing happened
				if got := values(); got != "17 100 " {
					t.Errorf("after a delta of 0: %s", got)
				}
				if got := dump(s); strings.Count(got, fmt.Sprintf("} %d\n", total)) != 1 {
					t.Errorf("totals of the emitter's own are not to be touched:\n%s", got)
				}
			})
		})
	}
}

// TestSiblingsDiffer: what does not share a total keeps it.
func TestSiblingsDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		s.entries.mask = 0 // every look-up has to compare
		write(s, from("0", counter("c", 1, 10, "ip", "1")))
		write(s, from("1", counter("c", 1, 20, "ip", "2")))
		write(s, from("1", counter("d", 1, 30, "ip", "1")))
		other := counter("c", 1, 40, "ip", "1")
		other.SourceID, other.InstanceID = []byte("b"), []byte("1")
		write(s, other)
		write(s, from("0", at(time.Second, counter("c", 1, 15, "ip", "1")))) // with losses
		if got, want := value(t, s, `bosh_job_ip="1",component="app",instance_id="0"`), "15"; got != want {
			t.Errorf("%s, want %s:\n%s", got, want, dump(s))
		}
		if n := s.counters.totals.inUse(); n != 4 {
			t.Errorf("%d totals are known", n)
		}
		s.sweep(timeOf(start).Add(time.Hour))
		if s.Stats() != (Stats{}) || s.counters.totals.inUse() != 0 || s.counters.totals.index.live != 0 ||
			s.entries.tagsetIndex.live+s.entries.nameIndex.live != 0 {
			t.Errorf("left after everything expired: %+v, %d totals", s.Stats(), s.counters.totals.inUse())
		}
	})
}

// TestCounterMemory: counters that behave need nothing beside their entry; whatever others need is given back.
func TestCounterMemory(t *testing.T) {
	s := testStore(t)
	low := func(after time.Duration, total uint64) {
		write(s, at(after, counter("c", 1, total, "origin", "x")))
	}
	for i := range uint64(100) {
		low(time.Duration(i)*time.Second, 100+i)
	}
	if s.counters.states.inUse() != 0 || s.counters.totals.inUse() != 0 {
		t.Fatalf("%d states, %d totals", s.counters.states.inUse(), s.counters.totals.inUse())
	}
	low(100*time.Second, 5)
	if s.counters.states.inUse() != 1 {
		t.Fatalf("%d states", s.counters.states.inUse())
	}
	low(101*time.Second, 300)
	if s.counters.states.inUse() != 0 {
		t.Fatal("the low run was over, its state is held")
	}
	low(110*time.Second, 5)
	s.sweep(timeOf(start).Add(time.Hour))
	if s.counters.states.inUse() != 0 || len(s.counters.states.all) != 2 {
		t.Fatalf("after expiry: %d states, room for %d", s.counters.states.inUse(), len(s.counters.states.all)-1)
	}
}

// TestCountersDoNotAllocate: in no mode, and not while a fall is looked at.
func TestCountersDoNotAllocate(t *testing.T) {
	for name, next := range map[string]func(i uint64, e *metric.Envelope){
		"totals":         func(i uint64, e *metric.Envelope) { e.Delta, e.Total = 1, i },
		"totals only":    func(i uint64, e *metric.Envelope) { e.Delta, e.Total = 0, i },
		"deltas":         func(_ uint64, e *metric.Envelope) { e.Delta, e.Total = 1, 0 },
		"stuck totals":   func(_ uint64, e *metric.Envelope) { e.Delta, e.Total = 1, 1 },
		"late totals":    func(i uint64, e *metric.Envelope) { e.Delta, e.Total = 1, i^1 },
		"restarts":       func(i uint64, e *metric.Envelope) { e.Delta, e.Total = 0, 10-i%7 },
		"shared totals":  func(i uint64, e *metric.Envelope) { e.Delta, e.Total, e.InstanceID[0] = 1, i, '0'+byte(i%2) },
		"changing modes": func(i uint64, e *metric.Envelope) { e.Delta, e.Total = i%3, i%5*i },
	} {
		s := testStore(t)
		w := s.Writer()
		var tally metric.Tally
		e := from("0", counter("c", 1, 1, "deployment", "cf"))
		i := uint64(0)
		step := func() {
			i++
			e.Timestamp += int64(time.Second)
			e.Arrived += int64(time.Second)
			next(i, e)
			w.Write(e, &tally)
		}
		for range 100 {
			step()
		}
		if n := testing.AllocsPerRun(1000, step); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestIdleAgent: an agent sets its total to 0 when an emitter has counted nothing; that is no reset, and nothing is
// counted twice or lost by it.
func TestIdleAgent(t *testing.T) {
	for name, c := range map[string]struct {
		pause  time.Duration
		deltas []uint64
		want   []float64
	}{
		"every 3 s":          {3 * time.Second, []uint64{5, 0, 0, 7, 0, 0, 3}, []float64{5, 5, 5, 12, 12, 12, 15}},
		"faster than grace":  {100 * time.Millisecond, []uint64{5, 0, 7, 0, 3, 0, 0, 1}, []float64{5, 5, 12, 12, 15, 15, 15, 16}},
		"lower than before":  {15 * time.Second, []uint64{500, 0, 1, 1, 0, 2}, []float64{500, 500, 501, 502, 502, 504}},
		"higher than before": {15 * time.Second, []uint64{1, 0, 500, 1}, []float64{1, 1, 501, 502}},
		"idle again and again": {
			time.Minute, []uint64{4, 0, 4, 0, 4, 0, 4, 0, 4, 0}, []float64{4, 4, 8, 8, 12, 12, 16, 16, 20, 20},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testStore(t)
				total := uint64(0)
				for i, delta := range c.deltas {
					if total += delta; delta == 0 {
						total = 0
					}
					e := at(time.Duration(i)*c.pause, counter("dropped", delta, total))
					if got := write(s, e); got != "stored" {
						t.Errorf("sample %d: %s", i, got)
					}
					if got, want := dump(s), fmt.Sprintf("counter cf_dropped_total{} %v\n", c.want[i]); got != want {
						t.Errorf("sample %d: %swant %s", i, got, want)
					}
				}
			})
		})
	}
}

// A late sample from before the agent's total was 0 is counted where it belongs, and one of an emitter that has
// restarted with totals of its own is a reset.
func TestLateBeforeIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		for i, step := range []struct {
			after        time.Duration
			delta, total uint64
			want         string
		}{
			{0, 5, 5, "5"},
			{time.Second, 0, 0, "5"},
			{500 * time.Millisecond, 4, 9, "9"},
			{400 * time.Millisecond, 2, 7, "9"}, // its delta is in the total of the one before
			{2 * time.Second, 3, 3, "12"},
			{time.Second, 0, 0, "12"},
			{3 * time.Second, 1, 4, "13"},
		} {
			write(s, at(step.after, counter("c", step.delta, step.total)))
			if got := dump(s); got != "counter cf_c_total{} "+step.want+"\n" {
				t.Errorf("step %d: %swant %s", i, got, step.want)
			}
		}
	})
}
