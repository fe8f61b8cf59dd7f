package nozzle

import (
	"fmt"
	"hash/maphash"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/watch"
)

// outcome is what came to a sink, by whichever stream.
type outcome struct {
	mu      sync.Mutex
	last    time.Time
	longest time.Duration // without any envelope
	seed    maphash.Seed
	seen    map[uint64]struct{}
	twice   int // envelopes that came more than once
}

func newOutcome() *outcome {
	return &outcome{seed: maphash.MakeSeed(), seen: make(map[uint64]struct{})}
}

// Write implements Sink. All of a test's goroutines share it.
func (o *outcome) Add(e *metric.Envelope, tally *metric.Tally) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if !o.last.IsZero() {
		o.longest = max(o.longest, now.Sub(o.last))
	}
	o.last = now
	// No component says the same of the same moment twice.
	hash := o.hash(e)
	if _, seen := o.seen[hash]; seen {
		o.twice++
	}
	o.seen[hash] = struct{}{}
	tally[metric.Stored] += uint64(e.Samples())
}

func (*outcome) Flush(*metric.Tally) {}

// hash tells envelopes apart by all that they hold but the values of gauges, whatever the order of tags and points.
func (o *outcome) hash(e *metric.Envelope) uint64 {
	hash := maphash.Comparable(o.seed,
		[...]uint64{uint64(e.Kind), uint64(e.Timestamp), e.Total, e.Delta, uint64(e.Start), uint64(e.Stop)})
	for i, text := range [][]byte{e.SourceID, e.InstanceID, e.Name} {
		hash += maphash.Bytes(o.seed, text) * uint64(2*i+3)
	}
	for i := range e.Tags {
		hash += (maphash.Bytes(o.seed, e.Tags[i].Key) | 1) * maphash.Bytes(o.seed, e.Tags[i].Value)
	}
	for i := range e.Points {
		hash += maphash.Bytes(o.seed, e.Points[i].Name) * 11
	}
	return hash
}

func (o *outcome) gap() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.longest
}

func (o *outcome) requireOnce(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.twice > 0 || len(o.seen) < 1000 {
		t.Errorf("of %d envelopes %d came twice", len(o.seen), o.twice)
	}
}

// lively says that a source is there more often than a stream may be mute: none of that counts.
var lively = foundation.HTTPSOptions{On: true, Heartbeat: 7 * time.Second, Ping: 11 * time.Second} // constant

// maxMute is how long the data of a doppler may be missing after the doppler is back.
const maxMute = 45 * time.Second

// A doppler restarts, which leaves streams open and silent, in part or wholly. After 1.6 s away its data is back on
// the open stream 9.5 s later, and no stream is opened for that; after any longer time its data is missing for no
// more than 45 s once it is back. Nothing comes twice.
func TestSourcesOutliveADoppler(t *testing.T) {
	const short = 1600 * time.Millisecond
	const long = 161 * time.Second
	for _, c := range []struct {
		kind, name string
		dopplers   int
		aways      []time.Duration
	}{
		{nameRLP, "0", 1, []time.Duration{short, 39 * time.Second, long}},
		{nameRLP, "0", 2, []time.Duration{short, 20 * time.Second, 46 * time.Second, 10 * time.Minute}},
		{nameRLP, "0", 8, []time.Duration{short, 39 * time.Second, long}},
		{nameRLP, "", 2, []time.Duration{39 * time.Second}},
		{nameGateway, "0", 1, []time.Duration{long}},
		{nameGateway, "0", 2, []time.Duration{39 * time.Second}},
		{nameFirehose, "", 1, []time.Duration{long}},
		{nameFirehose, "", 2, []time.Duration{39 * time.Second}},
	} {
		for _, away := range c.aways {
			t.Run(fmt.Sprintf("%s %q of %d, away %v", c.kind, c.name, c.dopplers, away), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					mute := outlive(t, c.kind, c.name, c.dopplers, away, away != short)
					// Each of eight dopplers is sent something within two seconds.
					const healed = 9511 * time.Millisecond
					if away == short && (mute > healed || mute < healed-2*time.Second) || mute > maxMute {
						t.Errorf("away for %v, %v without its data after that", away, mute)
					}
				})
			})
		}
	}
}

// outlive returns how long a doppler's data was missing after the doppler was back.
func outlive(t *testing.T, kind, name string, dopplers int, away time.Duration, change bool) (mute time.Duration) {
	t.Helper()
	s := simulate(t, foundation.Options{Dopplers: dopplers, VMs: 66, Apps: -1, HTTPS: lively})
	o := newOutcome()
	account, stop := s.read(kind, sharded(name), func() Sink { return o })
	pass(150 * time.Second) // until dopplers are known: they emit each 15 s here
	requireReasons(t, account, nil)
	ordinary := s.f.Lost()
	down := time.Now()
	if err := s.f.RestartDoppler(dopplers-1, away); err != nil {
		t.Fatal(err)
	}
	pass(away)
	back := time.Now()
	for lost := s.f.Lost().Nobody; time.Since(back) < 2*time.Minute; {
		pass(20 * time.Millisecond)
		if now := s.f.Lost().Nobody; now != lost {
			lost, mute = now, time.Since(back)
		}
	}
	reasons := account.reconnects.snapshot()
	changes := reasons[watch.ReasonIdle] + reasons[watch.ReasonFell]
	if most := uint64((time.Since(down)-2*time.Minute)/(28*time.Second)) + 2; changes > most || changes > 0 && !change {
		t.Errorf("%d new streams: %v", changes, reasons)
	}
	requireReasons(t, account,
		map[string]uint64{watch.ReasonIdle: reasons[watch.ReasonIdle], watch.ReasonFell: reasons[watch.ReasonFell]})
	if !account.Up() {
		t.Error("down, with data")
	}
	stop()
	flow := s.f.Lost()
	// At each change of stream, what the RLP had gathered for the old one within 100 ms at most.
	if left := flow.Left - ordinary.Left; flow.Full > 0 || left > 100*(changes+1) {
		t.Errorf("%+v", flow)
	}
	o.requireOnce(t)
	t.Logf("%v without its data after it was back; new streams: %d idle, %d fell; %+v, %v without any data", mute,
		reasons[watch.ReasonIdle], reasons[watch.ReasonFell], flow, o.gap())
	return mute
}

func requireReasons(t *testing.T, account *SourceLedger, want map[string]uint64) {
	t.Helper()
	for reason, n := range account.reconnects.snapshot() {
		if n != want[reason] {
			t.Errorf("%d reconnects for %s, want %d", n, reason, want[reason])
		}
	}
}
