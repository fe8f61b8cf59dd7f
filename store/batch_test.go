package store

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"loggregator_exporter/metric"
)

// batchAction is an action whose envelope may end a batch, and name its sender.
type batchAction struct {
	action
	flush, sender bool
}

// TestBatchesStoreAsSingles: envelopes in batches leave what they leave one by one, and end the same way.
func TestBatchesStoreAsSingles(t *testing.T) {
	all := configurations(t)
	actions := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) batchAction {
		return batchAction{
			action{
				time.Duration(rapid.Int64Range(0, 10e9).Draw(t, "pause")),
				rapid.IntRange(0, 9).Draw(t, "sweep") == 0,
				rapid.IntRange(0, 20*len(all)).Draw(t, "reload"),
				drawEnvelope(t),
			},
			rapid.IntRange(0, 9).Draw(t, "flush") == 0,
			rapid.Bool().Draw(t, "sender"),
		}
	}), 1, 60)
	rapid.Check(t, func(rt *rapid.T) {
		first, plan := rapid.IntRange(0, len(all)-1).Draw(rt, "first"), actions.Draw(rt, "plan")
		constant := rapid.Bool().Draw(rt, "constant hash")
		var err error
		// Nothing may be drawn, and no test stopped, inside the bubble.
		synctest.Test(t, func(*testing.T) { err = playBatches(all, first, plan, constant) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// playBatches takes a plan into two stores, by Write and in batches, and compares them.
func playBatches(all []Settings, first int, plan []batchAction, constant bool) error {
	var stores [2]*Store
	var writers [2]*Writer
	var tallies [2]metric.Tally
	for i := range stores {
		s, err := New(all[first].options())
		if err != nil {
			return err
		}
		if constant {
			s.entries.mask = 0
		}
		stores[i], writers[i] = s, s.Writer()
	}
	senders := map[string]uint64{}
	for _, a := range plan {
		<-time.After(a.pause)
		if a.flush || a.sweep || a.reload < len(all) {
			writers[1].Flush(&tallies[1])
		}
		for _, s := range stores {
			if a.sweep {
				s.sweep(time.Now())
			}
			if a.reload < len(all) {
				if _, err := s.Reload(all[a.reload].options()); err != nil {
					return err
				}
			}
		}
		e := *a.envelope
		e.Arrived = time.Now().UnixNano()
		e.Timestamp += e.Arrived
		writers[0].Write(&e, &tallies[0])
		if a.sender {
			of := fmt.Sprintf("%q %q %q", e.SourceID, e.InstanceID, e.Tags)
			if senders[of] == 0 {
				senders[of] = uint64(len(senders) + 1)
			}
			e.Sender = senders[of]
		}
		writers[1].Add(&e, &tallies[1])
	}
	writers[1].Flush(&tallies[1])
	for i, s := range stores {
		if err := checkScrape(s); err != nil {
			return fmt.Errorf("store %d: %w", i, err)
		}
	}
	if tallies[0] != tallies[1] {
		return fmt.Errorf("outcomes %v, in batches %v", tallies[0], tallies[1])
	}
	if one, other := dump(stores[0]), dump(stores[1]); one != other {
		return fmt.Errorf("one by one:\n%s\nin batches:\n%s", one, other)
	}
	if one, other := fmt.Sprint(stores[0].Refusals()), fmt.Sprint(stores[1].Refusals()); one != other {
		return fmt.Errorf("refused one by one: %s\nin batches: %s", one, other)
	}
	for i, s := range stores {
		if err := checkCounted(s, tallies[i]); err != nil {
			return fmt.Errorf("store %d: %w", i, err)
		}
	}
	return checkEmpty(stores[1])
}

// TestBatchIsBounded: outcomes are told once as many samples have come as a batch holds, and the memory of what is too
// large for most batches is given back.
func TestBatchIsBounded(t *testing.T) {
	s := testStore(t)
	w := s.Writer()
	var tally metric.Tally
	for range maxBatch {
		w.Add(gauge("a", 1, "origin", "rep"), &tally)
	}
	if tally != (metric.Tally{}) {
		t.Errorf("%v before the batch was full", tally)
	}
	w.Add(gauge("a", 1, "origin", "rep"), &tally)
	if tally != (metric.Tally{metric.Stored: maxBatch}) {
		t.Errorf("%v of the first %d", tally, maxBatch)
	}
	w.Flush(&tally)
	huge := gauge("huge", 1, "origin", "rep")
	huge.Points[0].Unit = []byte(strings.Repeat("u", 4*maxBatchText))
	w.Write(huge, &tally)
	if held := cap(w.batch.text); held > 2*maxBatchText {
		t.Errorf("%d bytes held", held)
	}
	if tally != (metric.Tally{metric.Stored: maxBatch + 2}) {
		t.Error(tally)
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	s := testStore(t)
	w := s.Writer()
	var tally metric.Tally
	var batch []*metric.Envelope
	for i := range 2 * maxBatch / 3 {
		origin := fmt.Sprint("o", i%7)
		batch = append(batch, gauge(fmt.Sprint("g", i%11), 1, "origin", origin), counter("c", 0, 1, "origin", origin),
			timer("http", time.Second, "origin", origin, "content_length", "5"))
	}
	requireNoAllocations(t, w, batch, &tally)
}

// requireNoAllocations takes a batch in once, and then again without an allocation.
func requireNoAllocations(t *testing.T, w *Writer, batch []*metric.Envelope, tally *metric.Tally) {
	t.Helper()
	take := func() {
		for _, e := range batch {
			w.Add(e, tally)
		}
		w.Flush(tally)
	}
	take()
	if n := testing.AllocsPerRun(100, take); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
