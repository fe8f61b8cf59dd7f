package store

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

// fractional makes a counter of one whose numbers have fractions.
func fractional(delta, total float64) *metric.Envelope {
	e := counter("f", math.Float64bits(delta), math.Float64bits(total), "origin", "x")
	e.Fractional = true
	return e
}

// TestFractionalCounters: totals and deltas with fractions are counted as whole ones are: late ones change nothing,
// and a sender that restarts begins anew.
func TestFractionalCounters(t *testing.T) { synctest.Test(t, playFractionalCounters) }

func playFractionalCounters(t *testing.T) {
	t.Helper()
	const sec = time.Second
	since := func(after time.Duration, e *metric.Envelope) *metric.Envelope {
		e.Began = start + int64(after)
		return e
	}
	for name, steps := range map[string][]struct {
		envelope *metric.Envelope
		value    string
	}{
		"totals": {
			{fractional(0, 0), "0"},
			{at(sec, fractional(0, 1.5)), "1.5"},
			{at(sec, fractional(0, 1.5)), "1.5"},
			{at(3*sec, fractional(0, 0.25e-3+2)), "2.00025"},
			{at(2*sec, fractional(0, 1.75)), "2.00025"},
			{at(4*sec, fractional(0, 0.5)), "2.00025"},
			{at(7*sec, fractional(0, 0.75)), "0.75"},
			{at(8*sec, fractional(0, 1e300)), "1e+300"},
		},
		"totals with their start": {
			{since(0, at(sec, fractional(0, 1.5))), "1.5"},
			{since(0, at(2*sec, fractional(0, 2.25))), "2.25"},
			{since(0, at(sec, fractional(0, 2))), "2.25"},
			{since(3*sec, at(4*sec, fractional(0, 0.125))), "0.125"},
		},
		"deltas": {
			{fractional(0.1, 0), "0.1"}, {at(sec, fractional(0.25, 0)), "0.35"}, {at(2*sec, fractional(1e-3, 0)), "0.351"},
		},
		"deltas with their start": {
			{since(0, at(sec, fractional(0.5, 0))), "0.5"},
			{since(sec, at(2*sec, fractional(0.25, 0))), "0.75"},
			{since(sec, at(2*sec, fractional(0.25, 0))), "0.75"},
		},
	} {
		s := testStore(t)
		for i, step := range steps {
			write(s, step.envelope)
			if got := value(t, s, "x"); got != step.value {
				t.Errorf("%s, step %d: %s, want %s", name, i, got, step.value)
			}
		}
	}
}

// TestFractionalCounterIsAnotherIdentity: a counter that is sent as whole numbers and with fractions is two, the
// second of which is refused.
func TestFractionalCounterIsAnotherIdentity(t *testing.T) {
	synctest.Test(t, playFractionalCounterIsAnotherIdentity)
}

func playFractionalCounterIsAnotherIdentity(t *testing.T) {
	t.Helper()
	s := testStore(t)
	write(s, counter("f", 0, 5, "origin", "x"))
	if got := write(s, fractional(0, 7.5)); got != "conflict" || value(t, s, "x") != "5" {
		t.Errorf("%s\n%s", got, dump(s))
	}
}

// TestTotalFromBeforeARestart: a counter of totals alone was restarted while its samples could not be sent; those from
// before, sent again later, do not make it jump, in whatever order they come.
func TestTotalFromBeforeARestart(t *testing.T) { synctest.Test(t, playTotalFromBeforeARestart) }

func playTotalFromBeforeARestart(t *testing.T) {
	t.Helper()
	const sec = time.Second
	late := func(arrived, age time.Duration, total uint64) *metric.Envelope {
		e := at(arrived, counter("c", 0, total, "origin", "x"))
		e.Timestamp -= int64(age)
		return e
	}
	s := testStore(t)
	for i, step := range []struct {
		envelope *metric.Envelope
		outcome  string
		value    string
	}{
		{at(100*sec, counter("c", 0, 5, "origin", "x")), "stored", "5"},
		{late(101*sec, 11*sec, 1000), "outdated", "5"},
		{late(101*sec, 12*sec, 990), "outdated", "5"},
		{late(101*sec, 2*sec, 4), "outdated", "5"},
		{at(102*sec, counter("c", 0, 6, "origin", "x")), "stored", "6"},
		{late(103*sec, 13*sec, 980), "outdated", "6"},
		{at(104*sec, counter("c", 0, 7, "origin", "x")), "stored", "7"},
	} {
		if got := write(s, step.envelope); got != step.outcome || value(t, s, "x") != step.value {
			t.Errorf("step %d: %s, %s, want %s, %s", i, got, value(t, s, "x"), step.outcome, step.value)
		}
	}
	// A clock that was set back is believed after two minutes.
	write(s, late(110*sec, 3600*sec, 8))
	if got := write(s, late(231*sec, 3600*sec, 9)); got != "stored" || value(t, s, "x") != "9" {
		t.Errorf("%s\n%s", got, dump(s))
	}
}
