package nozzle

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle/watch"
)

// TestHTTPSSources: connect, many envelopes, a far side that restarts, tokens that become bad.
func TestHTTPSSources(t *testing.T) {
	for kind, k := range httpsKinds {
		t.Run(kind, func(t *testing.T) {
			f := newFoundation(t, nil,
				foundation.HTTPSOptions{Heartbeat: 50 * time.Millisecond, SlowConsumer: 10 * time.Minute})
			r := runHTTPS(t, kind, setup(f, k.url(f)))
			r.await(t, k.connected)
			awaitReader(t, f, 0)
			publish(t, f, r.sink, 100_000)
			if !r.ledger.Ready() {
				t.Error("connected, and not ready")
			}
			if lost := f.Lost(); lost.Full != 0 || lost.Nobody != 0 {
				t.Errorf("lost %+v", lost)
			}

			drain(r.lines)
			before := f.ReadersSoFar()
			f.Cut()
			r.await(t, watch.ReasonLost)
			r.await(t, k.connected)
			awaitReader(t, f, before)
			publish(t, f, r.sink, 100)

			// The token in hand is no good any more: that is no failure, and costs one request.
			before = f.ReadersSoFar()
			requests := f.TokenRequests()
			f.RevokeTokens()
			f.Cut()
			r.await(t, watch.ReasonLost)
			r.await(t, k.connected)
			awaitReader(t, f, before)
			publish(t, f, r.sink, 100)
			if got := f.TokenRequests() - requests; got != 1 {
				t.Errorf("%d requests for tokens", got)
			}

			// All of it goes, UAA too.
			before = f.ReadersSoFar()
			f.Down(true)
			f.RevokeTokens()
			r.await(t, watch.ReasonLost)
			if line := r.await(t, watch.ReasonUnreachable); line.attrs["advice"] == "" || line.attrs["retry_in"] == "" {
				t.Errorf("%+v", line)
			}
			if r.ledger.Ready() {
				t.Error("ready without a server")
			}
			f.Down(false)
			r.awaitAmong(t, k.connected, watch.ReasonUnreachable, watch.ReasonToken)
			awaitReader(t, f, before)
			publish(t, f, r.sink, 100)

			f.RLPGone(true)
			r.awaitAmong(t, k.withoutRLP, watch.ReasonLost, watch.ReasonEnded)
			f.RLPGone(false)
			r.stop()
			if got := total(t, r.reg, "envelopes_received_total"); got != 100_300 {
				t.Errorf("%d received", got)
			}
		})
	}
}

// awaitAmong is await where lines of other reasons are in order.
func (r *httpsRun) awaitAmong(t *testing.T, want string, others ...string) {
	t.Helper()
	for {
		line := receive(t, r.lines)
		reason, failed := line.attrs["reason"]
		if reason == want || line.message == want {
			return
		}
		ok := !failed
		for _, o := range others {
			ok = ok || o == reason
		}
		if !ok {
			t.Fatalf("reason %s instead of %s: %+v", reason, want, line)
		}
	}
}

// TestHTTPSSlowReader: the gateway's reader stays and misses what the RLP cannot hold; the firehose's is cut, and
// comes back.
func TestHTTPSSlowReader(t *testing.T) {
	for kind := range httpsKinds {
		t.Run(kind, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { slowReader(t, kind) }) })
	}
}

func slowReader(t *testing.T, kind string) {
	t.Helper()
	k, network := httpsKinds[kind], &foundation.Memory{}
	f := newFoundation(t, network, foundation.HTTPSOptions{})
	s := setup(f, k.url(f))
	s.dial = network.Dial
	r := runHTTPS(t, kind, s)
	r.await(t, k.connected)
	synctest.Wait()
	r.sink.setShut(true)
	const sent = 20_000
	// Longer than what the buffers of a connection take.
	padding := strings.Repeat("x", 4000)
	for i := range sent {
		e := counterV2(i)
		e.Tags["padding"] = padding
		f.Publish(e)
	}
	synctest.Wait()
	if kind == nameGateway {
		if f.Lost().Full == 0 {
			t.Fatal("the RLP held it all")
		}
		pass(8 * time.Second) // less than what the watchdog allows
		r.sink.setShut(false)
		r.sink.await(t, sent-int(f.Lost().Full))
		return
	}
	pass(5 * time.Second)
	if f.Lost().Left == 0 {
		t.Fatal("the slow reader was not cut")
	}
	r.sink.setShut(false)
	if line := r.await(t, watch.ReasonLost); !strings.Contains(line.attrs["advice"], "short of CPU") {
		t.Errorf("%+v", line)
	}
	r.await(t, k.connected)
	synctest.Wait()
	base := r.sink.count()
	f.Publish(counterV2(1))
	r.sink.await(t, base+1)
}

// TestHTTPSSetUpMistakes: each has a line and a reason of its own that says what to look at, and is tried again.
func TestHTTPSSetUpMistakes(t *testing.T) {
	f, foreign := newFoundation(t, nil, foundation.HTTPSOptions{}), newFoundation(t, nil, foundation.HTTPSOptions{})
	plaintext := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plaintext.Close)
	answering := func(header map[string]string, status int) httpsSetup {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "hello")
		}))
		t.Cleanup(server.Close)
		s := setup(f, server.URL)
		s.tls = ServerTLSOptions{SkipVerify: true}
		return s
	}
	for _, c := range []struct {
		name   string
		change func(*httpsSetup)
		reason string
		advice string // key is replaced by nozzle.gateway or nozzle.firehose
	}{
		{
			"server of another authority", func(s *httpsSetup) { s.tls.RootCAs = foreign.RootCAs() },
			watch.ReasonServerCertificate, "key.tls.ca_file",
		},
		{"server of another name", func(s *httpsSetup) {
			s.url = strings.Replace(s.url, "127.0.0.1", "localhost", 1)
			s.dial = func(ctx context.Context, network, address string) (net.Conn, error) { // whatever localhost is here
				return (&net.Dialer{}).DialContext(ctx, network, strings.Replace(address, "localhost", "127.0.0.1", 1))
			}
		}, watch.ReasonServerName, "key.url"},
		{
			"server without TLS", func(s *httpsSetup) { s.url = strings.Replace(plaintext.URL, "http:", "https:", 1) },
			watch.ReasonTLS, "does not speak TLS; is key.url",
		},
		{"nobody", func(s *httpsSetup) { s.url = "https://127.0.0.1:1" }, watch.ReasonUnreachable, "key.url"},
		{
			"platform without such a route",
			func(s *httpsSetup) { *s = answering(map[string]string{"X-Cf-RouterError": "unknown_route"}, 404) },
			watch.ReasonWrongURL, "no such route; is key.url",
		},
		{"another server", func(s *httpsSetup) { *s = answering(nil, 200) }, watch.ReasonWrongURL, "key.url"},
		{
			"redirect", func(s *httpsSetup) { *s = answering(map[string]string{"Location": "/"}, 302) }, watch.ReasonWrongURL,
			"key.url",
		},
		{
			"no backend", func(s *httpsSetup) { *s = answering(nil, 502) }, watch.ReasonUnavailable,
			"cannot serve at the moment",
		},
		{"UAA of another foundation", func(s *httpsSetup) {
			other := setup(foreign, "")
			s.uaa = other.uaa
		}, watch.ReasonUnauthorized, "uaa.url"},
		{"wrong secret", func(s *httpsSetup) { s.uaa.ClientSecret = "sesame" }, watch.ReasonToken, "uaa.client_id"},
		{
			"UAA of another authority", func(s *httpsSetup) { s.uaa.TLS.RootCAs = foreign.RootCAs() }, watch.ReasonToken,
			"uaa.tls.ca_file",
		},
		{"no UAA", func(s *httpsSetup) { s.uaa.URL = "https://127.0.0.1:1" }, watch.ReasonToken, "uaa.url"},
		{"what is no UAA", func(s *httpsSetup) { s.uaa.URL = f.GatewayURL() }, watch.ReasonToken, "uaa.url"},
	} {
		for kind, k := range httpsKinds {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				s := setup(f, k.url(f))
				c.change(&s)
				if kind == nameFirehose {
					s.url = strings.Replace(s.url, "https:", "wss:", 1)
				}
				r := runHTTPS(t, kind, s)
				want := strings.ReplaceAll(c.advice, "key", "nozzle."+kind)
				for range 2 {
					line := r.awaitSource(t, kind)
					if line.attrs["reason"] != c.reason || !strings.Contains(line.attrs["advice"], want) ||
						line.attrs["error"] == "" || line.attrs["retry_in"] == "" {
						t.Fatalf("want the reason %s and %q in the advice: %+v", c.reason, want, line)
					}
				}
				r.stop()
				if n := r.ledger.Source(kind).reconnects.snapshot()[c.reason]; n < 2 {
					t.Fatalf("%d reconnects", n)
				}
			})
		}
	}
}

// awaitSource returns the next line of the source itself that has a reason.
func (r *httpsRun) awaitSource(t *testing.T, kind string) logLine {
	t.Helper()
	for {
		if line := receive(t, r.lines); line.attrs["source"] == kind && line.attrs["reason"] != "" {
			return line
		}
	}
}

// TestHTTPSScope: a client without the authority is told so, and UAA is not asked without end.
func TestHTTPSScope(t *testing.T) {
	for kind, k := range httpsKinds {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := &foundation.Memory{}
				f := newFoundation(t, network, foundation.HTTPSOptions{})
				_, secret := f.UAAClient()
				f.SetUAAClient(secret, "cloud_controller.read", "uaa.resource")
				s := setup(f, k.url(f))
				s.dial = network.Dial
				r := runHTTPS(t, kind, s)
				for range 5 {
					line := r.awaitSource(t, kind)
					if line.attrs["reason"] != watch.ReasonTokenScope ||
						!strings.Contains(line.attrs["advice"], "doppler.firehose") ||
						!strings.Contains(line.attrs["error"], "cloud_controller.read uaa.resource") {
						t.Fatalf("%+v", line)
					}
				}
				if n := f.TokenRequests(); n != 2 {
					t.Errorf("%d requests for tokens, want the first one and one more", n)
				}
			})
		})
	}
}

func TestHTTPSOptionErrors(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := newRecordingLog()
	stream := StreamOptions{ShardID: "a", Selectors: []string{"gauge"}}
	for file, problem := range map[string]string{
		empty:         empty + " holds no PEM certificate",
		dir + "/none": "open " + dir + "/none: no such file or directory",
	} {
		ledger, _ := newTestLedger(t)
		env := testEnv(ledger, nil, l.log)
		env.UAA = UAAOptions{URL: "https://uaa", ClientID: "a", ClientSecret: "b"}
		tls := ServerTLSOptions{CAFile: file}
		_, err := newGateway(GatewayOptions{URL: "https://c", TLS: tls}, stream, env)
		if want := "nozzle.gateway.tls.ca_file: " + problem; err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
		_, err = newFirehose(FirehoseOptions{URL: "wss://c", TLS: tls}, stream, env)
		if want := "nozzle.firehose.tls.ca_file: " + problem; err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}
