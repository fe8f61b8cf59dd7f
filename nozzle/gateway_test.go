package nozzle

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/foundation"
	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/nozzle/watch"
)

// serveEvents answers every request with the same stream, and then holds it open or ends it.
func serveEvents(t *testing.T, stream string, hold bool) string {
	t.Helper()
	end := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, stream)
		_ = http.NewResponseController(w).Flush()
		if hold {
			select {
			case <-r.Context().Done():
			case <-end:
			}
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(end) })
	return server.URL
}

// TestGatewayStreams: how a stream may go wrong, and end.
func TestGatewayStreams(t *testing.T) {
	f := newFoundation(t, nil, foundation.HTTPSOptions{})
	good := "data: " + string(wiretest.JSONBatch(t, wiretest.EnvelopesJSON()[0])) + "\n\n"
	for _, c := range []struct {
		name, stream   string
		hold           bool
		reason, advice string
		good, bad      uint64 // envelopes of one stream
	}{
		{
			"closing", good + "event: closing\ndata: closing due to stream timeout\n\n" + good, true, watch.ReasonClosing,
			"ends each stream", 1, 0,
		},
		{"end", good, false, watch.ReasonEnded, "load balancer", 1, 0},
		{"malformed JSON", "data: {\"batch\":[{]}\n\n" + good, false, watch.ReasonEnded, "", 1, 1},
		{"a batch in two lines", "data: {\"batch\":\ndata: []}\n\n" + good, false, watch.ReasonEnded, "", 1, 0},
		{
			"heartbeat and unknown event", "event: heartbeat\ndata: 1\n\nevent: other\ndata: {\n\n" + good, false,
			watch.ReasonEnded, "", 1, 0,
		},
		{"no events", good + "<html>oops</html>\n", true, watch.ReasonMalformedStream, "changes it", 1, 1},
		{
			"oversized", good + "data: " + strings.Repeat("x", maxEvent+2*eventBuffer), true, watch.ReasonOversized, "longer",
			1, 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := setup(f, serveEvents(t, c.stream, c.hold))
			s.tls = ServerTLSOptions{SkipVerify: true}
			r := runHTTPS(t, nameGateway, s)
			line := r.await(t, c.reason)
			if !strings.Contains(line.attrs["advice"], c.advice) || line.attrs["error"] == "" {
				t.Errorf("%+v", line)
			}
			r.stop()
			account := r.ledger.Source(nameGateway)
			streams := account.reconnects.snapshot()[c.reason]
			if got := account.envelopes[converted].Load(); streams == 0 || got < streams*c.good || got > (streams+1)*c.good {
				t.Errorf("%d converted in %d streams", got, streams)
			}
			if got := account.envelopes[malformed].Load(); got < streams*c.bad || got > (streams+1)*c.bad {
				t.Errorf("%d malformed in %d streams", got, streams)
			}
		})
	}
}

// TestGatewayRequest: what is asked for, with an id that must be escaped.
func TestGatewayRequest(t *testing.T) {
	f := newFoundation(t, nil, foundation.HTTPSOptions{})
	asked := make(chan string, 100)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("Authorization")
		asked <- fmt.Sprintf("%s %s %s %s %s", r.Method, r.URL, token[:min(len(token), 9)], r.Header.Get("Accept"),
			r.Header.Get("User-Agent"))
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(server.Close)
	s := setup(f, server.URL)
	s.tls = ServerTLSOptions{SkipVerify: true}
	s.stream.ShardID, s.stream.DeterministicName, s.stream.Selectors = "a b&c", "7", []string{"counter", "timer"}
	r := runHTTPS(t, nameGateway, s)
	if got, want := receive(t, asked), "GET /v2/read?counter&timer&shard_id=a+b%26c&deterministic_name=7 bearer ey "+
		"text/event-stream loggregator_exporter"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if line := r.await(t, watch.ReasonRefused); !strings.Contains(line.attrs["advice"], "nozzle.gateway.url") {
		t.Errorf("%+v", line)
	}
}

// TestGatewayClosesAfterItsTime: with the simulated gateway, stream after stream, and each brings data.
func TestGatewayClosesAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &foundation.Memory{}
		f := newFoundation(t, network, foundation.HTTPSOptions{})
		s := setup(f, f.GatewayURL())
		s.dial = network.Dial
		r := runHTTPS(t, nameGateway, s)
		began := time.Now()
		for i := range 4 {
			r.await(t, "connected to the RLP gateway")
			if after := time.Since(began); after != time.Duration(i)*14*time.Minute {
				t.Errorf("stream %d after %v", i, after)
			}
			synctest.Wait()
			f.Publish(counterV2(1))
			r.sink.await(t, i+1)
			if i < 3 {
				pass(14*time.Minute - time.Nanosecond)
				drain(r.lines)
				r.await(t, watch.ReasonClosing)
			}
		}
		if n := f.TokenRequests(); n != 1 {
			t.Errorf("%d requests for tokens for 4 streams", n)
		}
	})
}

// TestClosingIsRoutine: after a long stream the next one is opened at once, and nobody is warned.
func TestClosingIsRoutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, _ := newTestLedger(t)
		log, lines := newTestLog()
		began := time.Now()
		var mu sync.Mutex
		var opened []time.Duration
		k := watch.Keeper{
			Account: ledger.Source(nameGateway), Log: log,
			Retry: watch.Backoff{First: time.Hour, Limit: time.Hour},
			Read: func(ctx context.Context, p *watch.Pulse) watch.Failure {
				mu.Lock()
				opened = append(opened, time.Since(began))
				mu.Unlock()
				p.Opened()
				second := time.NewTicker(time.Second)
				defer second.Stop()
				for range 14 * 60 {
					select {
					case <-ctx.Done():
						return watch.Failure{Reason: watch.ReasonLost}
					case <-second.C:
						p.Begin()
						p.Took(1, time.Now().UnixNano())
					}
				}
				return watch.Failure{Reason: watch.ReasonClosing}
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.Run(ctx)
		}()
		pass(29 * time.Minute)
		cancel()
		<-done
		mu.Lock()
		defer mu.Unlock()
		wiretest.RequireEqual(t, "streams", opened, []time.Duration{0, 14 * time.Minute, 28 * time.Minute})
		for range 2 {
			if line := <-lines; line.level != slog.LevelInfo || line.attrs["reason"] != watch.ReasonClosing {
				t.Errorf("%+v", line)
			}
		}
	})
}
