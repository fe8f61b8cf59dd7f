package remotewrite

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"loggregator_exporter/internal/redirecttest"
)

// plainRequest is one that tests of the client send.
var plainRequest = &request{body: []byte("x")} // constant

// withTokens is the configuration of a receiver that wants the tokens of a server.
func withTokens(t *testing.T, receiver, tokens string) Options {
	t.Helper()
	o := testOptions(Protocol1)
	o.URL = receiver
	o.OAuth2 = OAuth2{TokenURL: tokens, ClientID: "client", ClientSecretFile: write(t, "hush")}
	return o
}

// A token server that accepts connections and never answers delays requests by their timeout at most, and does not
// delay the stop.
func TestSilentTokenServer(t *testing.T) {
	asked, over := make(chan struct{}, 1000), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-over
	}))
	defer server.Close()
	defer close(over)

	o := withTokens(t, server.URL, server.URL+"/token")
	o.Timeout = time.Millisecond
	p, _ := newPusher(t, o, many(3), nil)
	client, err := o.client()
	if err != nil {
		t.Fatal(err)
	}
	p.sender.client.http = client
	if a := p.sender.client.send(
		t.Context(),
		plainRequest,
	); a.verdict != retryable ||
		!strings.HasPrefix(a.err.Error(), "no token from remote_write.oauth2.token_url: ") {
		t.Errorf("%+v", a)
	}
	// One waits for the server, the others for the one.
	p.sender.client.options.Timeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	const requests = 3
	done := make(chan answer, requests)
	for range requests {
		go func() { done <- p.sender.client.send(ctx, plainRequest) }()
	}
	<-asked
	cancel()
	for range requests {
		if a := <-done; a.verdict != retryable || !strings.Contains(a.err.Error(), "context canceled") {
			t.Errorf("%+v", a)
		}
	}
	client.CloseIdleConnections()
}

// A refusal of the token server is one line of the error. A token is used until the secret changes, and no server but
// the receiver gets it.
func TestTokens(t *testing.T) {
	granted, elsewhere := 0, make(chan string, 10)
	other := httptest.NewServer(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { elsewhere <- r.Header.Get("Authorization") }),
	)
	defer other.Close()
	seen := make(chan string, 10)
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password == "wrong" {
			http.Error(w, "bad secret\n"+strings.Repeat("x", 1<<20), http.StatusUnauthorized)
			return
		}
		granted++
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"t%d","token_type":"bearer","expires_in":3600}`, granted)
	})
	mux.HandleFunc("/write", func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Get("Authorization") })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	o := withTokens(t, server.URL+"/write", server.URL+"/token")
	secret := func(text string) {
		if err := os.WriteFile(o.OAuth2.ClientSecretFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client, err := o.client()
	if err != nil {
		t.Fatal(err)
	}
	c := clientOf(t, &o, client)
	for _, step := range []struct{ secret, want string }{{"a", "Bearer t1"}, {"a\n", "Bearer t1"}, {"b", "Bearer t2"}} {
		secret(step.secret)
		if a := c.send(t.Context(), plainRequest); a.verdict != accepted {
			t.Fatalf("%+v", a)
		}
		if got := <-seen; got != step.want {
			t.Errorf("secret %q: %q, want %q", step.secret, got, step.want)
		}
	}
	c.options.URL = server.URL + "/moved"
	if a := c.send(t.Context(), plainRequest); a.verdict != refused || len(elsewhere) > 0 {
		t.Errorf("another host gets a request: %+v", a)
	}
	secret("wrong")
	const want = "no token from remote_write.oauth2.token_url: status 401: bad secret"
	if a := c.send(t.Context(), plainRequest); a.verdict != retryable || a.err.Error() != want {
		t.Errorf("%+v, want %s", a, want)
	}
	client.CloseIdleConnections()
}

// A token that is revoked before it expires costs no samples. If the receiver refuses every token, the request fails
// with its answer.
func TestRevokedToken(t *testing.T) {
	granted, valid := 0, "Bearer t1"
	var seen []string
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		granted++
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"t%d","token_type":"bearer","expires_in":3600}`, granted)
	})
	mux.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		seen = append(seen, r.Header.Get("Authorization")+" "+string(body))
		if r.Header.Get("Authorization") != valid {
			http.Error(w, "no", http.StatusUnauthorized)
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	o := withTokens(t, server.URL+"/write", server.URL+"/token")
	client, err := o.client()
	if err != nil {
		t.Fatal(err)
	}
	c := clientOf(t, &o, client)
	for _, step := range []struct {
		valid, err string
		seen       []string
	}{
		{"Bearer t1", "", []string{"Bearer t1 x"}},
		{"Bearer t2", "", []string{"Bearer t1 x", "Bearer t2 x"}},
		{"Bearer t2", "", []string{"Bearer t2 x"}},
		{"none", "status 401: no", []string{"Bearer t2 x", "Bearer t3 x"}},
	} {
		valid, seen = step.valid, nil
		a := c.send(t.Context(), plainRequest)
		if got := fmt.Sprint(a.err); step.err == "" && a.verdict != accepted ||
			step.err != "" && (a.verdict != refused || got != step.err) {
			t.Errorf("%+v, want %q", a, step.err)
		}
		if !slices.Equal(seen, step.seen) {
			t.Errorf("%q, want %q", seen, step.seen)
		}
	}
	client.CloseIdleConnections()
}

func clientOf(t *testing.T, o *Options, h *http.Client) *client {
	t.Helper()
	p, _ := newPusher(t, *o, many(1), nil)
	p.sender.client.http = h
	return p.sender.client
}

// Neither the receiver's credentials nor those of the token client are sent to any server but the configured one.
func TestRedirects(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"basic_auth": func(o *Options) { o.BasicAuth = BasicAuth{"me", write(t, "hush")} },
		"bearer":     func(o *Options) { o.BearerTokenFile = write(t, "hush") },
		"headers":    func(o *Options) { o.Headers = []SecretPair{{Name: "X-Api-Key", Value: "hush"}} },
		"password in the URL": func(o *Options) {
			o.URLFile, o.URL = write(t, strings.Replace(o.URL, "://", "://me:hush@", 1)), ""
		},
	} {
		for _, withTLS := range []bool{false, true} {
			t.Run(fmt.Sprint("receiver/", name, "/", withTLS), func(t *testing.T) {
				redirecttest.Run(t, redirecttest.Client{
					Method: http.MethodPost, TLS: withTLS,
					Ask: func(t *testing.T, server *httptest.Server) error {
						t.Helper()
						o := testOptions(Protocol1)
						o.URL, o.TLS = server.URL+"/write?key=hush", TLS{SkipVerify: true}
						change(&o)
						client, err := o.client()
						if err != nil {
							t.Fatal(err)
						}
						defer client.CloseIdleConnections()
						a := clientOf(t, &o, client).send(t.Context(), plainRequest)
						if a.err != nil && (a.verdict != refused || strings.Contains(a.err.Error(), "hush")) {
							t.Errorf("%+v", a)
						}
						return a.err
					},
					Answer: func(http.ResponseWriter, *http.Request) {},
				})
			})
		}
	}
	t.Run("token", func(t *testing.T) {
		redirecttest.Run(t, redirecttest.Client{
			Method: http.MethodPost,
			Ask: func(t *testing.T, server *httptest.Server) error {
				t.Helper()
				receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				defer receiver.Close()
				o := withTokens(t, receiver.URL, server.URL+"/token")
				o.OAuth2.EndpointParams = []SecretPair{{Name: "assertion", ValueFile: write(t, "hush\n")}}
				client, err := o.client()
				if err != nil {
					t.Fatal(err)
				}
				defer client.CloseIdleConnections()
				a := clientOf(t, &o, client).send(t.Context(), plainRequest)
				if a.err != nil && a.verdict != retryable { // the token server may recover
					t.Errorf("%+v", a)
				}
				return a.err
			},
			Answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = fmt.Fprint(w, `{"access_token":"granted","token_type":"bearer","expires_in":3600}`)
			},
		})
	})
}

// A request that is too large for the receiver is sent in parts.
func TestTooLarge(t *testing.T) {
	r := &receiver{answer: func(_ *http.Request, series []received) (int, http.Header, error) {
		if len(series) > 60 {
			return http.StatusRequestEntityTooLarge, nil, nil
		}
		return http.StatusNoContent, nil, nil
	}}
	p, log := newPusher(t, testOptions(Protocol1), many(200), r)
	p.rounds.metadata = nil
	p.rounds.collect(t.Context(), time.Minute)
	p.queue.close()
	p.sender.run(t.Context())
	if got := testutil.ToFloat64(p.rounds.metrics.of[contentSamples].taken); got != 200 || log.Len() > 0 {
		t.Errorf("%v taken: %s", got, log)
	}
}
