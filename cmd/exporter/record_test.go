package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/config"
	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/nozzle/capture"
)

var update = flag.Bool("update", false, "record the capture of the simulated foundation anew")

// recordFoundation records some rounds of a foundation by all of its paths, over the real protocols, and returns
// what the command said.
func recordFoundation(t *testing.T, r recording, rounds int, options foundation.Options) (*foundation.Foundation, string) {
	t.Helper()
	dir := t.TempDir()
	ports := filepath.Join(dir, "ingress_port.yml")
	options.UDP = true
	var counts func(source string) uint64
	options.Pace = func(ctx context.Context, sent int) error { return awaitReceived(ctx, counts, foundation.UDP, sent) }
	options.Forwarder = foundation.NewForwarder(foundation.ForwarderOptions{PortFile: ports})
	f, err := foundation.New(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	cfg := config.Default()
	n := &cfg.Nozzle
	n.Stream.IdleTimeout = time.Hour
	n.RLP.Enabled, n.RLP.Address, n.RLP.TLSConfig = true, f.RLPAddress(), f.ClientTLS()
	n.UDP.Enabled, n.UDP.ListenAddress = true, "127.0.0.1:0"
	n.Ingress.Enabled, n.Ingress.ListenAddress, n.Ingress.TLSConfig, n.Ingress.PortFile = true, "127.0.0.1:0", f.DownstreamTLS(), ports

	var report bytes.Buffer
	started := make(chan *service, 1)
	r.report, r.log, r.started = &report, slog.New(slog.DiscardHandler), func(s *service) { started <- s }
	recording, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- r.run(recording, cfg) }()
	s := await1(t, started, done)
	counts = gatherer(t, s.ledger)
	listening, err := addresses(ctx, s.sources)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.SendTo(listening["udp"].String()); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 2)
	serving, end := context.WithCancel(ctx)
	options.Forwarder.Connect(f.ForwarderTLS(), 0)
	go func() { served <- f.Serve(serving) }()
	go func() { served <- options.Forwarder.Run(serving) }()
	if err := f.AwaitReaders(ctx, 1); err != nil {
		t.Fatal(err)
	}
	for range rounds {
		if err := f.Round(ctx); err != nil {
			t.Fatal(err)
		}
		for _, path := range []foundation.Path{foundation.UDP, foundation.RLP, foundation.Ingress} {
			if err := awaitReceived(ctx, counts, path, int(f.Envelopes(path))); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	end()
	for range 2 {
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
	return f, report.String()
}

func await1[T any](t *testing.T, ch <-chan T, failed <-chan error) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case err := <-failed:
		t.Fatal(err)
		panic("unreachable")
	}
}

// gatherer returns the number of envelopes that a source has received.
func gatherer(t *testing.T, l *nozzle.Ledger) func(source string) uint64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	if err := reg.Register(l); err != nil {
		t.Fatal(err)
	}
	return func(source string) uint64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != "loggregator_exporter_envelopes_received_total" {
				continue
			}
			for _, m := range f.GetMetric() {
				if m.GetLabel()[0].GetValue() == source {
					return uint64(m.GetCounter().GetValue())
				}
			}
		}
		return 0
	}
}

const fixture = "../../foundation/testdata/foundation.capture"

// TestFixture: the capture that tests and benchmarks share holds what is written beside it. With -update it is
// recorded anew.
func TestFixture(t *testing.T) {
	if *update {
		if err := os.MkdirAll(filepath.Dir(fixture), 0o755); err != nil {
			t.Fatal(err)
		}
		recordFoundation(t, recording{out: fixture}, 2, foundation.Options{Seed: 1, RequestsPerSecond: 4})
		if err := os.Chmod(fixture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(fixture)
	if err != nil || info.Size() >= 300_000 {
		t.Fatal(info.Size(), err)
	}
	got := describeCapture(t, fixture)
	cfg := testConfig()
	cfg.Nozzle.UDP.Enabled = false
	cfg.Nozzle.Replay = nozzle.ReplayOptions{Enabled: true, File: fixture}
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	awaitIdle(t, r)
	stats := r.Store.Stats()
	got += fmt.Sprintf("series %d\nfamilies %d\n", stats.Series, stats.Families)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if *update {
		if err := os.WriteFile(fixture+".txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(fixture + ".txt")
	if err != nil || got != string(want) {
		t.Errorf("%v, got:\n%swant:\n%s", err, got, want)
	}
}

// awaitIdle waits until a replay has ended; the test's own timeout ends it.
func awaitIdle(t *testing.T, r running) {
	t.Helper()
	received := gatherer(t, r.Ledger)
	for received("replay") == 0 || r.Ledger.Ready() {
		_, _ = fetch(t, "http://"+r.Web.String()+"/-/healthy")
	}
}

// describeCapture counts what a capture holds.
func describeCapture(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	reader, err := capture.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	header := reader.Header()
	ledger, err := nozzle.NewLedger(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	intakes := make(map[string]*nozzle.Intake)
	for _, source := range header.Sources {
		intakes[source] = nozzle.NewIntake(ledger.Source(source), forget{})
	}
	for {
		record, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if record.Format == capture.V1 {
			intakes[record.Source].V1(record.Message, time.Unix(1, 0))
		} else {
			intakes[record.Source].V2(record.Message, time.Unix(1, 0))
		}
	}
	received := gatherer(t, ledger)
	var b strings.Builder
	for _, source := range header.Sources {
		fmt.Fprintf(&b, "envelopes of %s %d\n", source, received(source))
	}
	return b.String()
}

// TestRecordAndReplay: what a replay makes of a capture is what the foundation sent; and so it is of a scrubbed one,
// up to the names.
func TestRecordAndReplay(t *testing.T) {
	for _, scrub := range []bool{false, true} {
		out := filepath.Join(t.TempDir(), "x.capture")
		f, report := recordFoundation(t, recording{out: out, scrub: scrub}, 1, foundation.Options{Seed: 3, RequestsPerSecond: 1})
		if !strings.HasPrefix(report, "recorded ") || !strings.HasSuffix(report, " bytes to "+out+"\n") {
			t.Errorf("the command said %q", report)
		}
		if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		cfg := testConfig()
		cfg.Nozzle.UDP.Enabled = false
		cfg.Nozzle.Replay = nozzle.ReplayOptions{Enabled: true, File: out}
		r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
		awaitIdle(t, r)
		_, page := fetch(t, "http://"+r.Web.String()+"/metrics")
		got := samples(t, page)
		want := expected(r.Store.Resolver(), f.Sent())
		if scrub {
			compareShapes(t, page, f, got, want)
		} else if wrong := compare(want, got); len(wrong) > 0 {
			t.Errorf("%d wrong of %d, such as %q", len(wrong), len(want), wrong[:min(6, len(wrong))])
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// compareShapes compares metric by metric how many series there are, and looks for what must not be on the page.
func compareShapes(t *testing.T, page string, f *foundation.Foundation, got map[string]float64, want map[string][]float64) {
	t.Helper()
	gotSeries, wantSeries := make(map[string]int), make(map[string]int)
	for key := range got {
		name, _, _ := strings.Cut(key, "{")
		gotSeries[name]++
	}
	for key := range want {
		name, _, _ := strings.Cut(key, "{")
		wantSeries[name]++
	}
	for name, n := range wantSeries {
		if gotSeries[name] != n {
			t.Errorf("%s: %d series, want %d", name, gotSeries[name], n)
		}
	}
	for _, vm := range f.Inventory() {
		if strings.Contains(page, vm.Index) || strings.Contains(page, `"`+vm.IP+`"`) {
			t.Fatalf("%s or %s is on the page", vm.Index, vm.IP)
		}
	}
	for _, app := range f.Apps() {
		for _, secret := range []string{app.ID, app.SpaceID, app.OrganizationID, `app_name="` + app.Name + `"`, `space_name="` + app.Space + `"`, `organization_name="` + app.Organization + `"`} {
			if strings.Contains(page, secret) {
				t.Fatalf("%s is on the page", secret)
			}
		}
	}
}

// TestRecordEnds: by time and by size.
func TestRecordEnds(t *testing.T) {
	cfg := config.Default()
	cfg.Nozzle.UDP.ListenAddress = "127.0.0.1:0"
	var report, capture bytes.Buffer
	r := recording{out: "-", stdout: &capture, report: &report, duration: time.Millisecond, log: slog.New(slog.DiscardHandler)}
	if err := r.run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("recorded 0 messages in %d bytes to -\n", capture.Len()); report.String() != want {
		t.Errorf("%q, want %q", report.String(), want)
	}
	capture.Reset()
	started := make(chan *service, 1)
	r = recording{out: "-", stdout: &capture, report: io.Discard, maxBytes: 5000, log: slog.New(slog.DiscardHandler), started: func(s *service) { started <- s }}
	cfg = config.Default()
	cfg.Nozzle.UDP.ListenAddress = "127.0.0.1:0"
	done := make(chan error, 1)
	go func() { done <- r.run(t.Context(), cfg) }()
	listening, err := addresses(t.Context(), await1(t, started, done).sources)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ { // the test's own timeout ends it
		select {
		case err := <-done:
			if err != nil || capture.Len() > 5000 || capture.Len() < 1000 {
				t.Fatalf("%d bytes, %v", capture.Len(), err)
			}
			return
		default:
			events := coverageV1()[:1]
			events[0].ValueMetric.Name = new(fmt.Sprintf("some.name.%x", n*7919))
			sendV1(t, listening["udp"].String(), events)
		}
	}
}

// TestRecordRefuses: mistakes are told before anything is opened.
func TestRecordRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"record"}, "--out is needed"},
		{[]string{"record", "--out", "x", "--duration=-1s"}, "cannot be negative"},
		{[]string{"record", "--out", "x", "--nozzle.replay.enabled", "--nozzle.replay.file=-"}, "already recorded"},
		{[]string{"record", "--out", "/missing/x"}, "--out: open /missing/x"},
	} {
		if status, _, stderr := command(t, c.args...); status != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: %d, %s", c.args, status, stderr)
		}
	}
}

// TestRecordCreatesPrivateFiles: whatever has the name before, the capture is a new file that its owner alone can
// read.
func TestRecordCreatesPrivateFiles(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, path, other string) error{
		"nothing":      func(*testing.T, string, string) error { return nil },
		"a wider file": func(_ *testing.T, path, _ string) error { return os.WriteFile(path, []byte("old"), 0o644) },
		"a link":       func(_ *testing.T, path, other string) error { return os.Symlink(other, path) },
		"a loose link": func(_ *testing.T, path, other string) error { return os.Symlink(other+".none", path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, other := filepath.Join(dir, "x.capture"), filepath.Join(dir, "other")
			if err := os.WriteFile(other, []byte("other"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := before(t, path, other); err != nil {
				t.Fatal(err)
			}
			file, err := createPrivate(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteString("new"); err != nil {
				t.Fatal(err)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(path)
			if err != nil || info.Mode() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			if text, err := os.ReadFile(other); err != nil || string(text) != "other" {
				t.Errorf("the link's target holds %q, %v", text, err)
			}
			if _, err := os.Lstat(other + ".none"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the loose link's target was made: %v", err)
			}
		})
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := createPrivate(fifo); err == nil || err.Error() != fifo+" is not a regular file; name a new one, or - for standard output" {
		t.Errorf("a pipe: %v", err)
	}
}
