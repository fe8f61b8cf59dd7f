package watch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

// fakeStream is one stream of a test: what its reader does is told by the test.
type fakeStream struct {
	ctx  context.Context //nolint:containedctx // it is what the test looks at
	p    *Pulse
	send chan int      // envelopes of a message; closed: the stream ends
	hold chan struct{} // where not nil, a message is taken when it is closed
}

// testAccount is an account that a test reads.
type testAccount struct {
	Liveness

	mu         sync.Mutex
	reconnects map[string]uint64 // by reason
}

func (a *testAccount) Failed(Failure) {}

func (a *testAccount) Reconnecting(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reconnects[reason]++
}

// fakeStreams are those that a keeper opened.
type fakeStreams struct {
	t       *testing.T
	account *testAccount
	opened  chan *fakeStream
	refuse  atomic.Bool   // do not open
	retry   chan struct{} // of refusals
	stop    func() time.Duration
}

var errRefused = errors.New("refused")

// keep runs a keeper in a bubble of synctest.
func keep(t *testing.T, share bool) *fakeStreams {
	t.Helper()
	f := &fakeStreams{}
	f.start(t, share)
	return f
}

func (f *fakeStreams) start(t *testing.T, share bool) {
	t.Helper()
	f.t, f.account, f.opened = t, &testAccount{reconnects: map[string]uint64{}}, make(chan *fakeStream, 100)
	k := &Keeper{
		Account: f.account, Log: slog.New(slog.DiscardHandler),
		Share: share, Read: f.read,
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { k.Run(ctx); close(done) }()
	f.stop = func() time.Duration {
		began := time.Now()
		cancel()
		<-done
		return time.Since(began)
	}
	synctest.Wait()
}

func (f *fakeStreams) read(ctx context.Context, p *Pulse) Failure {
	s := &fakeStream{ctx: ctx, p: p, send: make(chan int)}
	f.opened <- s
	if f.refuse.Load() {
		return Failure{Reason: ReasonUnreachable, Err: errRefused, Retry: f.retry}
	}
	p.Opened()
	for !p.Leave() {
		select {
		case <-ctx.Done():
			return Failure{Reason: ReasonLost, Err: context.Cause(ctx)}
		case n, ok := <-s.send:
			if !ok {
				return Failure{Reason: ReasonEnded, Err: errRefused}
			}
			p.Begin()
			if s.hold != nil {
				<-s.hold
			}
			f.account.Heard(time.Now().UnixNano())
			p.Took(uint64(n), time.Now().UnixNano())
		}
	}
	return Failure{}
}

// next returns a stream that the keeper has opened, or nil.
func (f *fakeStreams) next() *fakeStream {
	synctest.Wait()
	select {
	case s := <-f.opened:
		return s
	default:
		return nil
	}
}

func (s *fakeStream) closed() bool { return s.ctx.Err() != nil }

// pass lets time pass, and all that follows from it happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (f *fakeStreams) requireReasons(want map[string]uint64) {
	f.t.Helper()
	f.account.mu.Lock()
	defer f.account.mu.Unlock()
	wiretest.RequireEqual(f.t, "reconnects", f.account.reconnects, want)
}

// Readers ask for the checks of a stream that brings much. Once it is mute the keeper goes on alone, as exactly.
func TestKeeperReplacesABusyStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := keep(t, false)
		s := f.next()
		for range 600 {
			s.send <- 50
			pass(100 * time.Millisecond)
		}
		began := time.Now()
		<-f.opened
		if silent := time.Since(began); silent > DefaultIdleTimeout || silent < DefaultIdleTimeout-3*time.Second {
			t.Errorf("replaced after %v", silent)
		}
		f.stop()
		f.requireReasons(map[string]uint64{ReasonIdle: 1})
	})
}

// Where the whole process was stopped for minutes, nothing says that its streams were silent.
func TestKeeperAfterAStop(t *testing.T) {
	s := &stream{connected: true}
	r := &run{
		Keeper: &Keeper{Account: &testAccount{}, Idle: time.Minute}, streams: []*stream{s}, dopplers: newDopplers(),
		checked: time.Now().Add(-time.Hour),
	}
	r.check(t.Context(), false)
	if s.silent != checks(firstAlone) || time.Since(r.checked) > time.Minute {
		t.Errorf("silent for %d intervals", s.silent)
	}
}

// A stream that goes mute is replaced within the idle timeout, and closed once an envelope came by the new one.
func TestKeeperReplacesAnIdleStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := keep(t, true)
		first := f.next()
		first.send <- 1
		began := time.Now()
		second := <-f.opened
		if silent := time.Since(began); silent > DefaultIdleTimeout || silent < DefaultIdleTimeout-3*time.Second {
			t.Errorf("a new stream after %v of silence", silent)
		}
		f.requireReasons(map[string]uint64{ReasonIdle: 1})
		if pass(time.Second); first.closed() || second.closed() || !f.account.Up() {
			t.Error("not both streams are open")
		}
		second.send <- 1
		if pass(leaveTimeout); !first.closed() || second.closed() || !f.account.Up() {
			t.Error("the old stream is open, or the new one is not")
		}
		// Nothing comes by the new one either: it is replaced in turn, and no sooner.
		began = time.Now()
		third := <-f.opened
		if silent := time.Since(began); silent < DefaultIdleTimeout-3*time.Second {
			t.Errorf("another one after %v", silent)
		}
		// The old one does not wait for ever for an envelope by the new one.
		if pass(overlapTimeout + 2*time.Second); !second.closed() || third.closed() {
			t.Error("the old stream is open, or the new one is not")
		}
		f.requireReasons(map[string]uint64{ReasonIdle: 2})
		if took := f.stop(); took > leaveTimeout {
			t.Errorf("stopping took %v", took)
		}
	})
}

// Without a shard two streams bring everything twice: the old one goes first.
func TestKeeperWithoutAShardClosesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := keep(t, false)
		first := f.next()
		second := <-f.opened
		if !first.closed() {
			t.Error("both streams are open")
		}
		second.send <- 1
		f.stop()
	})
}

// A new stream that cannot be opened costs nothing of the old one, and is tried again.
func TestKeeperKeepsTheOldStreamWhileThereIsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := keep(t, true)
		first := f.next()
		f.refuse.Store(true)
		tries := 0
		for began := time.Now(); time.Since(began) < 3*time.Minute; {
			<-f.opened
			tries++
		}
		if tries < 5 || tries > 20 || first.closed() {
			t.Errorf("%d tries in three minutes, the old stream closed: %v", tries, first.closed())
		}
		f.refuse.Store(false)
		next := <-f.opened
		next.send <- 1
		if pass(leaveTimeout); !first.closed() {
			t.Error("the old stream is open")
		}
		f.stop()
	})
}

// speak says what a doppler says of itself.
func (s *fakeStream) speak(doppler string, tags ...string) {
	s.p.Note(dopplerMetric("loggregator.doppler", "doppler", doppler))
	for _, job := range tags {
		s.p.Note(dopplerMetric("system_metrics_agent", job, doppler))
	}
	s.send <- 1
}

func dopplerMetric(origin, job, index string) *metric.Envelope {
	e := &metric.Envelope{Kind: metric.KindCounter, Name: []byte("dropped")}
	for _, tag := range [][2]string{{"origin", origin}, {"job", job}, {"index", index}} {
		e.AddTag([]byte(tag[0]), []byte(tag[1]))
	}
	return e
}

// A doppler that falls silent costs a new stream after 35 s, and one each 35 s until it is back, and one then, at
// once, unless that of late will have its data by itself.
func TestKeeperReplacesAStreamThatLacksADoppler(t *testing.T) {
	const each = 5 * time.Second
	for _, c := range []struct {
		away   time.Duration
		opened []time.Duration // since the doppler's last metric
	}{
		{20 * time.Second, nil},
		{30 * time.Second, nil},
		{40 * time.Second, []time.Duration{35 * time.Second}},
		{50 * time.Second, []time.Duration{35 * time.Second, 50 * time.Second}},
		{2 * time.Minute, []time.Duration{35 * time.Second, 70 * time.Second, 105 * time.Second, 2 * time.Minute}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := keep(t, true)
			defer f.stop()
			current := f.next()
			var opened []time.Duration
			began := time.Now()
			step := func(dopplers ...string) {
				for range int(each / time.Second) {
					pass(time.Second)
					if s := f.next(); s != nil {
						opened = append(opened, time.Since(began).Round(time.Second))
						current = s
					}
					current.send <- 1
				}
				for _, d := range dopplers {
					current.speak(d)
				}
			}
			for range 100 {
				step("1", "2")
			}
			if opened != nil {
				t.Fatalf("new streams while all is well, after %v", opened)
			}
			began = time.Now()
			for time.Since(began) < c.away-each {
				step("1")
			}
			for range 60 {
				step("1", "2")
			}
			if len(opened) != len(c.opened) {
				t.Fatalf("away for %v: streams after %v, want %v", c.away, opened, c.opened)
			}
			for i, at := range c.opened {
				// Looks are a second apart.
				if d := opened[i] - at; d < 0 || d > 2*time.Second {
					t.Errorf("away for %v: streams after %v, want %v", c.away, opened, c.opened)
				}
			}
			if reasons := map[string]uint64{ReasonFell: uint64(len(opened))}; len(opened) > 0 {
				f.requireReasons(reasons)
			}
		})
	}
}

// A sink that does not return: the stream is closed within the limit, and opened again once the sink is back.
func TestKeeperClosesAStalledStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := keep(t, true)
		stream := f.next()
		stream.hold = make(chan struct{})
		stream.send <- 1
		began := time.Now()
		<-stream.ctx.Done()
		if stalled := time.Since(began); stalled < stallTimeout || stalled > stallTimeout+2*time.Second {
			t.Errorf("closed after %v", stalled)
		}
		if pass(0); f.account.Up() {
			t.Error("stalled, and up")
		}
		pass(time.Minute)
		if f.next() != nil {
			t.Error("a new stream for a sink that is stuck")
		}
		close(stream.hold)
		next := <-f.opened
		next.send <- 1
		f.requireReasons(map[string]uint64{ReasonStalled: 1})
		f.stop()
	})
}

// A source that never gets a stream does not spin, and one whose stream ends is back soon.
func TestKeeperBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := keep(t, true)
		f.refuse.Store(true)
		stream := f.next()
		close(stream.send)
		tries := 0
		for began := time.Now(); time.Since(began) < 10*time.Minute; tries++ {
			<-f.opened
		}
		if tries < 15 || tries > 45 || f.account.Up() {
			t.Errorf("%d tries in ten minutes, up %v", tries, f.account.Up())
		}
		f.refuse.Store(false)
		stream = <-f.opened
		for range 5 {
			stream.send <- 1
			close(stream.send)
			began := time.Now()
			stream = <-f.opened
			if after := time.Since(began); after > retryFirst {
				t.Errorf("back after %v", after)
			}
		}
		f.stop()
	})
}

// A failure may say when another attempt is worth while: that comes at once, in place of the one after the pause.
func TestKeeperRetriesEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStreams{retry: make(chan struct{})}
		f.start(t, true)
		defer f.stop()
		f.refuse.Store(true)
		close(f.next().send)
		for range 10 {
			<-f.opened
		}
		// The pause is 15 s at least.
		pass(10 * time.Second)
		if f.next() != nil {
			t.Fatal("an attempt without a reason")
		}
		f.refuse.Store(false)
		close(f.retry)
		stream := f.next()
		if stream == nil {
			t.Fatal("no attempt at once")
		}
		stream.send <- 1
		pass(15 * time.Second)
		if f.next() != nil {
			t.Error("the pause went on beside the new stream")
		}
	})
}

// Up tells the truth within five seconds where data is steady, and does not flap where it is not.
func TestUpTellsTheTruth(t *testing.T) {
	for name, c := range map[string]struct{ each, ordinary, down time.Duration }{
		"steady": {each: 100 * time.Millisecond, ordinary: 4 * time.Second, down: 5 * time.Second},
		"sparse": {each: 7 * time.Second, ordinary: 14 * time.Second, down: 17 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := keep(t, true)
				stream := f.next()
				for began := time.Now(); time.Since(began) < 5*time.Minute; {
					pass(c.each)
					if !f.account.Up() {
						t.Fatal("down while data comes")
					}
					stream.send <- 1
				}
				synctest.Wait()
				if pass(c.ordinary); !f.account.Up() {
					t.Errorf("down after %v", c.ordinary)
				}
				if pass(c.down - c.ordinary + time.Millisecond); f.account.Up() {
					t.Errorf("up after %v of silence", c.down)
				}
				stream.send <- 1
				if synctest.Wait(); !f.account.Up() {
					t.Error("down although an envelope came")
				}
				f.stop()
			})
		})
	}
}

// What is left of a stream that is stopped ends at its next message, or soon.
func TestKeeperStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := keep(t, true)
		stream := f.next()
		go func() {
			<-time.After(40 * time.Millisecond)
			stream.send <- 1
		}()
		if took := f.stop(); took != 40*time.Millisecond {
			t.Errorf("stopping took %v, the next message came after 40 ms", took)
		}
		f = keep(t, true)
		if f.next(); f.stop() != leaveTimeout {
			t.Error("a mute stream is not closed when due")
		}
	})
}
