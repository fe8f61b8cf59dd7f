package store

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"loggregator_exporter/metric"

	"pgregory.net/rapid"
)

// emission is one step of an emitter: it counts, after a pause. late is how long the sample is under way.
type emission struct {
	pause, late time.Duration
	instance    int
	delta       uint64
	lost, empty bool // the sample is lost; the agent empties its map before it
	idle        bool // the emitter has counted nothing: the agent sets its total to 0
	stamped     bool // false: no timestamp
}

// world says what may happen.
type world struct {
	instances         int
	pauses            []time.Duration
	late, lost, empty bool
	idle, stampless   bool
}

const measuredDelay = 107 * time.Millisecond

func (w world) draw(t *rapid.T) []emission {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) emission {
		e := emission{
			pause:    rapid.SampledFrom(w.pauses).Draw(t, "pause"),
			instance: rapid.IntRange(0, w.instances-1).Draw(t, "instance"),
			delta:    rapid.Uint64Range(1, 5).Draw(t, "delta"),
			stamped:  !w.stampless || rapid.Bool().Draw(t, "stamped"),
		}
		if w.late {
			e.late = time.Duration(rapid.Int64Range(0, int64(measuredDelay)).Draw(t, "late"))
		}
		e.lost = w.lost && rapid.IntRange(0, 4).Draw(t, "lost") == 0
		e.empty = w.empty && rapid.IntRange(0, 4).Draw(t, "empty") == 0
		if e.idle = w.idle && rapid.IntRange(0, 2).Draw(t, "idle") == 0; e.idle {
			e.delta = 0
		}
		return e
	}), 1, 80).Draw(t, "emissions")
}

// arrival is a sample on its way, with what is true of its instance.
type arrival struct {
	instance    int
	truth       uint64 // what the instance has counted when it sends
	total       uint64 // of the agent
	stamp, when int64
	delta       uint64
}

// send runs the emissions through an agent, which adds up what all instances count, and returns what arrives, in
// that order.
func send(emissions []emission, totalsOnly bool) []arrival {
	var out []arrival
	truth := map[int]uint64{}
	now, total := start, uint64(0)
	for _, e := range emissions {
		now += int64(e.pause) + 1
		if e.empty || e.idle && !totalsOnly {
			total = 0
		}
		total += e.delta
		truth[e.instance] += e.delta
		a := arrival{e.instance, truth[e.instance], total, now, now + int64(e.late), e.delta}
		if !e.stamped {
			a.stamp = 0
		}
		if totalsOnly {
			a.delta = 0
		}
		if !e.lost {
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(a, b arrival) int { return cmp.Compare(a.when, b.when) })
	return out
}

// fedCounter is a store that is fed with arrivals. Its series stand in the order in which instances were first seen.
type fedCounter struct {
	store *Store
	w     *Writer
	seen  []int
}

func newCounters(o Settings) (*fedCounter, error) {
	s, err := New(o.options())
	if err != nil {
		return nil, err
	}
	return &fedCounter{store: s, w: s.Writer()}, nil
}

func (c *fedCounter) take(a *arrival) {
	e := from(fmt.Sprint(a.instance), counter("c", a.delta, a.total))
	e.Timestamp, e.Arrived = a.stamp, a.when
	var tally metric.Tally
	c.w.Write(e, &tally)
	if !slices.Contains(c.seen, a.instance) {
		c.seen = append(c.seen, a.instance)
	}
}

func (c *fedCounter) value(instance int) uint64 {
	return uint64(c.store.entries.at(entryPos(1 + slices.Index(c.seen, instance))).value)
}

func checkCounters(t *testing.T, w world, check func(c *fedCounter, arrivals []arrival) error) {
	t.Helper()
	o := testSettings(t)
	rapid.Check(t, func(t *rapid.T) {
		emissions := w.draw(t)
		if w.idle { // the first sample of all is a delta, and no other overtakes it
			emissions[0].pause += time.Second
			emissions = append([]emission{{delta: 1, stamped: true}}, emissions...)
		}
		arrivals := send(emissions, false)
		c, err := newCounters(o)
		if err == nil {
			err = check(c, arrivals)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

var (
	anyPause  = []time.Duration{0, time.Millisecond, 20 * time.Millisecond, time.Second, 15 * time.Second}
	longPause = []time.Duration{time.Second, 3 * time.Second, 15 * time.Second}
)

// Order and losses make no difference: the value is at any time the highest count that arrived.
func TestLateAndLostTotals(t *testing.T) {
	checkCounters(
		t,
		world{instances: 1, pauses: anyPause, late: true, lost: true, stampless: true},
		func(c *fedCounter, arrivals []arrival) error {
			highest := uint64(0)
			for i := range arrivals {
				c.take(&arrivals[i])
				highest = max(highest, arrivals[i].truth)
				if got := c.value(0); got != highest {
					return fmt.Errorf("after sample %d: %d, want %d", i, got, highest)
				}
			}
			return nil
		},
	)
}

// An agent that sets its total to 0 while the emitter is idle: the value never falls nor exceeds what was counted,
// and is exact once nothing is under way.
func TestIdleCounters(t *testing.T) {
	w := world{
		instances: 1,
		pauses:    []time.Duration{60 * time.Millisecond, time.Second, 15 * time.Second},
		late:      true,
		idle:      true,
	}
	checkCounters(t, w, func(c *fedCounter, arrivals []arrival) error {
		last, taken := uint64(0), uint64(0)
		for i := range arrivals {
			c.take(&arrivals[i])
			taken += arrivals[i].delta
			got := c.value(0)
			if got < last || got > max(taken, arrivals[i].truth) {
				return fmt.Errorf("after sample %d: %d after %d, want %d", i, got, last, taken)
			}
			last = got
		}
		if last != taken {
			return fmt.Errorf("in the end %d, want %d", last, taken)
		}
		return nil
	})
}

// An agent that empties its map at any time: in order and without losses the count is exact, but for the samples of
// a fall that is not decided yet, which it lags behind by; two more samples settle that.
func TestEmptiedMaps(t *testing.T) {
	checkCounters(t, world{instances: 1, pauses: anyPause, empty: true}, func(c *fedCounter, arrivals []arrival) error {
		last, first := uint64(0), arrivals[0]
		for i := range arrivals {
			c.take(&arrivals[i])
			got := c.value(0)
			if truth := arrivals[i].truth - first.truth + first.total; got < last || got > truth {
				return fmt.Errorf("after sample %d: %d after %d, true %d", i, got, last, truth)
			}
			last = got
		}
		a := arrivals[len(arrivals)-1]
		for range 2 {
			a.when += 3e9
			a.stamp, a.total, a.truth = a.when, a.total+a.delta, a.truth+a.delta
			c.take(&a)
		}
		if got, truth := c.value(0), a.truth-first.truth+first.total; got != truth {
			return fmt.Errorf("at the end: %d, true %d", got, truth)
		}
		return nil
	})
}

// With all that can go wrong at once the count is bounded: it never falls, and exceeds the truth by no more than
// what was overtaken on the way. It may lack what was lost or late while a fall is looked at, and the old total
// where a new one passed it while order was lost.
func TestEverythingAtOnce(t *testing.T) {
	checkCounters(
		t,
		world{instances: 1, pauses: anyPause, late: true, lost: true, empty: true, idle: true},
		func(c *fedCounter, arrivals []arrival) error {
			last, highest, overtaken, newest := uint64(0), uint64(0), uint64(0), int64(0)
			for i := range arrivals {
				a := &arrivals[i]
				c.take(a)
				highest = max(highest, a.truth)
				if a.stamp < newest {
					overtaken += a.delta
				}
				newest = max(newest, a.stamp)
				if got := c.value(0); got < last || got > highest+overtaken {
					return fmt.Errorf("after sample %d: %d after %d, true %d", i, got, last, highest)
				}
				last = c.value(0)
			}
			return nil
		},
	)
}

// Instances that share a total: once each was seen, all that they count is counted to the right one, in any order.
func TestSharedTotals(t *testing.T) {
	checkCounters(
		t,
		world{instances: 3, pauses: anyPause, late: true, empty: true, stampless: true},
		func(c *fedCounter, arrivals []arrival) error {
			settled := int64(-1) // when nothing is under way any more of the time before all were seen
			want := map[int]uint64{}
			for i := range arrivals {
				a := &arrivals[i]
				if settled >= 0 && a.when > settled && len(want) == 0 {
					for _, instance := range c.seen {
						want[instance] = c.value(instance)
					}
				}
				c.take(a)
				if settled < 0 && len(c.seen) == 3 {
					settled = a.when + int64(measuredDelay)
				}
				if len(want) == 0 {
					continue
				}
				want[a.instance] += a.delta
				if got := c.value(a.instance); got != want[a.instance] {
					return fmt.Errorf("after sample %d of %d: %d, want %d", i, a.instance, got, want[a.instance])
				}
			}
			return nil
		},
	)
}

// An emitter that says totals only and restarts: rate() sees all that was counted, and a fall only where there was a
// restart.
func TestRestarts(t *testing.T) {
	o := testSettings(t)
	w := world{instances: 1, pauses: longPause, late: true}
	rapid.Check(t, func(t *rapid.T) {
		c, err := newCounters(o)
		if err != nil {
			t.Fatal(err)
		}
		var increase, truth, last uint64
		falls, lives, now := 0, rapid.IntRange(1, 4).Draw(t, "lives"), int64(0)
		for life := range lives {
			arrivals := send(w.draw(t), true)
			// Long enough to be believed, and at the end higher than all that the next life comes to.
			for {
				a := arrivals[len(arrivals)-1]
				a.when += restartGrace
				a.stamp = a.when
				if len(arrivals) >= 2 && arrivals[len(arrivals)-1].when-arrivals[0].when > 2*restartGrace {
					a.total += 1000 * uint64(lives-life)
					arrivals = append(arrivals, a)
					break
				}
				arrivals = append(arrivals, a)
			}
			high := arrivals[len(arrivals)-1].total
			for i := range arrivals {
				a := &arrivals[i]
				a.when += now
				a.stamp += now
				c.take(a)
				got := c.value(0)
				switch {
				case life == 0 && i == 0:
					truth -= got
				case got < last:
					falls++
					increase += got
				default:
					increase += got - last
				}
				last = got
			}
			truth += high
			now = arrivals[len(arrivals)-1].when - start + int64(15*time.Second)
			if life > 0 && last != high {
				t.Fatalf("life %d ends at %d, shown %d", life, high, last)
			}
		}
		if increase != truth || falls > lives-1 {
			t.Fatalf("increase %d, true %d; %d falls in %d lives", increase, truth, falls, lives)
		}
	})
}
