package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
)

// startPusher runs an exporter that pushes, and is not scraped.
func (s *site) startPusher(t *testing.T) *peer.Process {
	t.Helper()
	file := filepath.Join(s.dir, "pusher.yml")
	text := fmt.Sprintf(`
nozzle:
  deterministic_name: e2e
  rlp: {enabled: true, address: %q, tls: {ca_file: %q, cert_file: %q, key_file: %q}}
remote_write: {enabled: true, url: "http://%s/api/v1/write", protocol: "2.0", interval: 1s}
web: {listen_address: %q}
`, s.foundation.RLPAddress(), s.files.CA, s.files.Certificate, s.files.Key, s.store, s.tagged)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return peer.Start(t, listensAt, s.exporter, "run", "--config", file)
}

// pushed waits until everything that the foundation sent last has been pushed. Where that was too early for a new
// stream, more is sent.
func (s *site) pushed(ctx context.Context, t *testing.T, what string) {
	t.Helper()
	s.emitUntil(ctx, t, false, what, `{instance="e2e"}`, false)
}

// A receiver that is away gets what it missed when it is back, in order and without loss; a pusher that is stopped
// ends its series, and begins them anew when it is back.
func TestRemoteWriteAcrossRestarts(t *testing.T) {
	s := newSite(t)
	ctx := peer.Within(t, 25*time.Minute)
	s.serve(t)
	if err := os.WriteFile(filepath.Join(s.dir, "prometheus.yml"), []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	store := s.startPrometheus(ctx, t, "--web.enable-remote-write-receiver")
	pusher := s.startPusher(t)
	if err := s.foundation.AwaitReaders(ctx, 1); err != nil {
		t.Fatal(err)
	}
	s.pushed(ctx, t, "the first round")

	t.Log("Prometheus is stopped")
	store.Stop(t)
	if err := s.foundation.Round(ctx); err != nil {
		t.Fatal(err)
	}
	// What is read while nobody takes it waits in the queue, so that the receiver, once back, has it without a gap.
	s.awaitPage(ctx, t, `loggregator_exporter_remote_write_samples_retried_total`, func(v float64) bool { return v > 0 })
	want := expected(t, s.foundation.Sent(), false)
	s.startPrometheus(ctx, t, "--web.enable-remote-write-receiver")
	s.await(ctx, t, "the round without a receiver", `{instance="e2e"}`, func(got map[string]float64) string {
		if bad := s.receiver.differing(want, got); len(bad) > 0 {
			return fmt.Sprintf("%d of %d series differ: %q", len(bad), len(want), bad[:min(len(bad), 5)])
		}
		return ""
	})
	const dropped = `sum({__name__=~"loggregator_exporter_remote_write_samples_(dropped|failed)_total",instance="e2e"})`
	s.await(ctx, t, "nothing is lost", dropped, is(0))

	// Of what waited, it has time for a few rounds in the end.
	s.awaitPage(ctx, t, `loggregator_exporter_remote_write_samples_pending`, func(v float64) bool { return v < 20_000 })

	t.Log("the pusher is stopped")
	s.await(pusher.StopPushing(t), t, "its series have ended", `{instance="e2e"}`, none)
	s.startPusher(t)
	s.await(ctx, t, "it is connected", `loggregator_exporter_source_up{instance="e2e"}`, is(1))
	if err := s.foundation.AwaitReaders(ctx, 1); err != nil {
		t.Fatal(err)
	}
	s.pushed(ctx, t, "the round after its restart")
	s.await(ctx, t, "nothing is lost", dropped, is(0))
}

// awaitPage waits until a metric on the exporter's own page is right.
func (s *site) awaitPage(ctx context.Context, t *testing.T, name string, right func(float64) bool) {
	t.Helper()
	peer.Until(ctx, t, name, func() string {
		page := get(t, s.tagged, "text/plain", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")
		if v, ok := page[fmt.Sprintf(`{__name__=%q}`, name)]; !ok || !right(v) {
			return fmt.Sprint("is ", v)
		}
		return ""
	})
}
