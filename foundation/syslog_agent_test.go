package foundation

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/google/go-cmp/cmp"

	"loggregator_exporter/nozzle/wire"
)

// drain is a receiver that keeps what each connection brought.
type drainReceiver struct {
	listener net.Listener

	mu    sync.Mutex
	conns [][]string
	ends  []error
	gate  chan struct{} // nothing is read until it is closed; nil where all is
}

func (r *drainReceiver) run() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		at := len(r.conns)
		r.conns, r.ends = append(r.conns, nil), append(r.ends, nil)
		r.mu.Unlock()
		go r.read(conn, at)
	}
}

func (r *drainReceiver) read(conn net.Conn, at int) {
	defer func() { _ = conn.Close() }()
	frames := wire.NewSyslogFrames(conn, 1<<20)
	for {
		r.mu.Lock()
		gate := r.gate
		r.mu.Unlock()
		if gate != nil {
			<-gate
		}
		message, err := frames.Next()
		r.mu.Lock()
		if err != nil {
			r.ends[at] = err
			r.mu.Unlock()
			return
		}
		r.conns[at] = append(r.conns[at], string(message))
		r.mu.Unlock()
	}
}

func (r *drainReceiver) count() (messages int, byConn []int, ends []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		messages += len(c)
		byConn = append(byConn, len(c))
	}
	return messages, byConn, slices.Clone(r.ends)
}

func counterV2(total uint64, at time.Time) *loggregator_v2.Envelope {
	return &loggregator_v2.Envelope{
		Timestamp: at.UnixNano(), SourceId: "s", InstanceId: "0",
		Message: &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{Name: "n", Delta: 1, Total: total}},
	}
}

// withSyslogAgent runs an agent in simulated time.
func withSyslogAgent(t *testing.T, o SyslogAgentOptions, test func(t *testing.T, a *SyslogAgent, r *drainReceiver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := &Memory{}
		r := &drainReceiver{listener: network.Listen()}
		go r.run()
		o.Network, o.Address = network, r.listener.Addr().String()
		a := NewSyslogAgent(o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		test(t, a, r)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = r.listener.Close()
		synctest.Wait()
	})
}

// TestSyslogAgentReplacesItsConnection: after 60 s it closes the old connection in order, and opens another one when
// it has something to send; nothing is lost.
func TestSyslogAgentReplacesItsConnection(t *testing.T) {
	withSyslogAgent(t, SyslogAgentOptions{}, func(t *testing.T, a *SyslogAgent, r *drainReceiver) {
		t.Helper()
		for i := range 130 {
			if i != 70 { // a second without anything
				a.Emit(counterV2(uint64(i), time.Now()))
			}
			time.Sleep(time.Second)
		}
		messages, byConn, ends := r.count()
		if messages != 129 || len(byConn) != 3 || a.Counts().Connects != 3 || !errors.Is(ends[0], io.EOF) ||
			!errors.Is(ends[1], io.EOF) ||
			ends[2] != nil {
			t.Errorf("%d messages by %v, ends %v", messages, byConn, ends)
		}
	})
}

// TestSyslogAgentConnectsLate: nothing to send is no connection, also after a refresh.
func TestSyslogAgentConnectsLate(t *testing.T) {
	withSyslogAgent(t, SyslogAgentOptions{}, func(t *testing.T, a *SyslogAgent, r *drainReceiver) {
		t.Helper()
		time.Sleep(5 * time.Minute)
		if a.Counts().Connects != 0 {
			t.Error("connected without data")
		}
		a.Emit(counterV2(1, time.Now()))
		time.Sleep(5 * time.Minute)
		if messages, byConn, ends := r.count(); messages != 1 || len(byConn) != 1 || !errors.Is(ends[0], io.EOF) {
			t.Errorf("%d messages by %v, ends %v", messages, byConn, ends)
		}
	})
}

// TestSyslogAgentRetries: it tries again after 1, 2, 4 .. 8,192 ms and then each 15 s, within a minute's drain.
func TestSyslogAgentRetries(t *testing.T) {
	withSyslogAgent(t, SyslogAgentOptions{Refresh: time.Hour}, func(t *testing.T, a *SyslogAgent, r *drainReceiver) {
		t.Helper()
		_ = r.listener.Close()
		began := time.Now()
		a.Emit(counterV2(1, began))
		var at []time.Duration
		for time.Since(began) < time.Minute {
			if n := a.Counts().Failures; int(n) > len(at) {
				at = append(at, time.Since(began))
			}
			time.Sleep(100 * time.Microsecond)
			synctest.Wait()
		}
		var waits []time.Duration
		for i := range at[1:] {
			waits = append(waits, (at[i+1] - at[i]).Round(time.Millisecond))
		}
		want := []time.Duration{}
		for d := time.Millisecond; d < 10*time.Second; d *= 2 {
			want = append(want, d)
		}
		want = append(want, 15*time.Second, 15*time.Second)
		if diff := cmp.Diff(want, waits); diff != "" {
			t.Error(diff)
		}
	})
}

// TestSyslogAgentLosesSilently: of a receiver that is away for longer than a drain lives nothing is kept, and
// nothing is counted as dropped; after a short time all that waited comes, in order.
func TestSyslogAgentLosesSilently(t *testing.T) {
	withSyslogAgent(t, SyslogAgentOptions{}, func(t *testing.T, a *SyslogAgent, r *drainReceiver) {
		t.Helper()
		address := r.listener.Addr().String()
		emit := func(seconds int) {
			for range seconds * 10 {
				a.Emit(counterV2(1, time.Now()))
				time.Sleep(100 * time.Millisecond)
			}
		}
		emit(10)
		before, _, _ := r.count()
		if before != 100 {
			t.Fatalf("%d messages", before)
		}
		_ = r.listener.Close()
		time.Sleep(51 * time.Second) // the connection is replaced
		emit(178)
		r.listener = a.options.Network.ListenAgain(address)
		go r.run()
		time.Sleep(2 * time.Second) // the third drain ends
		if n, _, _ := r.count(); n != before || a.Counts().Dropped != 0 {
			t.Errorf("%d messages came, %d dropped", n-before, a.Counts().Dropped)
		}
		emit(10)
		if n, _, _ := r.count(); n != before+100 {
			t.Errorf("%d messages came afterwards", n-before)
		}
	})
}

// TestSyslogAgentFloods: a receiver that stalls makes the agent drop its buffer as a block, and give up connections,
// each of which has old data and ends within a message; all of them are there at once when the receiver goes on.
func TestSyslogAgentFloods(t *testing.T) {
	withSyslogAgent(t, SyslogAgentOptions{}, func(t *testing.T, a *SyslogAgent, r *drainReceiver) {
		t.Helper()
		emit := func(seconds int) {
			for range seconds * 500 {
				e := counterV2(1, time.Now())
				e.Tags = map[string]string{"padding": strings.Repeat("x", 2000)}
				a.Emit(e)
				time.Sleep(2 * time.Millisecond)
			}
		}
		emit(1)
		gate := make(chan struct{})
		r.mu.Lock()
		r.gate = gate
		r.mu.Unlock()
		emit(120)
		if n := a.Counts().Dropped; n == 0 || n%10_000 != 0 {
			t.Errorf("%d dropped", n)
		}
		close(gate)
		emit(1)
		time.Sleep(20 * time.Second)
		messages, byConn, ends := r.count()
		cut := 0
		for _, err := range ends {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				cut++
			}
		}
		if len(byConn) < 5 || cut < 4 || messages > 40_000 || messages < 1000 {
			t.Errorf("%d messages by %v, %d cut off", messages, byConn, cut)
		}
		if newest := r.conns[len(r.conns)-1]; len(newest) == 0 {
			t.Error("nothing came by the newest connection")
		}
	})
}

// TestSyslogAgentHeldUp: an envelope that is no message holds up the drain until it is replaced, and what waited is
// lost.
func TestSyslogAgentHeldUp(t *testing.T) {
	withSyslogAgent(t, SyslogAgentOptions{}, func(t *testing.T, a *SyslogAgent, r *drainReceiver) {
		t.Helper()
		bad := counterV2(1, time.Now())
		bad.Tags = map[string]string{"a space": "x"}
		a.Emit(counterV2(1, time.Now()))
		a.Emit(bad)
		for range 500 {
			a.Emit(counterV2(1, time.Now()))
		}
		time.Sleep(61 * time.Second)
		a.Emit(counterV2(2, time.Now()))
		time.Sleep(time.Second)
		if messages, byConn, _ := r.count(); messages != 2 || len(byConn) != 2 || a.Counts().Dropped != 0 {
			t.Errorf("%d messages by %v: %+v", messages, byConn, a.Counts())
		}
	})
}

// TestSyslogAgentIgnoresHalfClose: it does not read, and so does not see that the receiver has ended its side.
func TestSyslogAgentIgnoresHalfClose(t *testing.T) {
	listener := listenLocally(t)
	defer func() { _ = listener.Close() }()
	a := NewSyslogAgent(SyslogAgentOptions{Address: listener.Addr().String()})
	runInBackground(t, a.Run)
	a.Emit(counterV2(1, time.Now()))
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	frames := wire.NewSyslogFrames(conn, 1000)
	for i := range 10 {
		if _, err := frames.Next(); err != nil {
			t.Fatal(i, err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); i == 0 && err != nil {
			t.Fatal(err)
		}
		a.Emit(counterV2(1, time.Now()))
	}
	if n := a.Counts().Connects; n != 1 {
		t.Errorf("%d connections", n)
	}
}
