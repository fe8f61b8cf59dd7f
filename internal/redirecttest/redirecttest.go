// Package redirecttest holds the test that each of the exporter's HTTP clients passes: a redirect is followed to the
// same scheme, host and port only.
package redirecttest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"loggregator_exporter/internal/outgoing"
)

// Client is a client under test.
type Client struct {
	Method string
	TLS    bool // whether the client speaks https
	// Ask makes the client send one request to a server, under any path. The error is what the client says of the answer.
	Ask func(t *testing.T, server *httptest.Server) error
	// Answer answers a request that was redirected as it should be, so that Ask returns no error.
	Answer http.HandlerFunc
}

// Run plays all redirects to a client.
func Run(t *testing.T, c Client) {
	t.Helper()
	onOther := func(_, other *url.URL) string { return other.JoinPath("redirected").String() }
	for _, tc := range []struct {
		name   string
		status int
		// target makes the address to redirect to of the server's and of another server's.
		target  func(server, other *url.URL) string
		follows bool
	}{
		{"same server, path", 307, func(_, _ *url.URL) string { return "/redirected" }, true},
		{"same server, address", 308, func(server, _ *url.URL) string {
			return server.JoinPath("redirected").String()
		}, true},
		{"same server, 302", 302, func(_, _ *url.URL) string { return "/redirected" }, c.Method == http.MethodGet},
		{"another port", 307, onOther, false},
		{"another port, 301", 301, onOther, false},
		{"another host", 308, func(server, _ *url.URL) string {
			return server.Scheme + "://localhost:" + server.Port() + "/redirected"
		}, false},
		{"another scheme", 307, func(server, _ *url.URL) string {
			return map[string]string{"http": "https", "https": "http"}[server.Scheme] + "://" + server.Host + "/redirected"
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := recorder{t: t, client: &c, status: tc.status}
			server, other := r.serve(c.TLS), r.serve(c.TLS)
			from, to := parse(t, server.URL), parse(t, other.URL)
			target := tc.target(from, to)
			r.redirectTo(target)
			err := c.Ask(t, server)
			if tc.follows {
				r.checkFollowed(err)
				return
			}
			if err == nil || !strings.Contains(err.Error(), "the redirect from "+from.String()) ||
				!strings.Contains(err.Error(), outgoing.Address(from.ResolveReference(parse(t, target)))) {
				t.Errorf("the error names not both addresses: %v", err)
			}
			if _, ok := errors.AsType[*outgoing.RedirectError](err); !ok {
				t.Errorf("want a RedirectError: %v", err)
			}
			if len(r.redirected) > 0 {
				t.Errorf("%d requests followed the redirect", len(r.redirected))
			}
		})
	}
}

// recorder serves redirects and notes what arrives at any of its servers.
type recorder struct {
	t      *testing.T
	client *Client
	status int

	mu         sync.Mutex
	target     string
	first      arrival   // the last one that was answered with a redirect
	redirected []arrival // at the address that redirects name, on any server
}

type arrival struct{ method, authorization, body string }

func (r *recorder) serve(withTLS bool) *httptest.Server {
	server := httptest.NewUnstartedServer(r)
	server.Config.ErrorLog = nil
	if withTLS {
		server.StartTLS()
	} else {
		server.Start()
	}
	r.t.Cleanup(server.Close)
	return server
}

// redirectTo sets the target. The lock is needed, since the race detector knows nothing of requests that a client sends
// without telling the runtime, as those of nozzle/gather do.
func (r *recorder) redirectTo(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Error(err)
	}
	a := arrival{req.Method, req.Header.Get("Authorization"), string(body)}
	if req.URL.Path == "/redirected" {
		r.mu.Lock()
		r.redirected = append(r.redirected, a)
		r.mu.Unlock()
		r.client.Answer(w, req)
		return
	}
	r.mu.Lock()
	r.first = a
	w.Header().Set("Location", r.target)
	r.mu.Unlock()
	w.WriteHeader(r.status)
}

// checkFollowed requires the same request twice: the redirected one keeps method, credentials and body.
func (r *recorder) checkFollowed(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.redirected) != 1 || r.redirected[0] != r.first || r.first.method != r.client.Method {
		r.t.Errorf("want the same %s request twice: %+v, then %+v", r.client.Method, r.first, r.redirected)
	}
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
