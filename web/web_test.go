package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/internal/leaks"
	"loggregator_exporter/store"
)

func TestMain(m *testing.M) { os.Exit(leaks.Check(m.Run())) }

var quiet = slog.New(slog.DiscardHandler)

func pages() Pages {
	return Pages{
		Metrics:       http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }),
		TelemetryPath: "/metrics",
		Ready:         func() (bool, string) { return true, "" },
		Version:       "1.2.3 <dev>",
		Cardinality: func() store.Offenders {
			return store.Offenders{
				Metrics: []store.Offender{{Metric: "cf_a", Label: "b", Values: 2, Series: 3}},
				Owners:  []store.Offender{},
			}
		},
	}
}

func get(t *testing.T, p Pages, method, path string) (int, string) {
	t.Helper()
	h, err := NewHandler(p)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String()
}

func TestPages(t *testing.T) {
	notReady := pages()
	notReady.Ready = func() (bool, string) { return false, "no source is connected: rlp" }
	elsewhere := pages()
	elsewhere.TelemetryPath = "/federate"
	reloading, failing := pages(), pages()
	reloading.Reload = func() error { return nil }
	failing.Reload = func() error { return errors.New("rules.yaml:3:5: no such thing") }
	profiled := pages()
	profiled.Pprof = true
	for _, tc := range []struct {
		name         string
		pages        Pages
		method, path string
		status       int
		body         string // the whole body, where not empty
	}{
		{"healthy", pages(), "GET", "/-/healthy", 200, "OK\n"},
		{"healthy by HEAD", pages(), "HEAD", "/-/healthy", 200, ""},
		{"healthy while not ready", notReady, "GET", "/-/healthy", 200, "OK\n"},
		{"ready", pages(), "GET", "/-/ready", 200, "OK\n"},
		{"not ready", notReady, "GET", "/-/ready", 503, "not ready: no source is connected: rlp\n"},
		{"metrics", pages(), "GET", "/metrics", 200, "up 1\n"},
		{"metrics elsewhere", elsewhere, "GET", "/federate", 200, "up 1\n"},
		{"metrics moved away", elsewhere, "GET", "/metrics", 404, ""},
		{"metrics only read", pages(), "POST", "/metrics", 405, ""},
		{
			"reload off", pages(), "POST", "/-/reload", 403,
			"reloading by request is off: set web.enable_lifecycle, or send SIGHUP\n",
		},
		{"reload", reloading, "POST", "/-/reload", 200, "OK\n"},
		{"reload by PUT", reloading, "PUT", "/-/reload", 200, "OK\n"},
		{"reload is no page", reloading, "GET", "/-/reload", 405, ""},
		{
			"reload fails", failing, "POST", "/-/reload", 500,
			"reload failed, the old rules stay in force: rules.yaml:3:5: no such thing\n",
		},
		{
			"cardinality", pages(), "GET", "/api/v1/cardinality", 200,
			`{"metrics":[{"metric":"cf_a","label":"b","values":2,"series":3}],"owners":[]}` + "\n",
		},
		{"unknown", pages(), "GET", "/nothing", 404, ""},
		{"profiles off", pages(), "GET", "/debug/pprof/", 404, ""},
		{"heap off", pages(), "GET", "/debug/pprof/heap", 404, ""},
		{"profiles on", profiled, "GET", "/debug/pprof/", 200, ""},
		{"heap on", profiled, "GET", "/debug/pprof/heap", 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body := get(t, tc.pages, tc.method, tc.path)
			if status != tc.status || tc.body != "" && body != tc.body {
				t.Errorf("%d %q, want %d %q", status, body, tc.status, tc.body)
			}
		})
	}
}

func TestLandingPage(t *testing.T) {
	p := pages()
	p.TelemetryPath = "/cf/metrics"
	status, body := get(t, p, "GET", "/")
	if status != 200 {
		t.Fatal(status, body)
	}
	for _, want := range []string{
		"<h1>loggregator_exporter</h1>", "Version: 1.2.3 &lt;dev&gt;",
		`<a href="/cf/metrics">Metrics</a>`, `<a href="/-/healthy">Health</a>`, `<a href="/-/ready">Readiness</a>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in the page:\n%s", want, body)
		}
	}
	if strings.Contains(body, "debug/pprof") {
		t.Error("the page links profiles that are off")
	}
	p.Pprof = true
	if _, body = get(t, p, "GET", "/"); !strings.Contains(body, `<a href="/debug/pprof/">Profiles</a>`) {
		t.Error("the page does not link profiles that are on")
	}
}

// start runs a server and returns it with a way to stop it, and what Run returned.
func start(t *testing.T, h http.Handler, configFile string) (s *Server, stop context.CancelFunc, done <-chan error) {
	t.Helper()
	s = New(h, Options{Address: "127.0.0.1:0", ConfigFile: configFile, Log: quiet})
	if _, err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx) }()
	t.Cleanup(cancel)
	return s, cancel, result
}

// checkClosed is for after Run. Whether the port answers would say less: another process may have got it since.
func checkClosed(t *testing.T, s *Server) {
	t.Helper()
	if _, err := s.pages.listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the port is still open: %v", err)
	}
}

func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// oneConnection is a port to which one connection is made.
type oneConnection struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *oneConnection) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConnection) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (*oneConnection) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// TestGracefulStop: a request under way when the server is told to stop gets its whole answer within the time that it
// has for it, a new one none. Time is the bubble's.
func TestGracefulStop(t *testing.T) {
	for _, tc := range []struct {
		takes time.Duration
		want  string
	}{
		{stopTimeout - time.Second, "whole"},
		{stopTimeout + time.Second, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			here, there := net.Pipe()
			l := &oneConnection{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
			l.conns <- there
			ctx, stop := context.WithCancel(t.Context())
			handled := make(chan struct{})
			s := New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				defer close(handled)
				stop()
				<-l.closed
				<-time.After(tc.takes)
				_, _ = io.WriteString(w, "whole")
			}), Options{Log: quiet})
			s.pages.listener = l
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				return here,
					nil
			}}
			defer transport.CloseIdleConnections()
			res, err := (&http.Client{Transport: transport}).Get("http://pipe")
			var body []byte
			if err == nil {
				body, err = io.ReadAll(res.Body)
				_ = res.Body.Close()
			}
			if string(body) != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("%v: %q, %v", tc.takes, body, err)
			}
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
			<-handled
		})
	}
}

// TestStopBeforeRun: a stop that comes before the server serves is not lost.
func TestStopBeforeRun(t *testing.T) {
	s := New(http.NotFoundHandler(), Options{Address: "127.0.0.1:0", Log: quiet})
	if _, err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestBusyPort(t *testing.T) {
	s, stop, done := start(t, http.NotFoundHandler(), "")
	address := s.pages.listener.Addr().String()
	_, err := New(http.NotFoundHandler(), Options{Address: address, Log: quiet}).Listen(t.Context())
	want := "cannot listen on " + address + ", which is in use: choose another address by --web.listen_address, " +
		"for example --web.listen_address=127.0.0.1:9287: " +
		"listen tcp " + address + ": bind: address already in use"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	checkClosed(t, s)
}

// writeUsers writes a web configuration file with a user and returns its name. The password is "fakepassword", as in
// the toolkit's own documentation of its dummy hash.
func writeUsers(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "web.yml")
	hash := "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
	if err := os.WriteFile(file, []byte("basic_auth_users: {probe: "+hash+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestProbes asks for pages without a password: probes are answered at Address only if that is allowed, and always at
// ProbeAddress, which has nothing else.
func TestProbes(t *testing.T) {
	h, err := NewHandler(pages())
	if err != nil {
		t.Fatal(err)
	}
	ready := func() (bool, string) { return false, "no source is connected: rlp" }
	for _, tc := range []struct {
		withoutAuth, address bool
		pages, probes        map[string]int // status by path
	}{
		{pages: map[string]int{"/": 401, "/metrics": 401, "/-/healthy": 401, "/-/ready": 401, "/-/reload": 401}},
		{withoutAuth: true, pages: map[string]int{
			"/": 401, "/metrics": 401, "/-/healthy": 200, "/-/ready": 503, "/-/reload": 401, "/-/healthy/": 401, "/-/": 401,
		}},
		{
			address: true,
			pages:   map[string]int{"/metrics": 401, "/-/healthy": 401},
			probes:  map[string]int{"/": 404, "/metrics": 404, "/-/healthy": 200, "/-/ready": 503, "/-/reload": 404},
		},
		{
			withoutAuth: true, address: true,
			pages:  map[string]int{"/metrics": 401, "/-/healthy": 200},
			probes: map[string]int{"/metrics": 404, "/-/ready": 503},
		},
	} {
		options := Options{
			Address: "127.0.0.1:0", ConfigFile: writeUsers(t), Log: quiet,
			Probes: NewProbeHandler(ready), ProbeWithoutAuth: tc.withoutAuth,
		}
		if tc.address {
			options.ProbeAddress = "127.0.0.1:0"
		}
		s := New(h, options)
		if _, err := s.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		c := client(t)
		check := func(e *endpoint, want map[string]int) {
			for path, status := range want {
				res, err := c.Get("http://" + e.listener.Addr().String() + path)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode != status {
					t.Errorf("%+v: %s: %d, want %d", tc, path, res.StatusCode, status)
				}
			}
		}
		check(&s.pages, tc.pages)
		check(&s.probes, tc.probes)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		checkClosed(t, s)
		if tc.address {
			if _, err := s.probes.listener.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the port for probes is still open: %v", err)
			}
		}
	}
}

// TestBusyProbeAddress: the error names the setting, and the other port is given back.
func TestBusyProbeAddress(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	address := busy.Addr().String()
	s := New(http.NotFoundHandler(), Options{Address: "127.0.0.1:0", ProbeAddress: address, Log: quiet})
	_, err = s.Listen(t.Context())
	want := "cannot listen on " + address + ", which is in use: choose another address by --web.probe_address, " +
		"for example --web.probe_address=127.0.0.1:9288: listen tcp " + address + ": bind: address already in use"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	checkClosed(t, s)
}

// TestWrongConfigFileEndsProbes: Run fails, and both ports are given back.
func TestWrongConfigFileEndsProbes(t *testing.T) {
	s := New(http.NotFoundHandler(), Options{
		Address: "127.0.0.1:0", ProbeAddress: "127.0.0.1:0", Log: quiet,
		ConfigFile: filepath.Join(t.TempDir(), "missing.yml"),
	})
	if _, err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "missing.yml: no such file") {
		t.Errorf("got %v", err)
	}
	checkClosed(t, s)
	if _, err := s.probes.listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the port for probes is still open: %v", err)
	}
}

func TestBasicAuth(t *testing.T) {
	file := writeUsers(t)
	h, err := NewHandler(pages())
	if err != nil {
		t.Fatal(err)
	}
	s, stop, done := start(t, h, file)
	c := client(t)
	for password, want := range map[string]int{"fakepassword": 200, "wrong": 401} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			"http://"+s.pages.listener.Addr().String()+"/metrics",
			nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("probe", password)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", password, res.StatusCode, want)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestWrongConfigFile: Run fails and gives the port back.
func TestWrongConfigFile(t *testing.T) {
	s, _, done := start(t, http.NotFoundHandler(), filepath.Join(t.TempDir(), "missing.yml"))
	if err := <-done; err == nil || !strings.Contains(err.Error(), "missing.yml: no such file") {
		t.Errorf("got %v", err)
	}
	checkClosed(t, s)
}
