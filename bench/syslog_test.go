package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/rfc5424"
	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/nozzle/wire"
)

const syslogEnv = "BENCH_SYSLOG_CERTIFICATE" // set in the process that plays a syslog agent: its certificate's file

// syslogFrames is the workload of BenchmarkStream as syslog agents send it.
func syslogFrames(series int) ([][]byte, error) {
	batches, err := taggedBatches(series)
	if err != nil {
		return nil, err
	}
	frames := make([][]byte, 0, series)
	for _, bytes := range batches {
		var batch loggregator_v2.EnvelopeBatch
		if err := proto.Unmarshal(bytes, &batch); err != nil {
			return nil, err
		}
		for _, e := range batch.Batch {
			of, err := foundation.SyslogMessages(e, foundation.DrainMetrics)
			if err != nil {
				return nil, err
			}
			frames = append(frames, of...)
		}
	}
	return frames, nil
}

// queuedConn gathers 64 KiB before it writes, unless a client awaits an answer.
type queuedConn struct {
	net.Conn
	writer *bufio.Writer
}

func (c queuedConn) Write(b []byte) (int, error) { return c.writer.Write(b) }

func (c queuedConn) Read(b []byte) (int, error) {
	if err := c.writer.Flush(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// sendAsSyslogAgent plays syslog agents in a process of its own: each sends one message after the other, each in its
// own record of TLS, until the drain goes away. Where they have no pace there is one, and the records queue up, as they
// do in the sockets of a drain that has as much to do as it can: one that has not waits for each, which costs it more
// than the message.
func sendAsSyslogAgent(file string) error {
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	frames, err := syslogFrames(seriesToSend())
	if err != nil {
		return err
	}
	afterParent(func() { os.Exit(0) })
	agents := newPacer(1).agents()
	var group errgroup.Group
	for agent := range agents {
		group.Go(func() error {
			return beSyslogAgent(config, frames[agent*len(frames)/agents:(agent+1)*len(frames)/agents], newPacer(agents))
		})
	}
	return group.Wait()
}

// beSyslogAgent sends frames in cycles.
func beSyslogAgent(config *tls.Config, frames [][]byte, p *pacer) error {
	raw, err := net.Dial("tcp", os.Getenv(addressEnv))
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	under := raw
	if p.rate == 0 {
		under = queuedConn{raw, bufio.NewWriterSize(raw, 64<<10)}
	}
	conn := tls.Client(under, config)
	if err := conn.Handshake(); err != nil {
		return err
	}
	for sent := 0; ; sent++ {
		if sent%p.burst == 0 {
			p.wait(p.burst)
		}
		if _, err := conn.Write(frames[sent%len(frames)]); err != nil {
			return nil // the drain has enough
		}
	}
}

// BenchmarkSyslog takes the workload from a syslog agent by TLS, a message a record: the floor splits frames, read
// ahead by 16 KiB, the second floor also walks the messages, and the exporter takes everything into its store. rlp
// is BenchmarkStream's figure for the same series in the same run.
func BenchmarkSyslog(b *testing.B) {
	b.Run("floor=split", syslogFloor)
	b.Run("floor=walk", func(b *testing.B) { drain(b, nil) })
	b.Run("exporter", func(b *testing.B) {
		s := newStore(b, streamOf)
		drain(b, s.Writer())
		if got := s.Stats().Series; got != streamOf {
			b.Fatalf("%d series, want %d", got, streamOf)
		}
	})
	address, config := startRLP(b)
	b.Run("rlp", func(b *testing.B) {
		run(b, address, config, newStore(b, streamOf).Writer())
	})
}

func drain(b *testing.B, to nozzle.Sink) {
	b.Helper()
	measureSender(b, to, syslogEnv, func(config *tls.Config) nozzle.Options { return drainOptions(config, 10) })
}

func drainOptions(config *tls.Config, connections int) nozzle.Options {
	return nozzle.Options{Syslog: nozzle.SyslogOptions{
		Enabled: true, ListenAddress: "127.0.0.1:0", TLSConfig: config, MaxMessageBytes: 64 << 10,
		MaxConnections: connections,
	}}
}

// bufferedConn reads ahead.
type bufferedConn struct {
	net.Conn
	reader *bufio.Reader
}

func (c bufferedConn) Read(b []byte) (int, error) { return c.reader.Read(b) }

// syslogFloor is a drain that does nothing with the messages.
func syslogFloor(b *testing.B) {
	file, config := newCertificate(b)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	startSender(b, syslogEnv, file, listener.Addr().String())
	raw, err := listener.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	frames := wire.NewSyslogFrames(tls.Server(bufferedConn{raw, bufio.NewReaderSize(raw, 16<<10)}, config), 64<<10)
	receiveOnly(b, 1, func() error { _, err := frames.Next(); return err })
}

// BenchmarkSyslogMessage reads messages that are there already: by the exporter's walker, and by the library of Cloud
// Foundry, by which Log Cache reads them.
func BenchmarkSyslogMessage(b *testing.B) {
	frames, err := syslogFrames(10_000)
	if err != nil {
		b.Fatal(err)
	}
	for i, frame := range frames {
		_, frames[i], _ = bytes.Cut(frame, []byte(" "))
	}
	b.Run("exporter", func(b *testing.B) {
		var d wire.Syslog
		var view metric.Envelope
		b.ReportAllocs()
		for n := range b.N {
			if !d.Decode(frames[n%len(frames)], &view) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("peer=rfc5424", func(b *testing.B) {
		b.ReportAllocs()
		for n := range b.N {
			var m rfc5424.Message
			if err := m.UnmarshalBinary(frames[n%len(frames)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSyslogIdle shows what an idle connection with TLS takes, buffers of the kernel not counted: after one
// message, after one of 60 KiB, and where as many are open as are accepted unless configured.
func BenchmarkSyslogIdle(b *testing.B) {
	for _, c := range []struct{ connections, size int }{{1000, 300}, {1000, 60 << 10}, {10_000, 300}} {
		connections, size := c.connections, c.size
		b.Run(fmt.Sprintf("connections=%d/message=%d", connections, size), func(b *testing.B) {
			file, config := newCertificate(b)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			sink := &countingSink{got: make(chan struct{}, connections)}
			source := newSource(b, drainOptions(config, connections), newEnv(b, func() nozzle.Sink { return sink }))
			b.Setenv(holdSizesEnv, fmt.Sprint(connections, " ", size))
			var before float64
			done := runSource(ctx, b, source, func(address string) {
				before = settled()
				startSender(b, holdEnv, file, address)
			})
			for range connections {
				<-sink.got
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric((settled()-before)/float64(connections)/1024, "KiB/connection")
			cancel()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// settled is the memory of heap and stacks after garbage collections, which shrink stacks, too.
func settled() float64 {
	heap := liveHeap()
	return heap + stacks()
}

type countingSink struct{ got chan struct{} }

func (s *countingSink) Add(e *metric.Envelope, tally *metric.Tally) {
	tally[metric.Stored] += uint64(e.Samples())
	s.got <- struct{}{}
}

func (s *countingSink) Flush(*metric.Tally) {}

const (
	holdEnv      = "BENCH_HOLD_CERTIFICATE" // set in the process that holds connections: its certificate's file
	holdSizesEnv = "BENCH_HOLD"             // the number of connections to hold, and the bytes of a message on each
)

// holdAsSyslogAgent opens connections, sends a message on each, and holds them until its parent ends.
func holdAsSyslogAgent(file string) error {
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	var connections, size int
	if _, err := fmt.Sscan(os.Getenv(holdSizesEnv), &connections, &size); err != nil {
		return err
	}
	message := `<14>1 - - s [0] - [gauge@47450 name="n" value="1" unit="u"] `
	message += strings.Repeat("x", max(0, size-len(message)))
	var held []net.Conn
	for range connections {
		conn, err := tls.Dial("tcp", os.Getenv(addressEnv), config)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(conn, "%d %s", len(message), message); err != nil {
			return err
		}
		held = append(held, conn)
	}
	done := make(chan struct{})
	afterParent(func() { close(done) })
	<-done
	for _, conn := range held {
		_ = conn.Close()
	}
	return nil
}
