package nozzle

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"loggregator_exporter/internal/redirecttest"
	"loggregator_exporter/nozzle/watch"
)

// Tokens and the client's secret are sent to the configured server only, whatever it answers.
func TestRedirects(t *testing.T) {
	trust := ServerTLSOptions{SkipVerify: true}
	stream := StreamOptions{ShardID: "shard", Selectors: allKinds.Selectors}
	log, _ := newTestLog()
	client := func(t *testing.T, p httpsPeer) *http.Client {
		t.Helper()
		c, err := p.client()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.CloseIdleConnections)
		return c
	}
	judge := func(t *testing.T, failed *watch.Failure) error {
		t.Helper()
		if failed == nil {
			return nil
		}
		if failed.Reason != watch.ReasonWrongURL || !strings.Contains(failed.Advice, "a redirect that is not followed") {
			t.Errorf("%+v", failed)
		}
		return failed.Err
	}
	envFor := func(t *testing.T, address string) *Env {
		t.Helper()
		l, _ := newTestLedger(t)
		env := testEnv(l, nil, log)
		env.UAA = UAAOptions{URL: address, ClientID: "me", ClientSecret: "secret", TLS: trust}
		return env
	}

	t.Run("UAA", func(t *testing.T) {
		redirecttest.Run(t, redirecttest.Client{
			Method: http.MethodPost, TLS: true,
			Ask: func(t *testing.T, server *httptest.Server) error {
				t.Helper()
				u, err := envFor(t, server.URL).uaaTokens()
				if err != nil {
					t.Fatal(err)
				}
				_, failed := u.request(t.Context())
				return judge(t, failed)
			},
			Answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"access_token":"abc","token_type":"bearer"}`))
			},
		})
	})
	t.Run("gateway", func(t *testing.T) {
		redirecttest.Run(t, redirecttest.Client{
			Method: http.MethodGet, TLS: true,
			Ask: func(t *testing.T, server *httptest.Server) error {
				t.Helper()
				g, err := newGateway(GatewayOptions{URL: server.URL, TLS: trust}, stream, envFor(t, server.URL))
				if err != nil {
					t.Fatal(err)
				}
				answer, failed, _ := g.open(t.Context(), client(t, g.peer), "bearer abc")
				if answer != nil {
					_ = answer.Body.Close()
				}
				return judge(t, failed)
			},
			Answer: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", eventStream) },
		})
	})
	t.Run("firehose", func(t *testing.T) {
		redirecttest.Run(t, redirecttest.Client{
			Method: http.MethodGet, TLS: true,
			Ask: func(t *testing.T, server *httptest.Server) error {
				t.Helper()
				address := strings.Replace(server.URL, "https:", "wss:", 1)
				f, err := newFirehose(FirehoseOptions{URL: address, TLS: trust}, stream, envFor(t, server.URL))
				if err != nil {
					t.Fatal(err)
				}
				conn, failed, _ := f.open(t.Context(), client(t, f.peer), "bearer abc")
				if conn != nil {
					_ = conn.CloseNow()
				}
				return judge(t, failed)
			},
			Answer: func(w http.ResponseWriter, r *http.Request) {
				if conn, err := websocket.Accept(w, r, nil); err == nil {
					_ = conn.CloseNow()
				}
			},
		})
	})
}
