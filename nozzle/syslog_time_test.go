package nozzle

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

// servePipe serves one connection in simulated time. closed is closed when the source has ended it.
func servePipe(t *testing.T, options SyslogOptions, test func(s *Syslog, client net.Conn, closed <-chan struct{})) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ledger, _ := newTestLedger(t)
		log, _ := newTestLog()
		options.MaxMessageBytes, options.MaxConnections = 64<<10, 1
		s, err := newSyslog(options, testEnv(ledger, func() Sink { return &nullSink{} }, log))
		if err != nil {
			t.Fatal(err)
		}
		client, server := net.Pipe()
		closed := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			s.serve(ctx, server)
			close(closed)
		}()
		test(s, client, closed)
		cancel()
		<-closed
		_ = client.Close()
	})
}

func isClosed(closed <-chan struct{}) bool {
	synctest.Wait()
	select {
	case <-closed:
		return true
	default:
		return false
	}
}

// TestSyslogIdle: a connection on which messages come more often than every two minutes stays; one on which nothing
// comes is ended soon after that.
func TestSyslogIdle(t *testing.T) {
	servePipe(t, SyslogOptions{}, func(s *Syslog, client net.Conn, closed <-chan struct{}) {
		for range 20 {
			if _, err := io.WriteString(client, framed(syslogMessage)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(119 * time.Second)
		}
		time.Sleep(time.Second)
		if isClosed(closed) {
			t.Fatal("ended too early")
		}
		time.Sleep(syslogIdleSlack)
		if !isClosed(closed) || s.account.refusals.snapshot()[reasonIdle] != 1 {
			t.Error("an idle connection stays")
		}
	})
}

// TestSyslogSlowFrame: bytes that trickle do not keep a connection.
func TestSyslogSlowFrame(t *testing.T) {
	servePipe(t, SyslogOptions{}, func(s *Syslog, client net.Conn, closed <-chan struct{}) {
		began := time.Now()
		text := framed(syslogMessage)
		for i := 0; i < len(text) && !isClosed(closed); i++ {
			_, _ = io.WriteString(client, text[i:i+1])
			time.Sleep(10 * time.Second)
		}
		if took := time.Since(began); took < syslogIdle || took > syslogIdle+3*syslogIdleSlack ||
			s.account.refusals.snapshot()[reasonCutFrame] != 1 {
			t.Errorf("ended after %s", took)
		}
	})
}

// TestSyslogHandshakeTimeout: neither a silent client nor one that stops within the handshake holds its place.
func TestSyslogHandshakeTimeout(t *testing.T) {
	ca := newAuthority(t)
	for name, text := range map[string]string{"silent": "", "within the handshake": "\x16\x03\x01\x02\x00"} {
		t.Run(name, func(t *testing.T) {
			servePipe(t, SyslogOptions{TLSConfig: ca.server(t, drainName)},
				func(s *Syslog, client net.Conn, closed <-chan struct{}) {
					if _, err := io.WriteString(client, text); err != nil {
						t.Fatal(err)
					}
					time.Sleep(syslogHandshake - time.Millisecond)
					if isClosed(closed) {
						t.Fatal("ended too early")
					}
					time.Sleep(2 * time.Millisecond)
					if !isClosed(closed) || s.account.refusals.snapshot()[reasonHandshakeTimeout] != 1 {
						t.Error("it stays")
					}
				})
		})
	}
}

// TestSyslogHandshakesAreLimited: one more than there may be waits, and gives up.
func TestSyslogHandshakesAreLimited(t *testing.T) {
	ca := newAuthority(t)
	servePipe(t, SyslogOptions{TLSConfig: ca.server(t, drainName)},
		func(s *Syslog, client net.Conn, closed <-chan struct{}) {
			for range syslogHandshakes {
				s.handshakes <- struct{}{}
			}
			if _, err := io.WriteString(client, "\x16"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(syslogHandshakeWait - time.Millisecond)
			if isClosed(closed) {
				t.Fatal("ended too early")
			}
			time.Sleep(2 * time.Millisecond)
			if !isClosed(closed) || s.account.refusals.snapshot()[reasonHandshakeTimeout] != 1 {
				t.Error("it waits for ever")
			}
		})
}

// TestSyslogIntakeAllocatesNothing: the steady state of a message, from its bytes to the metrics of the source.
func TestSyslogIntakeAllocatesNothing(t *testing.T) {
	ledger, _ := newTestLedger(t)
	log, _ := newTestLog()
	s, err := newSyslog(SyslogOptions{}, testEnv(ledger, func() Sink { return &nullSink{} }, log))
	if err != nil {
		t.Fatal(err)
	}
	messages := wiretest.SyslogMessages(t)
	in, now := s.intakes.take(), time.Now()
	buffer := make([]byte, 1024)
	if n := testing.AllocsPerRun(100, func() {
		for _, message := range messages {
			b := buffer[:copy(buffer, message)]
			if !in.Syslog(b, now) {
				t.Fatalf("%q", message)
			}
			s.metrics.note(in, now)
		}
		in.Flush(now)
		s.intakes.put(in)
		in = s.intakes.take()
	}); n != 0 {
		t.Errorf("%v allocations for %d messages", n, len(messages))
	}
	if n := s.account.received.Load(); n != uint64(101*len(messages)) {
		t.Errorf("%d messages are in the ledger", n)
	}
}

// TestSyslogRecords: a capture holds what the messages were made of, logs and events without what they say; what is
// malformed is left out, and counted.
func TestSyslogRecords(t *testing.T) {
	ledger, _ := newTestLedger(t)
	recorder := &memoryRecorder{source: nameSyslog}
	in := NewIntake(ledger.Source(nameSyslog), &nullSink{})
	in.recorder = recorder
	var want []wiretest.Plain
	for _, message := range wiretest.SyslogMessages(t) {
		plain, err := wiretest.OracleSyslog(message)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, plain)
		in.Syslog(message, time.Now())
	}
	in.Syslog([]byte("garbage"), time.Now())
	in.Syslog([]byte("<14>1 - - s [0] - [counter@47450 name=\"\xff\" total=\"1\"]"), time.Now())
	var got []wiretest.Plain
	for _, batch := range recorder.batches {
		sink := channelSink(make(chan wiretest.Plain, 1))
		replay := NewIntake(ledger.Source("replay"), sink)
		replay.V2(batch, time.Now())
		if len(sink) == 1 {
			got = append(got, <-sink)
		}
	}
	var metrics []wiretest.Plain
	for _, p := range want {
		if p.Kind != metric.KindLog && p.Kind != metric.KindEvent {
			metrics = append(metrics, p)
		}
	}
	wiretest.RequireEqual(t, "recorded", got, metrics)
	if len(recorder.batches) != len(want) || recorder.leftOut != 2 {
		t.Errorf("%d recorded, %d left out", len(recorder.batches), recorder.leftOut)
	}
}
