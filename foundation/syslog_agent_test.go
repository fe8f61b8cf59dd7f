package foundation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/google/go-cmp/cmp"

	"loggregator_exporter/metric"
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
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
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
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := a.Counts().Connects; n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestSyslogMessages: the messages are those of a real agent, byte for byte.
func TestSyslogMessages(t *testing.T) {
	tags := map[string]string{
		"deployment": "cf", "index": "idx-diego_cell-0", "ip": "10.0.0.6", "job": "diego_cell", "product": "Small Footprint",
	}
	with := func(change func(e *loggregator_v2.Envelope), pairs ...string) *loggregator_v2.Envelope {
		e := &loggregator_v2.Envelope{
			Timestamp:  1795000000123456789,
			SourceId:   "s",
			InstanceId: "0",
			Tags:       map[string]string{},
		}
		maps.Copy(e.Tags, tags)
		for i := 0; i < len(pairs); i += 2 {
			e.Tags[pairs[i]] = pairs[i+1]
		}
		change(e)
		return e
	}
	counter := func(name string, total, delta uint64) func(*loggregator_v2.Envelope) {
		return func(e *loggregator_v2.Envelope) {
			e.Message = &loggregator_v2.Envelope_Counter{
				Counter: &loggregator_v2.Counter{Name: name, Total: total, Delta: delta},
			}
		}
	}
	gauge := func(name, unit string, value float64) func(*loggregator_v2.Envelope) {
		return func(e *loggregator_v2.Envelope) {
			e.Message = &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
				Metrics: map[string]*loggregator_v2.GaugeValue{name: {Unit: unit, Value: value}},
			}}
		}
	}
	const (
		head = `<14>1 2026-11-18T11:06:40.123456+00:00 `
		vm   = `deployment="cf" index="idx-diego_cell-0" ip="10.0.0.6" job="diego_cell" `
		end  = `product="Small Footprint"] ` + "\n"
	)
	for _, c := range []struct {
		envelope *loggregator_v2.Envelope
		drain    Drain
		want     string // "" for nothing
	}{
		{
			with(gauge("huge", "", math.MaxFloat64), "origin", "rep"), DrainMetrics,
			"239 " + head + `- s [0] - [gauge@47450 name="huge" value="1.7976931348623157e+308" unit=""][tags@47450 ` + vm + `origin="rep" ` + end,
		},
		{
			with(gauge("name with space/slash.é\"]\\=", "uni\"t]\\é", 1), "origin", "rep"), DrainAll,
			"256 " + head + `- s [0] - [gauge@47450 name="name with space/slash.é\"\]\\=" value="1" unit="uni\"t\]\\é"][tags@47450 ` + vm +
				`origin="rep" ` + end,
		},
		{
			with(counter("max", math.MaxUint64, 1), "origin", "rep"), DrainMetrics,
			"239 " + head + `- s [0] - [counter@47450 name="max" total="18446744073709551615" delta="1"][tags@47450 ` + vm + `origin="rep" ` + end,
		},
		{with(counter("max", 1, 1)), DrainTraces, ""},
		{
			with(func(e *loggregator_v2.Envelope) {
				e.SourceId, e.InstanceId = strings.Repeat("x", 100), strings.Repeat("i", 200)
				counter("cut", 1, 1)(e)
				e.Tags = nil
			}), DrainMetrics,
			"269 " + head + `- ` + strings.Repeat("x", 48) + ` [` + strings.Repeat("i", 127) + ` - [counter@47450 name="cut" total="1" delta="1"] ` +
				"\n",
		},
		{
			with(func(e *loggregator_v2.Envelope) {
				e.Timestamp, e.SourceId, e.InstanceId, e.Tags = -1, "", "", nil
				counter("ts", 1, 1)(e)
			}), DrainMetrics,
			`95 <14>1 1969-12-31T23:59:59.999999+00:00 - - [] - [counter@47450 name="ts" total="1" delta="1"] ` + "\n",
		},
		{
			with(func(e *loggregator_v2.Envelope) {
				e.Message = &loggregator_v2.Envelope_Event{Event: &loggregator_v2.Event{Title: "ti\"tle]", Body: "bo\\dy\nline2"}}
				e.SourceId = "evsrc"
			}, "origin", "rep"), DrainAll,
			"229 " + head + `- evsrc [0] - [event@47450 title="ti\"tle\]" body="bo\\dy` + "\n" + `line2"][tags@47450 ` + vm + `origin="rep" ` + end,
		},
		{
			with(func(e *loggregator_v2.Envelope) {
				e.Message = &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{Payload: []byte("hello out")}}
				e.SourceId, e.InstanceId = "11111111-2222-3333-4444-555555555555", "1"
			}, "organization_name", "acme ünïcode.org", "space_name", "my space", "app_name", "shop", "origin", "rep",
				"source_type", "APP/PROC/WEB"), DrainAll,
			"361 " + head + `acme-ncodeorg.my-space.shop 11111111-2222-3333-4444-555555555555 [APP/PROC/WEB/1] - [tags@47450 app_name="shop" ` +
				vm + `organization_name="acme ünïcode.org" origin="rep" product="Small Footprint" source_type="APP/PROC/WEB" ` +
				`space_name="my space"] hello out` + "\n",
		},
	} {
		frames, err := SyslogMessages(c.envelope, c.drain)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := string(slices.Concat(frames...)); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

// TestSyslogMessagesOfAGauge: each metric is a message, in an order that changes.
func TestSyslogMessagesOfAGauge(t *testing.T) {
	e := &loggregator_v2.Envelope{Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
		Metrics: map[string]*loggregator_v2.GaugeValue{},
	}}}
	for i := range 5 {
		e.GetGauge().Metrics[fmt.Sprint(i)] = &loggregator_v2.GaugeValue{Value: float64(i)}
	}
	orders := map[string]bool{}
	for len(orders) < 2 { // the test's own timeout ends it
		frames, err := SyslogMessages(e, DrainMetrics)
		if err != nil || len(frames) != 5 {
			t.Fatal(len(frames), err)
		}
		orders[string(slices.Concat(frames...))] = true
	}
}

// FuzzSyslogMessages: what the agent writes is what the exporter reads.
func FuzzSyslogMessages(f *testing.F) {
	f.Add("name", "unit", "key", "value\n\"]\\", "source", "instance", int64(1795000000123456789), 1.5, uint64(7))
	f.Fuzz(
		func(t *testing.T, name, unit, key, value, source, instance string, stamp int64, number float64, total uint64) {
			e := &loggregator_v2.Envelope{
				Timestamp: stamp, SourceId: source, InstanceId: instance, Tags: map[string]string{key: value},
				Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
					Metrics: map[string]*loggregator_v2.GaugeValue{name: {Unit: unit, Value: number}},
				}},
			}
			counter := &loggregator_v2.Envelope{
				Timestamp:  stamp,
				SourceId:   source,
				InstanceId: instance,
				Tags:       map[string]string{key: value},
				Message: &loggregator_v2.Envelope_Counter{
					Counter: &loggregator_v2.Counter{Name: name, Total: total, Delta: total / 2},
				},
			}
			for _, e := range []*loggregator_v2.Envelope{e, counter} {
				frames, err := SyslogMessages(e, DrainAll)
				if err != nil {
					return // RFC 5424 cannot express it
				}
				_, message, _ := strings.Cut(string(frames[0]), " ")
				var d wire.Syslog
				var view metric.Envelope
				if !d.Decode([]byte(message), &view) {
					t.Fatalf("refused %q", message)
				}
				wantSource := strings.TrimPrefix(source, "-")
				if len(source) > 1 {
					wantSource = source[:min(len(source), 48)]
				}
				if string(view.SourceID) != wantSource || string(view.Tags[0].Key) != key || string(view.Tags[0].Value) != value {
					t.Fatalf("%q: %+v", message, view)
				}
				if micros := time.Unix(0, stamp).Truncate(time.Microsecond).UnixNano(); stamp >= 0 && view.Timestamp != micros {
					t.Fatalf("%q: %d, want %d", message, view.Timestamp, micros)
				}
				if view.Kind == metric.KindCounter {
					if string(view.Name) != name || view.Total != total || view.Delta != total/2 {
						t.Fatalf("%q: %+v", message, view)
					}
				} else if p := view.Points[0]; string(p.Name) != name || string(p.Unit) != unit ||
					math.Float64bits(p.Value) != math.Float64bits(number) && number == number {
					t.Fatalf("%q: %+v", message, view)
				}
			}
		},
	)
}
