package scaleout

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
)

// listensAt is what every program says that serves by Prometheus' toolkit.
var listensAt = regexp.MustCompile(`Listening on.*address=(127\.0\.0\.1:\d+)`)

const (
	interval    = time.Second     // between two samples of every series of the foundation
	scrapeEvery = 2 * time.Second // short enough to see how long series stand twice, long enough for a busy machine
)

// site is a foundation and the exporters that read it.
type site struct {
	foundation *foundation.Foundation
	program    string
	dir        string
	files      foundation.ClientFiles

	mu     sync.Mutex // held while a round is emitted, and while none must be
	rounds []round
}

// round is when a round was emitted and, in the end, taken from the RLP, how many requests there were after it, and
// how many readers amid it.
type round struct {
	began, ended time.Time
	requests     float64
	readers      int
}

// newSite makes a foundation that listens, and what is to be built. Either Serve or Run is to be called.
func newSite(t *testing.T, options foundation.Options) *site {
	t.Helper()
	peer.Prometheus().File(t)
	s := &site{program: peer.Exporter(t), dir: t.TempDir()}
	var err error
	if s.foundation, err = foundation.New(options); err != nil {
		t.Fatal(err)
	}
	if err := s.foundation.Listen(); err != nil {
		t.Fatal(err)
	}
	if s.files, err = s.foundation.WriteClientFiles(s.dir); err != nil {
		t.Fatal(err)
	}
	return s
}

// background runs something until the test ends.
func (s *site) background(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// emit emits a round each interval until the test ends, but for the time that mu is held by somebody else.
func (s *site) emit(t *testing.T) {
	t.Helper()
	s.background(t, func(ctx context.Context) error {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			s.mu.Lock()
			err := s.round(ctx)
			s.mu.Unlock()
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
	})
}

// round emits everything once, and waits until the RLP holds none of it any more: readers that are slow on a busy
// machine lose nothing, and have longer intervals. mu is held.
func (s *site) round(ctx context.Context) error {
	r := round{began: time.Now()}
	if err := s.foundation.Round(ctx); err != nil {
		return err
	}
	tick := time.NewTicker(interval / 100)
	defer tick.Stop()
	for s.foundation.Lost().Held > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	r.ended = time.Now()
	for _, sent := range s.foundation.Sent() {
		if sent.Name == "subscriptions" && sent.Origin == "loggregator.rlp" {
			r.readers = max(r.readers, int(sent.Value)) // other VMs with an RLP have none
		}
	}
	r.requests = s.requests()
	s.rounds = append(s.rounds, r)
	return nil
}

// awaitRounds waits for more rounds.
func (s *site) awaitRounds(ctx context.Context, t *testing.T, count int) {
	t.Helper()
	emitted := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.rounds)
	}
	wanted := emitted() + count
	peer.Until(ctx, t, "more rounds", func() string {
		if left := wanted - emitted(); left > 0 {
			return fmt.Sprintf("%d to come", left)
		}
		return ""
	})
}

// longestGap is the most time that has passed between two samples of a series: the interval of the series, as the
// exporters had to take it. On a busy machine it is longer than what was asked for.
func (s *site) longestGap() (gap time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i < len(s.rounds); i++ {
		gap = max(gap, s.rounds[i].ended.Sub(s.rounds[i-1].began))
	}
	return gap
}

// requests is how many requests were reported so far, each by a router as the server.
func (s *site) requests() (n float64) {
	for _, count := range s.requestsByStatus() {
		n += count
	}
	return n
}

// requestsByStatus counts them by the class of their status, as the histograms do.
func (s *site) requestsByStatus() map[string]float64 {
	by := map[string]float64{}
	for _, sent := range s.foundation.Sent() {
		if sent.Kind == metric.KindTimer && sent.Tags["peer_type"] == "Server" {
			by[sent.Tags["status_code"][:1]+"xx"] += float64(sent.Count)
		}
	}
	return by
}

// exporter is one that runs.
type exporter struct {
	*peer.Process
	address string
}

// start runs an exporter with some lines of configuration more, which may be whole sections but those that stand here.
func (s *site) start(t *testing.T, name, address, nozzle string, more ...string) *exporter {
	t.Helper()
	text := fmt.Sprintf(`
nozzle:
  rlp: {enabled: true, address: %q, tls: {ca_file: %q, cert_file: %q, key_file: %q}}
  %s
web: {listen_address: %q}
%s
`, s.foundation.RLPAddress(), s.files.CA, s.files.Certificate, s.files.Key, strings.ReplaceAll(nozzle, "\n", "\n  "), address, strings.Join(more, "\n"))
	file := filepath.Join(s.dir, name+".yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &exporter{peer.Start(t, listensAt, s.program, "run", "--config", file), address}
}

// named is the configuration of one of several exporters that share everything.
func named(name string) string { return fmt.Sprintf("deterministic_name: %q", name) }
