package watch

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// steadily is what a foundation sends in one look: senders that emit by the clock, each at its own moment.
type steadily struct {
	rng     *rand.Rand
	senders []sender
	names   []uint64 // hashes
	look    int
}

// sender is a VM, which emits some names from the first on.
type sender struct{ interval, phase, first, envelopes, doppler int }

func newSteadily(seed uint64, senders, dopplers int) *steadily {
	s := &steadily{rng: rand.New(rand.NewPCG(seed, 1))}
	for i := range 1000 {
		s.names = append(s.names, hashName(fmt.Appendf(nil, "metric.%d", i)))
	}
	for i := range senders {
		interval := []int{5, 10, 15, 15, 15, 30, 60}[s.rng.IntN(7)]
		s.senders = append(s.senders, sender{interval, s.rng.IntN(interval), 40 * s.rng.IntN(20), 5 + s.rng.IntN(100), i % dopplers})
	}
	return s
}

// next is what comes in the next look, without that of a doppler that is mute (-1 for none), for one of several exporters.
func (s *steadily) next(mute, exporters int) (n uint64, names *nameCounts) {
	names = &nameCounts{}
	for _, x := range s.senders {
		if s.look%x.interval != x.phase || x.doppler == mute {
			continue
		}
		for i := range x.envelopes {
			if name := s.names[x.first+i]; name>>20%uint64(exporters) == 0 {
				n++
				names[nameBucket(name)]++
			}
		}
	}
	s.look++
	return n, names
}

// A part that one of a few dopplers carries is missed within a minute, and only then.
func TestFallNoticesADoppler(t *testing.T) {
	for _, dopplers := range []int{1, 2, 3, 4} {
		for seed := range uint64(5) {
			s, f := newSteadily(seed, 100, dopplers), &fall{}
			for i := range 1200 {
				if f.look(s.next(-1, 1)) {
					t.Fatalf("%d dopplers, seed %d: fell after %d s of ordinary variation", dopplers, seed, i)
				}
			}
			mute, after := int(seed)%dopplers, 1
			for ; !f.look(s.next(mute, 1)); after++ {
				if after > (fallWindow+fallSteps)*fallStep {
					t.Fatalf("%d dopplers, seed %d: the loss of one is not noticed within %d s", dopplers, seed, after)
				}
			}
			// A new stream has all of it again: the next loss is noticed as soon as this one.
			for i := range fallWindow*fallStep + 1 {
				if f.look(s.next(-1, 1)) {
					t.Fatalf("%d dopplers, seed %d: fell %d s after the rate came back", dopplers, seed, i)
				}
			}
			for after = 1; !f.look(s.next(mute, 1)); after++ {
				if after > (fallWindow+fallSteps)*fallStep {
					t.Fatalf("%d dopplers, seed %d: the second loss is not noticed within %d s", dopplers, seed, after)
				}
			}
		}
	}
}

// A lower rate that two new streams do not mend is believed, and what falls from there is noticed.
func TestFallBelievesWhatStays(t *testing.T) {
	s, f := newSteadily(1, 100, 4), &fall{}
	for range 600 {
		f.look(s.next(-1, 1))
	}
	verdicts := 0
	for range 3600 {
		if f.look(s.next(0, 1)) {
			verdicts++
		}
	}
	if verdicts != fallTries {
		t.Fatalf("%d new streams for a rate that stays low, want %d", verdicts, fallTries)
	}
	for i := range s.senders {
		if s.senders[i].doppler == 1 {
			s.senders[i].doppler = 0
		}
	}
	for after := 1; !f.look(s.next(0, 1)); after++ {
		if after > (fallWindow+fallSteps)*fallStep {
			t.Fatal("a fall from the new rate is not noticed")
		}
	}
}

// Another exporter that comes takes names, which no new stream brings back; one that leaves gives names. What falls thereafter is
// noticed.
func TestFallKnowsOtherExporters(t *testing.T) {
	for exporters := 1; exporters <= 4; exporters++ {
		for seed := range uint64(4) {
			s, f := newSteadily(seed, 100, 2), &fall{}
			for _, now := range []int{exporters, exporters + 1, exporters} {
				for i := range 900 {
					if f.look(s.next(-1, now)) {
						t.Fatalf("%d exporters where there were %d, seed %d: fell after %d s", now, exporters, seed, i)
					}
				}
			}
			for after := 1; !f.look(s.next(1, exporters)); after++ {
				if after > (fallWindow+fallSteps)*fallStep {
					t.Fatalf("%d exporters, seed %d: the loss of a doppler is not noticed", exporters, seed)
				}
			}
		}
	}
}

// What is irregular or rare gives no verdict, or hardly ever one.
func TestFallLeavesRareAndIrregular(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		next func(i int) uint64
		most int // verdicts in six hours
	}{
		"rare":    {func(int) uint64 { return rng.Uint64N(3) }, 0},
		"bursts":  {func(i int) uint64 { return map[bool]uint64{true: 10_000}[i%60 == 0] }, 0},
		"nothing": {func(int) uint64 { return 0 }, 0},
		"chance":  {func(int) uint64 { return rng.Uint64N(400) }, 2},
	} {
		f, verdicts := &fall{}, 0
		for i := range 6 * 3600 {
			if f.look(c.next(i), &nameCounts{}) {
				verdicts++
			}
		}
		if verdicts > c.most {
			t.Errorf("%s: %d verdicts in six hours", name, verdicts)
		}
	}
}
