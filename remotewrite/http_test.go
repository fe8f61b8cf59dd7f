package remotewrite

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Requests reach a real server over TLS with whatever authentication is configured.
func TestAuthentication(t *testing.T) {
	got := make(chan *http.Request, 100)
	mux := http.NewServeMux()
	mux.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		got <- r
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Form.Get("audience") != "metrics" || r.Form.Get("scope") != "write" {
			t.Errorf("%v: %v", err, r.Form)
		}
		if user, password, _ := r.BasicAuth(); user != "client" || password != "hush" {
			t.Errorf("%s %s", user, password)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"access_token":"granted","token_type":"bearer","expires_in":3600}`)
	})
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	ca := write(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))

	for _, tc := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"basic", func(o *Options) { o.BasicAuth = BasicAuth{"me", write(t, "hush\n")} }, "Basic bWU6aHVzaA=="},
		{"bearer", func(o *Options) { o.BearerTokenFile = write(t, "token\n") }, "Bearer token"},
		{"oauth2", func(o *Options) {
			o.OAuth2 = OAuth2{
				TokenURL: server.URL + "/token", ClientID: "client", ClientSecretFile: write(t, "hush"), Scopes: []string{"write"},
				EndpointParams: []SecretPair{{Name: "audience", Value: "metrics"}}, CAFile: ca,
			}
		}, "Bearer granted"},
		{"none", func(*Options) {}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := testOptions(Protocol1)
			o.URL, o.TLS = server.URL+"/write", TLS{CAFile: ca, ServerName: "example.com"}
			o.Headers = []SecretPair{{Name: "X-Scope-OrgID", ValueFile: write(t, "tenant\n")}, {Name: "Host", Value: "virtual"}}
			tc.change(&o)
			p, err := New(o, many(3), prometheus.NewRegistry(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			r := <-got
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			for len(got) > 0 {
				<-got
			}
			if a := r.Header.Get("Authorization"); a != tc.want {
				t.Errorf("Authorization %q, want %q", a, tc.want)
			}
			if r.Header.Get("X-Scope-OrgID") != "tenant" || r.Host != "virtual" {
				t.Errorf("%s %v", r.Host, r.Header)
			}
		})
	}
}

// A server with a wrong certificate gets no request, and errors do not show the password in the URL.
func TestUnknownServer(t *testing.T) {
	server := httptest.NewUnstartedServer(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request came") }),
	)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	o := testOptions(Protocol1)
	o.URL = strings.Replace(server.URL, "https://", "https://user:secret@", 1)
	p, err := New(o, many(3), prometheus.NewRegistry(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a := p.sender.client.send(t.Context(), plainRequest)
	text := fmt.Sprint(a.err)
	if a.verdict != retryable || strings.Contains(text, "secret") || !strings.Contains(text, "certificate") {
		t.Errorf("%+v", a)
	}
	p.http.CloseIdleConnections()
}

func TestNewFails(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"missing.crt":                func(o *Options) { o.TLS.CAFile = "missing.crt" },
		"at most one of basic_auth,": func(o *Options) { o.BasicAuth.Username, o.BearerTokenFile = "a", "b" },
	} {
		o := testOptions(Protocol1)
		change(&o)
		_, err := New(o, many(1), prometheus.NewRegistry(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err == nil || !strings.HasPrefix(err.Error(), "remote_write: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want something of %s", err, want)
		}
	}
	reg := prometheus.NewRegistry()
	for i := range 2 {
		_, err := New(testOptions(Protocol1), many(1), reg, reg, slog.New(slog.DiscardHandler))
		if (err != nil) != (i == 1) {
			t.Error(i, err)
		}
	}
}

func TestSetDefaultLabels(t *testing.T) {
	for _, tc := range []struct {
		have []Pair
		want string
	}{
		{nil, "[{job loggregator_exporter} {instance host}]"},
		{[]Pair{{"a", "b"}, {"instance", "mine"}}, "[{a b} {instance mine} {job loggregator_exporter}]"},
	} {
		o := Options{ExternalLabels: tc.have}
		o.SetDefaultLabels("host")
		if got := fmt.Sprint(o.ExternalLabels); got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "-1": 0, "0": 0, "7": 7 * time.Second, "99999": time.Hour, "99999999999999999999": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
		now.Add(24 * time.Hour).Format(http.TimeFormat): time.Hour,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
