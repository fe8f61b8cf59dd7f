package nozzle

import (
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
func (o *outcome) Write(e *metric.Envelope, tally *metric.Tally) {
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

// hash tells envelopes apart by all that they hold but the values of gauges, whatever the order of tags and points.
func (o *outcome) hash(e *metric.Envelope) uint64 {
	hash := maphash.Comparable(o.seed, [...]uint64{uint64(e.Kind), uint64(e.Timestamp), e.Total, e.Delta, uint64(e.Start), uint64(e.Stop)})
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

// The only doppler restarts, which leaves the stream open and mute for 111 s: there is data again within the idle timeout, whatever the
// source. Heartbeats and pings are no data.
func TestSourcesOutliveAMuteDoppler(t *testing.T) {
	for _, kind := range []string{nameRLP, nameGateway, nameFirehose} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulate(t, foundation.Options{Dopplers: 1, Apps: -1, HTTPS: lively})
				o := newOutcome()
				account, stop := s.read(kind, sharded("0"), func() Sink { return o })
				pass(20 * time.Second) // too short a time to know a rate: only silence tells
				ordinary := o.gap()
				if err := s.f.RestartDoppler(0, 111*time.Second); err != nil {
					t.Fatal(err)
				}
				pass(time.Minute)
				if got := o.gap(); got > watch.DefaultIdleTimeout {
					t.Errorf("%v without data", got)
				}
				requireReasons(t, account, map[string]uint64{watch.ReasonIdle: 1})
				if !account.Up() {
					t.Error("down, with data")
				}
				stop()
				o.requireOnce(t)
				t.Logf("%v without data, %v before; %+v", o.gap(), ordinary, s.f.Lost())
			})
		})
	}
}

func requireReasons(t *testing.T, account *SourceLedger, want map[string]uint64) {
	t.Helper()
	for reason, n := range account.reasons(account.reconnects) {
		if n != want[reason] {
			t.Errorf("%d reconnects for %s, want %d", n, reason, want[reason])
		}
	}
}

// One of two dopplers restarts: the total never falls to zero, and there is a new stream within a minute. Nothing comes twice, and
// what is lost besides the doppler's data is what the old stream had on its way.
func TestSourcesOutliveAMuteDopplerOfTwo(t *testing.T) {
	for _, c := range []struct{ kind, name string }{{nameRLP, ""}, {nameRLP, "0"}, {nameGateway, "0"}, {nameFirehose, ""}} {
		t.Run(c.kind+" "+c.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { outliveOneOfTwo(t, c.kind, c.name) }) })
	}
}

func outliveOneOfTwo(t *testing.T, kind, name string) {
	t.Helper()
	s := simulate(t, foundation.Options{Dopplers: 2, Apps: -1, HTTPS: lively})
	o := newOutcome()
	account, stop := s.read(kind, sharded(name), func() Sink { return o })
	pass(2 * time.Minute) // half a minute longer than it takes to know the rate
	requireReasons(t, account, nil)
	if err := s.f.RestartDoppler(1, 111*time.Second); err != nil {
		t.Fatal(err)
	}
	began, lost := time.Now(), s.f.Lost().Nobody
	for time.Since(began) < 2*time.Minute {
		pass(time.Second)
		if now := s.f.Lost().Nobody; now != lost {
			lost = now
			continue
		}
		if account.reasons(account.reconnects)[watch.ReasonFell] > 0 {
			break
		}
	}
	took := time.Since(began)
	if took > time.Minute || lost == 0 {
		t.Errorf("the doppler's data came again after %v", took)
	}
	pass(time.Minute)
	requireReasons(t, account, map[string]uint64{watch.ReasonFell: 1})
	if gap := o.gap(); gap > time.Second {
		t.Errorf("%v without any data", gap)
	}
	flow, received := s.f.Lost(), account.received.Load() // nothing is on its way now
	stop()
	// What a second of the round had gathered within 100 ms at most.
	if flow.Full > 0 || flow.Left > 100 || flow.Nobody != lost {
		t.Errorf("%+v", flow)
	}
	sent := flow.Sent - flow.Held
	if kind == nameFirehose {
		sent = flow.Messages
	}
	if received > sent || sent-received > 100 {
		t.Errorf("%d received of %d, %+v", received, sent, flow)
	}
	o.requireOnce(t)
	t.Logf("data of the doppler again after %v; %+v, %d received", took, flow, received)
}
