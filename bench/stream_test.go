package bench

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
)

const (
	serverName  = "reverselogproxy"
	serverEnv   = "BENCH_RLP_CERTIFICATE" // set in the process that plays the RLP: its certificate's file
	streamTo    = "/loggregator.v2.Egress/BatchedReceiver"
	streamOf    = 100_000 // series
	batchSize   = 100
	measureFrom = 2 * streamOf // every series exists by then
)

func TestMain(m *testing.M) {
	if file := os.Getenv(serverEnv); file != "" {
		if err := serveRLP(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if file := os.Getenv(agentEnv); file != "" {
		if err := sendAsAgent(file, os.Getenv(agentToEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if file := os.Getenv(otlpEnv); file != "" {
		if err := sendOTLP(file, os.Getenv(agentToEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if file := os.Getenv(syslogEnv); file != "" {
		play := sendAsSyslogAgent
		if os.Getenv(holdEnv) != "" {
			play = holdAsSyslogAgent
		}
		if err := play(file, os.Getenv(syslogToEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if file := os.Getenv(httpsEnv); file != "" {
		if err := serveHTTPS(file); err != nil && !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// raw hands messages through as bytes.
type raw struct{}

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (raw) Unmarshal(data mem.BufferSlice, v any) error { *v.(*int) += data.Len(); return nil }
func (raw) Name() string                                { return "proto" }

// serveRLP plays the RLP in a process of its own, so that its share of the processor is not counted: it sends the
// workload's batches, marshalled beforehand, in cycles without end, at the pace of a foundation where millionEnv is
// set.
func serveRLP(file string) error {
	config, err := tlsConfig(file)
	if err != nil {
		return err
	}
	series, every := streamOf, time.Duration(0)
	if million := os.Getenv(millionEnv); million != "" {
		series, every = millionSeries, millionCycle/(millionSeries/batchSize)
	}
	batches, err := taggedBatches(series)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.ForceServerCodecV2(raw{}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			began := time.Now()
			for sent := 0; ; {
				for _, batch := range batches {
					if sent++; every > 0 && sent%batchSize == 0 {
						time.Sleep(time.Until(began.Add(time.Duration(sent) * every)))
					}
					if err := stream.SendMsg(batch); err != nil {
						return err
					}
				}
			}
		}))
	fmt.Println(listener.Addr())
	// The parent's end closes standard input.
	go func() { _, _ = bufio.NewReader(os.Stdin).ReadByte(); server.Stop() }()
	return server.Serve(listener)
}

// startRLP starts that process and returns its address and a client's configuration.
func startRLP(b *testing.B) (string, *tls.Config) {
	b.Helper()
	return startServer(b, serverEnv)
}

// startServer starts this program again with a variable that says what to play.
func startServer(b *testing.B, variable string) (string, *tls.Config) {
	b.Helper()
	file := writeCertificate(b)
	config, err := tlsConfig(file)
	if err != nil {
		b.Fatal(err)
	}
	return startServerWith(b, variable, file), config
}

// startServerWith does so with a certificate that is there already.
func startServerWith(b *testing.B, variable, file string) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+file)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// writeCertificate makes one certificate that both sides present and trust.
func writeCertificate(b *testing.B) string {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: serverName},
		DNSNames:     []string{serverName},
		NotBefore: time.Now().
			Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		b.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "certificate.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

func tlsConfig(file string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, err
	}
	pool.AddCert(leaf)
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		ServerName: serverName, MinVersion: tls.VersionTLS12,
	}, nil
}

// meter passes envelopes on, and measures from the end of the warm-up to the last one wanted.
type meter struct {
	b           *testing.B
	to          nozzle.Sink
	n, until    int
	began, took time.Duration
	stop        context.CancelFunc
}

func (m *meter) Write(e *metric.Envelope, tally *metric.Tally) {
	if m.to != nil {
		m.to.Write(e, tally)
	} else {
		tally[metric.Stored]++
	}
	switch m.n++; m.n {
	case measureFrom:
		m.b.StartTimer()
		m.began = cpu(m.b)
	case m.until:
		m.took = cpu(m.b) - m.began
		m.b.StopTimer()
		m.stop()
	}
}

// BenchmarkStream reads the workload by gRPC with mutual TLS: the floor receives only, the second floor also walks the
// bytes, and the exporter takes everything into its store.
func BenchmarkStream(b *testing.B) {
	address, config := startRLP(b)
	b.Run("floor=receive", func(b *testing.B) { receive(b, address, config) })
	b.Run("floor=walk", func(b *testing.B) { run(b, address, config, nil) })
	b.Run("exporter", func(b *testing.B) {
		s := newStore(b, streamOf)
		run(b, address, config, s.Writer())
		if got := s.Stats().Series; got != streamOf {
			b.Fatalf("%d series, want %d", got, streamOf)
		}
	})
}

func run(b *testing.B, address string, config *tls.Config, to nozzle.Sink) {
	b.Helper()
	b.StopTimer()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	m := &meter{b: b, to: to, until: measureFrom + b.N, stop: cancel}
	source := newSource(b, nozzle.Options{
		RLP:    nozzle.RLPOptions{Enabled: true, Address: address, ServerName: serverName, TLSConfig: config},
		Stream: nozzle.StreamOptions{Selectors: []string{"gauge", "counter"}},
	}, newEnv(b, func() nozzle.Sink { return m }))
	if err := source.Run(ctx); err != nil {
		b.Fatal(err)
	}
	report(b, m.took)
}

func receive(b *testing.B, address string, config *tls.Config) {
	b.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithInitialWindowSize(2<<20), grpc.WithInitialConnWindowSize(2<<20), grpc.WithReadBufferSize(128<<10))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	stream, err := conn.NewStream(b.Context(), &grpc.StreamDesc{ServerStreams: true}, streamTo, grpc.ForceCodecV2(raw{}))
	if err != nil {
		b.Fatal(err)
	}
	if err := stream.SendMsg([]byte{}); err != nil {
		b.Fatal(err)
	}
	var size int
	next := func() {
		if err := stream.RecvMsg(&size); err != nil {
			b.Fatal(err)
		}
	}
	for range measureFrom / batchSize {
		next()
	}
	b.ResetTimer()
	began := cpu(b)
	for range b.N/batchSize + 1 {
		next()
	}
	report(b, cpu(b)-began)
}

func report(b *testing.B, took time.Duration) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took)/float64(b.N), "cpu-ns/envelope")
}
