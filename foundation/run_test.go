package foundation

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/conversion"
	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/metric"
)

// datagramReader collects datagrams.
type datagramReader struct {
	t        *testing.T
	address  string
	received chan []byte
	mu       sync.Mutex
	change   sync.Cond
	count    int
}

func listenUDP(t *testing.T) *datagramReader {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &datagramReader{t: t, address: conn.LocalAddr().String(), received: make(chan []byte, 100_000)}
	r.change.L = &r.mu
	var done sync.WaitGroup
	done.Go(func() {
		buffer := make([]byte, 1<<16)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			r.received <- append([]byte(nil), buffer[:n]...)
			r.mu.Lock()
			r.count++
			r.mu.Unlock()
			r.change.Broadcast()
		}
	})
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		done.Wait()
	})
	return r
}

// pace waits until all that was sent is here, however busy the machine: the kernel then has no reason to drop any.
func (r *datagramReader) pace(_ context.Context, sent int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.count < sent {
		r.change.Wait()
	}
	return nil
}

// take returns the next datagrams.
func (r *datagramReader) take(count int) [][]byte {
	r.t.Helper()
	datagrams := make([][]byte, count)
	for i := range datagrams {
		datagrams[i] = next(r.t, r.received)
	}
	return datagrams
}

// What sonde-go reads from the datagrams must be what the foundation says that it sent.
func TestDatagramsAreDropsonde(t *testing.T) {
	r := listenUDP(t)
	f := newFoundation(t, Options{UDPAddress: r.address, Pace: r.pace, RequestsPerSecond: 10})
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := f.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	types := make(map[events.Envelope_EventType]int)
	gauges := make(map[[3]string]float64)
	counters := make(map[[3]string]uint64)
	timers := 0
	for _, datagram := range r.take(f.udp.sent) {
		var e events.Envelope
		if err := proto.Unmarshal(datagram, &e); err != nil {
			t.Fatal(err)
		}
		types[e.GetEventType()]++
		v2 := conversion.ToV2(&e, true)
		key := [3]string{e.GetOrigin(), e.GetIndex()}
		switch e.GetEventType() {
		case events.Envelope_CounterEvent:
			key[2] = e.GetCounterEvent().GetName()
			counters[key] += e.GetCounterEvent().GetDelta()
			if e.GetCounterEvent().Total != nil {
				t.Errorf("a total by UDP: %v", &e)
			}
		case events.Envelope_HttpStartStop:
			timers++
		default:
			for name, value := range v2.GetGauge().GetMetrics() {
				key[2] = v2.GetInstanceId() + v2.GetSourceId() + name
				if e.GetEventType() == events.Envelope_ValueMetric {
					key[2] = name
				}
				gauges[key] = value.GetValue()
			}
		}
	}
	for _, kind := range []events.Envelope_EventType{
		events.Envelope_ValueMetric, events.Envelope_CounterEvent, events.Envelope_ContainerMetric, events.Envelope_HttpStartStop,
	} {
		if types[kind] == 0 {
			t.Errorf("no %v among %v", kind, types)
		}
	}
	for _, s := range f.Sent() {
		key := [3]string{s.Origin, s.Tags["index"], s.Name}
		if s.Path != UDP {
			continue
		}
		switch s.Kind { //nolint:exhaustive // the others are checked where they are made
		case metric.KindCounter:
			if counters[key] != s.Total {
				t.Errorf("%v: %d by datagrams, %d sent", key, counters[key], s.Total)
			}
		case metric.KindGauge:
			if s.SourceID != s.Origin {
				key[2] = s.InstanceID + s.SourceID + s.Name
			}
			if got, ok := gauges[key]; !ok || got != s.Value {
				t.Errorf("%v: %v by datagrams, %v sent", key, got, s.Value)
			}
		case metric.KindTimer:
			timers -= int(s.Count)
		}
	}
	if timers != 0 {
		t.Errorf("%d more requests by datagrams than sent", timers)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

// A component goes on when nobody listens; the kernel then answers the next datagram with an error.
func TestMissingUDPReaderIsNoError(t *testing.T) {
	f := newFoundation(t, Options{UDPAddress: "127.0.0.1:1"}) // which no kernel gives to anybody who asks for any port
	if err := f.Round(t.Context()); err == nil {
		t.Error("a round before Listen")
	}
	if err := f.Serve(t.Context()); err == nil {
		t.Error("Serve before Listen")
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err == nil {
		t.Error("Listen worked twice")
	}
	if err := f.Round(t.Context()); err != nil {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Round(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("a round without time: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	bad := newFoundation(t, Options{UDPAddress: "nowhere"})
	if err := bad.Listen(); err == nil || bad.RLPAddress() != "" {
		t.Errorf("Listen with a bad address: %v, %q", err, bad.RLPAddress())
	}
}

// oldest and newest are the times of the last envelopes of all metrics, counted from the start.
func span(f *Foundation, start time.Time) (oldest, newest time.Duration) {
	oldest = 1 << 62
	for _, s := range f.Sent() {
		at := time.Unix(0, s.Timestamp).Sub(start)
		oldest, newest = min(oldest, at), max(newest, at)
	}
	return oldest, newest
}

func TestEveryVMEmitsOncePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFoundation(t, Options{Now: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- f.emit(ctx) }()
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		synctest.Wait()
		if oldest, newest := span(f, start); oldest != 0 || newest != 0 || len(f.Sent()) < 2000 {
			t.Errorf("the first round: %d metrics from %v to %v", len(f.Sent()), oldest, newest)
		}
		pass(7500*time.Millisecond + 1)
		if oldest, newest := span(f, start); oldest != 0 || newest != 7500*time.Millisecond {
			t.Errorf("half an interval later: from %v to %v", oldest, newest)
		}
		pass(7500 * time.Millisecond)
		if oldest, newest := span(f, start); oldest != 250*time.Millisecond || newest != 15*time.Second {
			t.Errorf("an interval later: from %v to %v", oldest, newest)
		}
		// The first reader is greeted with a round, the next one is not.
		var readers []*reader
		for _, want := range []time.Duration{15*time.Second + 1, 15*time.Second + 1} {
			reader, err := f.rlp.join(
				&loggregator_v2.EgressBatchRequest{Selectors: []*loggregator_v2.Selector{gaugeSelector()}},
			)
			if err != nil {
				t.Fatal(err)
			}
			readers = append(readers, reader)
			synctest.Wait()
			if oldest, newest := span(f, start); oldest != want || newest != want {
				t.Errorf("with reader %d: from %v to %v, want %v", len(readers), oldest, newest, want)
			}
		}
		for _, reader := range readers {
			f.rlp.leave(reader)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The demo learns the exporter's UDP address only after the foundation is made, and starts scraping once a round was
// read.
func TestAddressOfDatagramsMayComeLate(t *testing.T) {
	r := listenUDP(t)
	f := newFoundation(t, Options{UDP: true, Pace: r.pace})
	if err := f.Round(t.Context()); err == nil {
		t.Error("a round without an address")
	}
	if err := f.SendTo(r.address); err != nil {
		t.Fatal(err)
	}
	if err := f.SendTo(r.address); err == nil {
		t.Error("SendTo worked twice")
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	subscribe(t, f, &loggregator_v2.EgressBatchRequest{Selectors: everything()})
	if err := f.AwaitRound(ctx); err != nil {
		t.Errorf("no round was read: %v", err)
	}
	r.take(1000)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := newFoundation(t, Options{}).AwaitRound(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("awaited a round that nobody emits: %v", err)
	}
	if err := newFoundation(t, Options{}).SendTo(r.address); err == nil {
		t.Error("SendTo without Options.UDP")
	}
}
