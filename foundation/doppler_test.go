package foundation

import (
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
)

// newReaders makes readers of one shard with the same selectors; the RLP sends at once.
func newReaders(t *testing.T, f *Foundation, shard string, names ...string) []*reader {
	t.Helper()
	readers := make([]*reader, len(names))
	for i, name := range names {
		readers[i] = newReader(
			t,
			f,
			&loggregator_v2.EgressBatchRequest{
				ShardId:           shard,
				DeterministicName: name,
				Selectors:         append(everything(), logSelector(), eventSelector()),
			},
		)
	}
	return readers
}

func newReader(t *testing.T, f *Foundation, request *loggregator_v2.EgressBatchRequest) *reader {
	t.Helper()
	r, err := f.rlp.join(request)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// took returns which readers hold an envelope, and empties them.
func took(readers []*reader) []int {
	var who []int
	for i, r := range readers {
		r.mu.Lock()
		for range r.waiting {
			who = append(who, i)
		}
		r.waiting = nil
		r.mu.Unlock()
	}
	return who
}

func logOf(source string) *v2 {
	return &v2{SourceId: source, Message: &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{Payload: []byte("x")}}}
}

func timerOf(source string) *v2 {
	return &v2{SourceId: source, Message: &loggregator_v2.Envelope_Timer{Timer: &loggregator_v2.Timer{Name: "http"}}}
}

func TestShardsByNames(t *testing.T) {
	sum := func(names ...string) (h uint64) {
		for _, name := range names {
			h += crc64.Checksum([]byte(name), crc64.MakeTable(crc64.ECMA))
		}
		return h
	}
	// The check value of CRC-64/XZ, which is Go's ECMA.
	if got := sum("123456789"); got != 0x995dc9bbdf1939fa {
		t.Fatalf("checksum %x", got)
	}
	for _, c := range []struct {
		names []string
		order []int // readers by bucket
	}{
		{[]string{"0"}, []int{0}},
		{[]string{"1", "0"}, []int{1, 0}},
		{[]string{"2", "10", "1"}, []int{2, 1, 0}}, // names are text
		{[]string{"b", "", "a"}, []int{1, 2, 0}},   // who has no name is the first
		{[]string{"a", "b", "a"}, []int{0, 2, 1}},  // a name that stands twice is two buckets
	} {
		f := newFoundation(t, Options{})
		readers := newReaders(t, f, "shard", c.names...)
		n := uint64(len(c.names))
		for i := range 400 {
			name := fmt.Sprintf("metric.%d", i)
			for what, x := range map[string]struct {
				e    *v2
				hash uint64
			}{
				"counter":                      {counter("a", name, 1), sum(name)},
				"counter of another source":    {counter("b", name, 1), sum(name)},
				"gauge":                        {gauge("a", name), sum(name)},
				"gauge of several metrics":     {gauge("a", name, "cpu", "memory"), sum(name, "cpu", "memory")},
				"gauge without any metric":     {gauge("a"), 0},
				"counter named by other means": {&v2{SourceId: "x", InstanceId: "7", Message: counter("a", name, 1).Message}, sum(name)},
			} {
				f.rlp.publish(x.e)
				if got, want := took(readers), []int{c.order[x.hash%n]}; !slices.Equal(got, want) {
					t.Fatalf("%v: %s %s went to %v, want %v", c.names, what, name, got, want)
				}
			}
		}
	}
}

// What has no name of its own, and everything where no reader has a name, goes to any reader, each envelope to one.
func TestShardsByChance(t *testing.T) {
	for _, c := range []struct {
		names []string
		e     *v2
	}{
		{[]string{"0", "1"}, timerOf("a")},
		{[]string{"0", "1"}, logOf("a")},
		{[]string{"0", "1"}, &v2{SourceId: "a", Message: &loggregator_v2.Envelope_Event{Event: &loggregator_v2.Event{Title: "x"}}}},
		{[]string{"", ""}, gauge("a", "cpu")},
		{[]string{"", ""}, counter("a", "requests", 1)},
	} {
		f := newFoundation(t, Options{})
		readers := newReaders(t, f, "shard", c.names...)
		got := [2]int{}
		for range 1000 {
			f.rlp.publish(c.e)
			who := took(readers)
			if len(who) != 1 {
				t.Fatalf("went to %v", who)
			}
			got[who[0]]++
		}
		if got[0] < 400 || got[1] < 400 {
			t.Errorf("%v %v: shared as %v", c.names, c.e, got)
		}
	}
}

func TestShardGroups(t *testing.T) {
	request := func(shard, name string, selectors ...*loggregator_v2.Selector) *loggregator_v2.EgressBatchRequest {
		return &loggregator_v2.EgressBatchRequest{ShardId: shard, DeterministicName: name, Selectors: selectors}
	}
	ofSource := gaugeSelector()
	ofSource.SourceId = "a"
	for name, c := range map[string]struct {
		requests []*loggregator_v2.EgressBatchRequest
		want     int // readers that get a gauge
	}{
		"one shard":             {[]*loggregator_v2.EgressBatchRequest{request("s", "0", gaugeSelector()), request("s", "1", gaugeSelector())}, 1},
		"two shards":            {[]*loggregator_v2.EgressBatchRequest{request("s", "0", gaugeSelector()), request("t", "1", gaugeSelector())}, 2},
		"no shard":              {[]*loggregator_v2.EgressBatchRequest{request("", "0", gaugeSelector()), request("", "1", gaugeSelector())}, 2},
		"other selectors":       {[]*loggregator_v2.EgressBatchRequest{request("s", "0", gaugeSelector()), request("s", "1", ofSource)}, 2},
		"more selectors":        {[]*loggregator_v2.EgressBatchRequest{request("s", "0", gaugeSelector()), request("s", "1", gaugeSelector(), timerSelector())}, 1},
		"selectors that refuse": {[]*loggregator_v2.EgressBatchRequest{request("s", "0", gaugeSelector()), request("s", "1", timerSelector())}, 1},
	} {
		f := newFoundation(t, Options{})
		var readers []*reader
		for _, r := range c.requests {
			readers = append(readers, newReader(t, f, r))
		}
		f.rlp.publish(gauge("a", "cpu"))
		if got := took(readers); len(got) != c.want {
			t.Errorf("%s: went to %v", name, got)
		}
	}
}

// Names move when a reader comes or goes, about two in three from two readers to three, and back.
func TestShardsAreSharedAnew(t *testing.T) {
	f := newFoundation(t, Options{})
	readers := newReaders(t, f, "shard", "0", "1")
	where := func() []int {
		var at []int
		for i := range 400 {
			f.rlp.publish(counter("a", fmt.Sprintf("metric.%d", i), 1))
			at = append(at, took(readers)...)
		}
		return at
	}
	before := where()
	readers = append(readers, newReaders(t, f, "shard", "2")...)
	during := where()
	f.rlp.leave(readers[2])
	after := where()
	moved := 0
	for i := range before {
		if before[i] != during[i] {
			moved++
		}
	}
	if moved < 230 || moved > 300 {
		t.Errorf("%d of 400 names moved", moved)
	}
	if !slices.Equal(before, after) {
		t.Error("the names did not come back")
	}
}

// The receiver of single envelopes takes no notice of names.
func TestSingleEnvelopesGoByChance(t *testing.T) {
	f := newFoundation(t, Options{BatchInterval: -1})
	serve(t, f)
	for i, name := range []string{"0", "1"} {
		_, err := dial(
			t,
			f,
			f.ClientTLS(),
		).Receiver(t.Context(), &loggregator_v2.EgressRequest{ShardId: "shard", DeterministicName: name, Selectors: everything()})
		if err != nil {
			t.Fatal(err)
		}
		await(t, f, i+1)
	}
	f.rlp.mu.Lock()
	defer f.rlp.mu.Unlock()
	for _, g := range f.rlp.groups {
		if g.named || len(g.members) != 2 {
			t.Errorf("a group of %d readers, by names: %v", len(g.members), g.named)
		}
	}
}

// A doppler that was away is silent on the streams that were open until the RLP tries it again, as measured: 11 s
// after it stopped for 1.6 s, 211 s after it stopped for 161 s. A stream that is opened when it is back has its data
// at once, and all of the shard's.
func TestRestartedDopplerIsMuteOnOpenStreams(t *testing.T) {
	for _, c := range []struct{ away, mute time.Duration }{
		{time.Millisecond, time.Millisecond},
		{100 * time.Millisecond, 111 * time.Millisecond},
		{1600 * time.Millisecond, 11111 * time.Millisecond},
		{39 * time.Second, 111111 * time.Millisecond},
		{161 * time.Second, 211111 * time.Millisecond},
		{10 * time.Minute, 611111 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFoundation(t, Options{Dopplers: 2})
			readers := newReaders(t, f, "shard", "0", "1")
			if err := f.RestartDoppler(1, c.away); err != nil {
				t.Fatal(err)
			}
			counts := func(doppler int) []int {
				n := make([]int, len(readers))
				for i := range 100 {
					f.rlp.publishBy(doppler, counter("a", fmt.Sprint(i), 1))
					for _, at := range took(readers) {
						n[at]++
					}
				}
				return n
			}
			if n := counts(1); n[0]+n[1] != 100 {
				t.Errorf("away for %v: agents found no other doppler: %v", c.away, n)
			}
			<-time.After(c.away)
			readers = append(readers, newReaders(t, f, "shard", "2")...)
			want := []int{0, 0, 100}
			if c.mute == c.away {
				want = counts(0)
			}
			if n := counts(1); !slices.Equal(n, want) {
				t.Errorf("away for %v: the doppler sent %v, want %v", c.away, n, want)
			}
			if n := counts(0); n[0] == 0 || n[1] == 0 || n[2] == 0 {
				t.Errorf("the other doppler sent %v", n)
			}
			<-time.After(c.mute - c.away - time.Nanosecond)
			if n := counts(1); !slices.Equal(n, want) {
				t.Errorf("away for %v: before %v the doppler sent %v", c.away, c.mute, n)
			}
			<-time.After(time.Nanosecond)
			if n := counts(1); n[0] == 0 || n[1] == 0 || n[2] == 0 {
				t.Errorf("away for %v: after %v the doppler sent %v", c.away, c.mute, n)
			}
		})
	}
	f := newFoundation(t, Options{Dopplers: 2})
	for _, doppler := range []int{-1, 2} {
		if err := f.RestartDoppler(doppler, time.Second); err == nil || !strings.Contains(err.Error(), "no such doppler") {
			t.Errorf("doppler %d: %v", doppler, err)
		}
	}
}

// A stream that is opened while a doppler is away has a schedule of its own. With all dopplers away nothing is sent,
// and the metrics of a stopped doppler stop with it.
func TestDopplersAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFoundation(t, Options{Dopplers: 1, Now: time.Now})
		own := func() int { return sentNow(f, dopplerID) }
		if err := f.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		each := own()
		if err := f.RestartDoppler(0, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		<-time.After(15 * time.Second)
		readers := newReaders(t, f, "shard", "0")
		if err := f.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Of the three VMs only the first is one of the foundation's dopplers.
		if got := own(); each == 0 || got != each*2/3 {
			t.Errorf("%d metrics of dopplers in a round, %d without one of the three", each, got)
		}
		if flow := f.Lost(); flow.Away == 0 || flow.Sent != 0 || len(took(readers)) != 0 {
			t.Errorf("%+v", flow)
		}
		<-time.After(5 * time.Second)
		f.rlp.publish(counter("a", "x", 1))
		<-time.After(6111*time.Millisecond - time.Nanosecond)
		f.rlp.publish(counter("a", "x", 1))
		if n := len(took(readers)); n != 0 {
			t.Errorf("%d envelopes before the RLP tries again", n)
		}
		<-time.After(time.Nanosecond)
		f.rlp.publish(counter("a", "x", 1))
		if n := len(took(readers)); n != 1 {
			t.Errorf("%d envelopes after the RLP tried again", n)
		}
	})
}

// sentNow is how many metrics an origin has sent at this moment.
func sentNow(f *Foundation, origin string) (n int) {
	for _, s := range f.Sent() {
		if s.Origin == origin && s.Timestamp == time.Now().UnixNano() {
			n++
		}
	}
	return n
}

// A reader that leaves loses what was gathered for it, about a tenth of a second; nothing is lost when one comes.
func TestLossOfLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFoundation(t, Options{})
		rng := rand.New(rand.NewPCG(1, 1))
		received := make(chan int, 1_000_000)
		read := func(r *reader) {
			for {
				batch, err := r.take(t.Context())
				if err != nil {
					return
				}
				received <- len(batch)
			}
		}
		readers := newReaders(t, f, "shard", "0", "1")
		go read(readers[0])
		go read(readers[1])
		published := 0
		second := func() {
			for range 1000 + rng.IntN(100) {
				f.rlp.publish(counter("a", fmt.Sprint(published), 1))
				published++
				<-time.After(time.Millisecond)
			}
		}
		before := Flow{}
		for range 10 {
			second()
			joined := newReaders(t, f, "shard", "2")
			go read(joined[0])
			second()
			if lost := f.Lost(); lost.Left+lost.Full+lost.Nobody != before.Left {
				t.Errorf("%+v lost when a reader came", lost)
			}
			f.rlp.leave(joined[0])
			if lost := f.Lost(); lost.Left-before.Left > 100 || lost.Full+lost.Nobody > 0 {
				t.Errorf("%+v, then %+v lost when a reader left at 1000 envelopes a second", before, lost)
			}
			before = f.Lost()
		}
		if before.Left == 0 {
			t.Error("nothing was lost by leaving, ten times")
		}
	})
}

// The RLP sends 100 envelopes at once, and fewer after 100 ms.
func TestBatchesAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFoundation(t, Options{})
		r := newReaders(t, f, "", "")[0]
		for i := range 250 {
			f.rlp.publish(counter("a", "requests", uint64(i)))
		}
		began := time.Now()
		for _, want := range []struct {
			envelopes int
			after     time.Duration
		}{{100, 0}, {100, 0}, {50, 100 * time.Millisecond}} {
			batch, err := r.take(t.Context())
			if err != nil || len(batch) != want.envelopes || time.Since(began) != want.after {
				t.Errorf("%d envelopes after %v (%v), want %+v", len(batch), time.Since(began), err, want)
			}
		}
	})
}
