package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rfc5424"
	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/nozzle/wire"
)

const (
	syslogEnv   = "BENCH_SYSLOG_CERTIFICATE" // set in the process that plays a syslog agent: its certificate's file
	syslogToEnv = "BENCH_SYSLOG_ADDRESS"
)

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

// sendAsSyslogAgent plays a syslog agent in a process of its own: it sends one message after the other, each in its
// own record of TLS, until the drain goes away. The records queue up, as they do in the sockets of a drain that has
// as much to do as it can: one that has not waits for each, which costs it more than the message.
func sendAsSyslogAgent(file, address string) error {
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	frames, err := syslogFrames(streamOf)
	if err != nil {
		return err
	}
	raw, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	queued := queuedConn{raw, bufio.NewWriterSize(raw, 64<<10)}
	conn := tls.Client(queued, config)
	if err := conn.Handshake(); err != nil {
		return err
	}
	// The parent's end closes standard input.
	go func() { _, _ = bufio.NewReader(os.Stdin).ReadByte(); _ = raw.Close() }()
	for {
		for _, frame := range frames {
			if _, err := conn.Write(frame); err != nil {
				return nil //nolint:nilerr // the drain has enough
			}
		}
	}
}

func startSyslogAgent(b *testing.B, file, address string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), syslogEnv+"="+file, syslogToEnv+"="+address)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
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
	b.Run("rlp", func(b *testing.B) {
		address, config := startRLP(b)
		run(b, address, config, newStore(b, streamOf).Writer())
	})
}

func drain(b *testing.B, to nozzle.Sink) {
	b.Helper()
	file := writeCertificate(b)
	config, err := tlsConfig(file)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	m := &meter{b: b, to: to, until: measureFrom + b.N, stop: cancel}
	source := newSource(b, nozzle.Options{Syslog: nozzle.SyslogOptions{
		Enabled: true, ListenAddress: "127.0.0.1:0", TLSConfig: config, MaxMessageBytes: 64 << 10, MaxConnections: 10,
	}}, newEnv(b, func() nozzle.Sink { return m }))
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx) }()
	address, err := source.(nozzle.Listener).Addr(ctx)
	if err != nil {
		b.Fatal(err)
	}
	startSyslogAgent(b, file, address.String())
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	report(b, m.took)
}

// bufferedConn reads ahead.
type bufferedConn struct {
	net.Conn
	reader *bufio.Reader
}

func (c bufferedConn) Read(b []byte) (int, error) { return c.reader.Read(b) }

// syslogFloor is a drain that does nothing with the messages.
func syslogFloor(b *testing.B) {
	file := writeCertificate(b)
	config, err := tlsConfig(file)
	if err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	startSyslogAgent(b, file, listener.Addr().String())
	raw, err := listener.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	frames := wire.NewSyslogFrames(tls.Server(bufferedConn{raw, bufio.NewReaderSize(raw, 16<<10)}, config), 64<<10)
	var began time.Duration
	for n := range measureFrom + b.N {
		if n == measureFrom {
			b.ResetTimer()
			began = cpu(b)
		}
		if _, err := frames.Next(); err != nil {
			b.Fatal(err)
		}
	}
	report(b, cpu(b)-began)
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
// message, and after one of 60 KiB.
func BenchmarkSyslogIdle(b *testing.B) {
	const connections = 1000
	for _, size := range []int{300, 60 << 10} {
		b.Run(fmt.Sprintf("message=%d", size), func(b *testing.B) {
			file := writeCertificate(b)
			config, err := tlsConfig(file)
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			sink := &countingSink{got: make(chan struct{}, connections)}
			source := newSource(b, nozzle.Options{Syslog: nozzle.SyslogOptions{
				Enabled:         true,
				ListenAddress:   "127.0.0.1:0",
				TLSConfig:       config,
				MaxMessageBytes: 64 << 10,
				MaxConnections:  connections,
			}}, newEnv(b, func() nozzle.Sink { return sink }))
			done := make(chan error, 1)
			go func() { done <- source.Run(ctx) }()
			address, err := source.(nozzle.Listener).Addr(ctx)
			if err != nil {
				b.Fatal(err)
			}
			before := settled()
			holdSyslog(b, file, address.String(), connections, size)
			for range connections {
				<-sink.got
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric((settled()-before)/connections/1024, "KiB/connection")
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

func (s *countingSink) Write(e *metric.Envelope, tally *metric.Tally) {
	tally[metric.Stored] += uint64(e.Samples())
	s.got <- struct{}{}
}

const holdEnv = "BENCH_SYSLOG_HOLD" // the number of connections to hold, and the bytes of a message on each

// holdSyslog lets another process open connections and send a message on each.
func holdSyslog(b *testing.B, file, address string, connections, size int) {
	b.Helper()
	b.Setenv(holdEnv, fmt.Sprint(connections, " ", size))
	startSyslogAgent(b, file, address)
}

func holdAsSyslogAgent(file, address string) error {
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	var connections, size int
	if _, err := fmt.Sscan(os.Getenv(holdEnv), &connections, &size); err != nil {
		return err
	}
	message := `<14>1 - - s [0] - [gauge@47450 name="n" value="1" unit="u"] `
	message += strings.Repeat("x", max(0, size-len(message)))
	var held []net.Conn
	for range connections {
		conn, err := tls.Dial("tcp", address, config)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(conn, "%d %s", len(message), message); err != nil {
			return err
		}
		held = append(held, conn)
	}
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	for _, conn := range held {
		_ = conn.Close()
	}
	return nil
}
