package nozzle

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
)

// channelSink hands copies of what it gets to a test.
type channelSink chan wiretest.Plain

func (s channelSink) Add(e *metric.Envelope, tally *metric.Tally) {
	tally[metric.Stored] += uint64(e.Samples())
	s <- wiretest.PlainOf(e)
}

func (channelSink) Flush(*metric.Tally) {}

// nullSink counts and forgets.
type nullSink struct{ envelopes int }

func (s *nullSink) Add(e *metric.Envelope, tally *metric.Tally) {
	s.envelopes++
	tally[metric.Stored] += uint64(e.Samples())
}

func (*nullSink) Flush(*metric.Tally) {}

func newTestLedger(tb testing.TB) (*Ledger, *prometheus.Registry) {
	tb.Helper()
	reg := prometheus.NewRegistry()
	l, err := NewLedger(reg)
	if err != nil {
		tb.Fatal(err)
	}
	return l, reg
}

// testEnv is what a source under test gets.
func testEnv(ledger *Ledger, newSink func() Sink, log *slog.Logger) *Env {
	return &Env{Ledger: ledger, NewSink: newSink, Log: log}
}

// listener is a source that listens, and what comes of it.
type listener struct {
	address string
	ledger  *Ledger
	reg     *prometheus.Registry
	got     channelSink
	lines   chan logLine
	stop    func()
}

// newListener makes all but the source, and what that gets.
func newListener(tb testing.TB) (listener, *Env) {
	tb.Helper()
	l := listener{got: make(channelSink, 1000)}
	l.ledger, l.reg = newTestLedger(tb)
	log, lines := newTestLog()
	l.lines = lines
	return l, testEnv(l.ledger, func() Sink { return l.got }, log)
}

// await returns the next log line with the message.
func (l *listener) await(tb testing.TB, message string) logLine {
	tb.Helper()
	return awaitLine(tb, l.lines, message)
}

// nonZero returns the counts of a source that are not 0: those of its envelopes by outcome, and of its samples.
func (s *SourceLedger) nonZero() map[string]uint64 {
	counts := map[string]uint64{}
	for i, outcome := range envelopeOutcomes {
		counts[outcome] = s.envelopes[i].Load()
	}
	for i := range s.samples {
		counts["samples "+metric.Outcome(i).String()] = s.samples[i].Load()
	}
	maps.DeleteFunc(counts, func(_ string, n uint64) bool { return n == 0 })
	return counts
}

// requireMetrics compares families of the registry with their text.
func requireMetrics(tb testing.TB, reg prometheus.Gatherer, want string, names ...string) {
	tb.Helper()
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), names...); err != nil {
		tb.Fatal(err)
	}
}

// run runs a source, or what else runs until its context ends. The function that it returns ends it, as does the end of
// the test, and demands that nothing went wrong.
func run(tb testing.TB, f func(context.Context) error) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		tb.Helper()
		cancel()
		if err := receive(tb, done); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(stop)
	return stop
}

// listening returns the address of a source that was started, which it has once it listens.
func listening[Address fmt.Stringer](tb testing.TB, addr func(context.Context) (Address, error)) string {
	tb.Helper()
	address, err := addr(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return address.String()
}

// receive takes the next value, and fails where the test's time is up.
func receive[T any](tb testing.TB, ch <-chan T) T {
	tb.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(3 * time.Minute): // which no machine is too busy for
		tb.Fatal("nothing came within 3 minutes")
		panic("unreachable")
	}
}

// until waits for what another goroutine has still to do, which is nothing that a channel tells.
func until(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(3 * time.Minute) // which no machine is too busy for
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			tb.Fatalf("after 3 minutes not yet: %s", what)
		}
	}
}

// logLine is a log record's message and its attributes as text.
type logLine struct {
	level   slog.Level
	message string
	attrs   map[string]string
}

// logChannel is a slog.Handler that hands every line to a test.
type logChannel struct {
	lines chan logLine
	with  []slog.Attr
}

func newTestLog() (*slog.Logger, chan logLine) {
	lines := make(chan logLine, 1<<14) // a source that retries each few milliseconds is not to wait for a test
	return slog.New(&logChannel{lines: lines}), lines
}

// awaitLine returns the next line with a message.
func awaitLine(tb testing.TB, lines <-chan logLine, message string) logLine {
	tb.Helper()
	for {
		if line := receive(tb, lines); line.message == message {
			return line
		}
	}
}

func (h *logChannel) Enabled(context.Context, slog.Level) bool { return true }

func (h *logChannel) Handle(_ context.Context, r slog.Record) error {
	line := logLine{r.Level, r.Message, map[string]string{}}
	for _, a := range h.with {
		line.attrs[a.Key] = a.Value.String()
	}
	r.Attrs(func(a slog.Attr) bool {
		line.attrs[a.Key] = a.Value.String()
		return true
	})
	h.lines <- line
	return nil
}

func (h *logChannel) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logChannel{h.lines, append(append([]slog.Attr{}, h.with...), attrs...)}
}

func (h *logChannel) WithGroup(string) slog.Handler { return h }

// authority is a certificate authority of one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "loggregatorCA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{cert, key, pool}
}

// issue makes a certificate for a name, for servers and clients alike.
func (a *authority) issue(tb testing.TB, name string) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// server is the configuration of a server that demands a certificate of this authority.
func (a *authority) server(tb testing.TB, name string) *tls.Config {
	tb.Helper()
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{a.issue(tb, name)},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool,
	}
}

// client is the configuration of a client of this authority.
func (a *authority) client(tb testing.TB) *tls.Config {
	tb.Helper()
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: a.pool,
		Certificates: []tls.Certificate{a.issue(tb, "exporter")},
	}
}

// files writes the authority and a client certificate as PEM files.
func (a *authority) files(tb testing.TB, dir string) TLSOptions {
	tb.Helper()
	return a.filesFor(tb, dir, "exporter")
}

func mustTLS(tb testing.TB, r *RLP) *tls.Config {
	tb.Helper()
	config, err := r.tlsConfig()
	if err != nil {
		tb.Fatal(err)
	}
	return config
}

// cpuTime is what the process has used so far, in nanoseconds.
func cpuTime(tb testing.TB) int64 {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
