package watch

import (
	"slices"
)

// What fall goes by, in looks and in steps of several looks.
const (
	fallStep   = 5   // looks in a step
	fallWindow = 6   // steps in a window: half a minute covers the intervals that most components emit at
	fallLearn  = 6   // windows to know before the first verdict, which so comes after a minute and a half
	fallMemory = 120 // windows to remember: ten minutes of steps
	// Fewer envelopes in a window than this vary by chance more than a doppler's share does.
	fallMinimum = 100
	// How many windows in a row must be too low: what comes late is no loss, and names are looked at over steps that are all of
	// after the fall.
	fallSteps = 4
	// Over how many steps names are looked at, and how much of what is missing must be of names that still come: else names went.
	fallNames   = 3
	fallThinned = 0.3
	// How often a new stream is tried before the lower rate is believed.
	fallTries = 2
)

// fall notices that a part of what comes steadily stopped coming, as when one of several dopplers was restarted and the stream
// goes on without it, with no error. It compares the number of gauges and counters within half a minute with all such half
// minutes of the last ten: components emit those by the clock, whereas timers follow the users. What is below the lowest of
// them, by a tenth of the mean and by as much again as the lowest lies below the mean, has fallen. So ordinary variation, which is
// within what was seen, never counts; half of the envelopes missing (two dopplers) shows within half a minute, a quarter within one.
//
// Where another exporter joins the shard, as much stops coming, but then it is names that go, each with all its instances, whereas
// a doppler has some of the instances of almost every name. A fall of that kind is no verdict: the lower rate is learned. Only
// readers without deterministic names cannot tell the two apart.
//
// A verdict is tried out: where a new stream brings the rate back, what was learned stays; where it does not, twice, the lower
// rate is true (components that were stopped), and is learned from the start.
type fall struct {
	looks  int
	step   uint64     // envelopes since the last step
	names  nameCounts // of those
	recent []uint64   // the steps of the current window

	latest  []nameCounts // the last steps
	usual   usualNames
	pending []uint64 // windows that overlap the current one
	known   []uint64 // windows before

	lower  int                // windows in a row that are too low
	tries  int                // verdicts since the rate was last as learned
	higher int                // windows in a row that exceed all known
	sorted [fallMemory]uint64 // scratch
}

// skip forgets the current window: it is not comparable, since no stream was open.
func (f *fall) skip() {
	f.looks, f.step, f.names, f.lower = 0, 0, nameCounts{}, 0
	f.recent, f.latest, f.pending = f.recent[:0], f.latest[:0], f.pending[:0]
}

// relearn forgets everything.
func (f *fall) relearn() {
	f.skip()
	f.known, f.tries, f.higher = f.known[:0], 0, 0
}

// look takes the steady envelopes since the last look, and says whether the rate fell.
func (f *fall) look(steady uint64, names *nameCounts) bool {
	f.step += steady
	f.names.add(names)
	if f.looks++; f.looks < fallStep {
		return false
	}
	f.recent, f.latest = push(f.recent, f.step, fallWindow), push(f.latest, f.names, fallNames)
	f.looks, f.step, f.names = 0, 0, nameCounts{}
	if len(f.recent) < fallWindow {
		return false
	}
	window := uint64(0)
	for _, n := range f.recent {
		window += n
	}
	return f.judge(window)
}

// judge compares a window with those known, and learns it.
func (f *fall) judge(window uint64) bool {
	if len(f.known) < fallLearn {
		f.learn(window)
		return false
	}
	low, mean, high := f.level()
	switch margin := max(mean/10, mean-low); {
	case mean < fallMinimum || window+margin >= low:
		f.tries, f.lower = 0, 0
	case f.lower < fallSteps-1:
		// Neither known nor judged yet: a hiccup is made up for soon.
		f.lower++
		return false
	case f.tries == fallTries || f.usual.thinned(f.latest) < fallThinned:
		f.relearn()
		return false
	default:
		f.tries++
		f.skip()
		return true
	}
	if window > high+max(mean/4, high-mean) {
		f.higher++
	} else {
		f.higher = 0
	}
	if f.higher > fallWindow {
		// More comes than ever before, as when another exporter left: a fall from here would not be one from what is known.
		f.relearn()
		return false
	}
	f.learn(window)
	return false
}

func (f *fall) learn(window uint64) {
	f.usual.learn(&f.latest[len(f.latest)-1], len(f.known)+len(f.pending) == 0)
	if len(f.pending) == fallWindow {
		f.known = push(f.known, f.pending[0], fallMemory)
	}
	f.pending = push(f.pending, window, fallWindow)
}

func (f *fall) level() (low, mean, high uint64) {
	known := f.sorted[:copy(f.sorted[:], f.known)]
	slices.Sort(known)
	sum := uint64(0)
	for _, n := range known {
		sum += n
	}
	return known[0], sum / uint64(len(known)), known[len(known)-1]
}

// push appends, and drops the oldest beyond a size.
func push[T any](list []T, n T, size int) []T {
	if len(list) == size {
		copy(list, list[1:])
		list = list[:size-1]
	}
	return append(list, n)
}
