package nozzle

import "slices"

// What fall goes by, in looks and in steps of several looks.
const (
	fallStep   = 5   // looks in a step
	fallWindow = 6   // steps in a window: half a minute covers the intervals that most components emit at
	fallLearn  = 6   // windows to know before the first verdict, which so comes after a minute and a half
	fallMemory = 120 // windows to remember: ten minutes of steps
	// Fewer envelopes in a window than this vary by chance more than a doppler's share does.
	fallMinimum = 100
	// How many windows in a row must be too low: what comes late is no loss.
	fallSteps = 2
	// How often a new stream is tried before the lower rate is believed.
	fallTries = 2
)

// fall notices that a part of what comes steadily stopped coming, as when one of several dopplers was restarted and the stream
// goes on without it, with no error. It compares the number of gauges and counters within half a minute with all such half
// minutes of the last ten: components emit those by the clock, whereas timers follow the users. What is below the lowest of
// them, by a tenth of the mean and by as much again as the lowest lies below the mean, has fallen. So ordinary variation, which is
// within what was seen, never counts; half of the envelopes missing (two dopplers) shows within half a minute.
//
// A verdict is tried out: where a new stream brings the rate back, what was learned stays; where it does not, twice, the lower
// rate is true (components that were stopped, another exporter that took its share), and is learned from the start.
type fall struct {
	looks   int
	step    uint64             // envelopes since the last step
	recent  []uint64           // the steps of the current window
	pending []uint64           // windows that overlap the current one
	known   []uint64           // windows before
	lower   int                // windows in a row that are too low
	tries   int                // verdicts since the rate was last as learned
	higher  int                // windows in a row that exceed all known
	sorted  [fallMemory]uint64 // scratch
}

// skip forgets the current window: it is not comparable, since no stream was open.
func (f *fall) skip() {
	f.looks, f.step, f.lower = 0, 0, 0
	f.recent, f.pending = f.recent[:0], f.pending[:0]
}

// relearn forgets everything.
func (f *fall) relearn() {
	f.skip()
	f.known, f.tries, f.higher = f.known[:0], 0, 0
}

// look takes the steady envelopes since the last look, and says whether the rate fell.
func (f *fall) look(steady uint64) bool {
	f.step += steady
	if f.looks++; f.looks < fallStep {
		return false
	}
	f.recent = push(f.recent, f.step, fallWindow)
	f.looks, f.step = 0, 0
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
		// Neither known nor judged yet: a hiccup is made up for by the next step.
		f.lower++
		return false
	case f.tries == fallTries:
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
	}
	f.learn(window)
	return false
}

func (f *fall) learn(window uint64) {
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
func push(list []uint64, n uint64, size int) []uint64 {
	if len(list) == size {
		copy(list, list[1:])
		list = list[:size-1]
	}
	return append(list, n)
}
