package store

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger"
)

// leftOutLines are what is left out, in words.
func leftOutLines(s *Store) (lines []string) {
	for _, r := range s.LeftOut() {
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%s|%s|%d|%v|%v|%v|%s", r.Outcome, r.RawName, r.Kind, r.Unit,
			r.Sender.Tag("origin"), r.Count, time.Duration(r.Arrived-start), time.Duration(r.Late),
			time.Duration(r.MostLate), r.Reason))
	}
	slices.Sort(lines)
	return lines
}

// checkCounted compares what is counted by name with the outcomes of all samples.
func checkCounted(s *Store, want metric.Tally) error {
	var got metric.Tally
	got[metric.Stored] = want[metric.Stored]
	for _, r := range append(s.Refusals(), s.LeftOut()...) {
		got[r.Outcome] += r.Count
	}
	if got != want {
		return fmt.Errorf("counted by name %v, want %v", got, want)
	}
	return nil
}

// TestLeftOut: what nothing refuses and is not stored all the same is counted by name, with its first sender and how
// late it was; what is stored is not.
func TestLeftOut(t *testing.T) {
	const sec = time.Second
	late := func(by time.Duration, e *metric.Envelope) *metric.Envelope { // arrives 10 s after the start
		e.Arrived += int64(10 * sec)
		e.Timestamp += int64(10*sec - by)
		return e
	}
	delta := func(after time.Duration) *metric.Envelope {
		e := at(after, counter("d", 2, 0, "origin", "otel"))
		e.Began = start
		return e
	}
	histogram := func(after time.Duration) *metric.Envelope {
		e := at(after, &metric.Envelope{
			Kind: metric.KindHistogram, Timestamp: start, Arrived: start, Name: []byte("h"), Began: start - 1,
			Tags: tags("origin", "otel"), Distribution: &metric.Distribution{Count: 1, Sum: 1, HasSum: true},
		})
		e.Arrived = start + int64(10*sec)
		return e
	}
	second := func(origin string) *metric.Envelope {
		return timer("http", sec, "origin", origin, "peer_type", "Client", "method", "GET")
	}
	inMS := gauge("a", 3, "origin", "rep")
	inMS.Points[0].Unit = []byte("ms")
	for name, tt := range map[string]struct {
		sent []*metric.Envelope
		want []string
	}{
		"nothing": {[]*metric.Envelope{gauge("a", 1, "origin", "rep"), timer("http", sec, "origin", "gorouter")}, nil},
		"outdated gauges of two senders": {
			[]*metric.Envelope{
				at(10*sec, gauge("a", 1, "origin", "rep")), at(10*sec, gauge("a", 1, "origin", "bbs")),
				late(3*sec, gauge("a", 1, "origin", "rep")), late(2*sec, gauge("a", 1, "origin", "bbs")),
			},
			[]string{"outdated|a|gauge||rep|2|10s|2s|3s|" + reasonOutdated},
		},
		"by unit and kind": {
			[]*metric.Envelope{
				at(10*sec, gauge("a", 1, "origin", "rep")), at(10*sec, inMS), late(sec, gauge("a", 1, "origin", "rep")),
				at(10*sec, counter("b", 0, 5, "origin", "rep")), late(sec, counter("b", 0, 4, "origin", "rep")),
			},
			[]string{
				"outdated|a|gauge||rep|1|10s|1s|1s|" + reasonOutdated, "outdated|b|counter||rep|1|10s|1s|1s|" + reasonOutdated,
			},
		},
		"the gorouter's second timers": {
			[]*metric.Envelope{second("gorouter"), at(sec, second("gorouter__1")), timer("http", sec, "origin", "gorouter")},
			[]string{"duplicate|http|timer||gorouter|2|1s|0s|0s|" + reasonSecond},
		},
		"deltas with the same time": {
			[]*metric.Envelope{delta(sec), delta(sec), delta(sec)},
			[]string{"duplicate|d|counter||otel|2|1s|0s|0s|" + reasonSameDelta},
		},
		"one name for two reasons": {
			[]*metric.Envelope{delta(2 * sec), delta(2 * sec), delta(sec), delta(2 * sec)},
			[]string{
				"duplicate|d|counter||otel|2|2s|0s|0s|" + reasonSameDelta, "outdated|d|counter||otel|1|1s|1s|1s|" + reasonOutdated,
			},
		},
		"a histogram": {
			[]*metric.Envelope{histogram(2 * sec), histogram(sec)},
			[]string{"outdated|h|histogram||otel|1|10s|1s|1s|" + reasonOutdated},
		},
		"dropped by a rule": {
			[]*metric.Envelope{gauge("gone.x", 1, "origin", "rep"), at(sec, gauge("gone.x", 1, "origin", "rep"))},
			[]string{"dropped_by_rule|gone.x|gauge||rep|2|1s|0s|0s|" + reasonDropped},
		},
		"hostile names": {
			[]*metric.Envelope{gauge("gone.\x1b\xff", 1), gauge("gone."+strings.Repeat("x", metric.MaxNameBytes-5), 1)},
			[]string{
				"dropped_by_rule|gone.\\x1b�|gauge|||1|0s|0s|0s|" + reasonDropped,
				"dropped_by_rule|gone." + strings.Repeat("x", maxPrintable-5) + "|gauge|||1|0s|0s|0s|" + reasonDropped,
			},
		},
		"a sender that is too long to be kept": {
			[]*metric.Envelope{gauge("gone.x", 1, "origin", "rep", "t", strings.Repeat("x", maxLeftOutSender))},
			[]string{"dropped_by_rule|gone.x|gauge|||1|0s|0s|0s|" + reasonDropped},
		},
	} {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, in a batch: %v", name, together), func(t *testing.T) {
				s := testStore(t, dropping(t))
				w := s.Writer()
				var tally metric.Tally
				for _, e := range tt.sent {
					if w.Add(e, &tally); !together {
						w.Flush(&tally)
					}
				}
				w.Flush(&tally)
				if got := leftOutLines(s); !slices.Equal(got, tt.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
				}
				if err := checkCounted(s, tally); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// dropping drops the names gone.x.
func dropping(t *testing.T) func(*Settings) {
	t.Helper()
	rules, _, err := tagger.New(tagger.Options{UserRules: []tagger.Source{{
		File: "rules.yaml", Data: []byte("version: 1\nrules: [{id: gone, pattern: \"gone.{x...}\", drop: true}]\n"),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *Settings) { o.Tagger = rules }
}

// TestLeftOutIsBounded: after the first names the rest is counted together, also where an entry ends and comes back.
func TestLeftOutIsBounded(t *testing.T) {
	s := testStore(t, dropping(t), func(o *Settings) { o.MaxSeries = 10 })
	var tally metric.Tally
	w := s.Writer()
	for range 2 {
		for i := range maxLeftOut + 7 {
			w.Write(gauge(fmt.Sprint("gone.", i), 1), &tally)
		}
	}
	all := s.LeftOut()
	if len(all) != maxLeftOut+1 || all[0].RawName != "" || all[0].Count != 14 || all[1].Count != 2 {
		t.Errorf("%d, %+v", len(all), all[:2])
	}
	if err := checkCounted(s, tally); err != nil {
		t.Error(err)
	}
}

// TestLeftOutOfHandedOver: what the caller keeps back is counted as what the store leaves out.
func TestLeftOutOfHandedOver(t *testing.T) {
	s := testStore(t)
	w := s.Writer()
	w.LeaveOut(timer("x", time.Second, "origin", "rep"), metric.DroppedByRule)
	w.LeaveOut(timer("http", time.Second, "origin", "rep"), metric.Duplicate)
	w.LeaveOut(timer("http", time.Second, "origin", "rep"), metric.Stored)
	want := []string{
		"dropped_by_rule|x|timer||rep|1|0s|0s|0s|" + reasonDropped, "duplicate|http|timer||rep|1|0s|0s|0s|" + reasonSecond,
	}
	if got := leftOutLines(s); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLeftOutAllocatesNothing: samples of names that are known cost no garbage, whatever becomes of them.
func TestLeftOutAllocatesNothing(t *testing.T) {
	s := testStore(t, dropping(t))
	w := s.Writer()
	var tally metric.Tally
	w.Write(at(time.Minute, gauge("a", 1, "origin", "rep")), &tally)
	batch := []*metric.Envelope{
		gauge("a", 1, "origin", "rep"), gauge("gone.x", 1, "origin", "rep"),
		timer("http", time.Second, "origin", "gorouter", "peer_type", "Client"),
	}
	requireNoAllocations(t, w, batch, &tally)
	if tally[metric.Stored] != 1 {
		t.Error(tally)
	}
}

// TestLeftOutWhileRead: counts are complete whoever reads them meanwhile.
func TestLeftOutWhileRead(t *testing.T) {
	s := testStore(t, dropping(t))
	var tallies [4]metric.Tally
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				s.LeftOut()
			}
		}
	})
	for i := range tallies {
		writers.Go(func() {
			w := s.Writer()
			for k := range 500 {
				w.Add(gauge(fmt.Sprint("gone.", k%20), 1, "origin", fmt.Sprint(i)), &tallies[i])
				w.Add(at(time.Duration(-k)*time.Second, gauge("a", 1)), &tallies[i])
				w.Add(timer("http", time.Second, "origin", "gorouter", "peer_type", "Client"), &tallies[i])
			}
			w.Flush(&tallies[i])
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	var all metric.Tally
	for _, t := range tallies {
		for o, n := range t {
			all[o] += n
		}
	}
	if err := checkCounted(s, all); err != nil {
		t.Error(err)
	}
}
