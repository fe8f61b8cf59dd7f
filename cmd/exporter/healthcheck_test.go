package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/config"
	"loggregator_exporter/internal/redirecttest"
	"loggregator_exporter/web"
)

// serveProbes starts a web server on a port of its own and returns its address. It stops at the end of the test.
func serveProbes(t *testing.T, configFile string, ready func() (bool, string)) string {
	t.Helper()
	handler, err := web.NewHandler(web.Pages{Metrics: http.NotFoundHandler(), TelemetryPath: "/metrics", Ready: ready})
	if err != nil {
		t.Fatal(err)
	}
	s := web.New(handler, web.Options{Address: "127.0.0.1:0", ConfigFile: configFile, Log: slog.New(slog.DiscardHandler)})
	addr, err := s.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return addr.String()
}

func isReady() (bool, string) { return true, "" }

func TestHealthcheckPlain(t *testing.T) {
	address := serveProbes(t, "", func() (bool, string) { return false, "no source is connected: rlp" })
	if status, out, errs := command(t, "healthcheck", "--timeout=5m", "--web.listen_address="+address); status != 0 ||
		out != "OK\n" {
		t.Error(status, out, errs)
	}
	status, out, errs := command(t, "healthcheck", "--timeout=5m", "--ready", "--web.listen_address="+address)
	want := "http://" + address + `/-/ready: status 503: "not ready: no source is connected: rlp"` + "\n"
	if status != 1 || out != "" || errs != want {
		t.Errorf("%d %q\ngot  %swant %s", status, out, errs, want)
	}
}

// TestHealthcheckNobodyThere asks at the near end of a connection: a port at which nobody listens, and which nobody
// else can get meanwhile.
func TestHealthcheckNobodyThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	status, _, errs := command(t, "healthcheck", "--timeout=5m", "--web.listen_address="+conn.LocalAddr().String())
	if status != 1 || !strings.Contains(errs, "asking the exporter: ") || !strings.Contains(errs, "refused") {
		t.Error(status, errs)
	}
}

// TestHealthcheckTimeout asks a server that accepts connections and never answers.
func TestHealthcheckTimeout(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	status, _, errs := command(t, "healthcheck", "--timeout=50ms", "--web.listen_address="+listener.Addr().String())
	// Which one depends on how far it came.
	if status != 1 || !strings.Contains(errs, "deadline exceeded") && !strings.Contains(errs, "i/o timeout") {
		t.Error(status, errs)
	}
}

func TestHealthcheckTLSAndPassword(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	writeCertificate(t, dir)
	writeCertificate(t, other)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// The hash is that of "fakepassword".
	users := "basic_auth_users: {probe: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi}\n"
	webFile := write("web.yml", "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n"+users)
	otherFile := write("other.yml", "tls_server_config: {cert_file: "+other+"/tls.crt, key_file: "+other+"/tls.key}\n"+users)
	plainFile := write("plain.yml", users)
	login := []string{"--username=probe", "--password-file=" + write("password", "fakepassword\n")}
	wrongLogin := []string{"--username=probe", "--password-file=" + write("wrong", "guess")}
	address := serveProbes(t, webFile, isReady)

	for _, tc := range []struct {
		name    string
		file    string
		args    []string
		problem string // a part of the message; "" where it is well
	}{
		{"certificate of the configuration", webFile, login, ""},
		{"another certificate", otherFile, login, "the certificate is not the one that web.config_file names"},
		{"any certificate", otherFile, append(login, "--insecure-skip-verify"), ""},
		{"signed by a CA", otherFile, append(login, "--ca-file="+dir+"/tls.crt", "--server-name=exporter"), ""},
		{
			"signed by another CA", webFile, append(login, "--ca-file="+other+"/tls.crt", "--server-name=exporter"),
			"certificate",
		},
		{"signed for another name", webFile, append(login, "--ca-file="+dir+"/tls.crt"), "doesn't contain any IP SANs"},
		{"no password", webFile, nil, "/-/healthy: the exporter wants other credentials: give --username and --password-file"},
		{"wrong password", webFile, wrongLogin, "the exporter wants other credentials"},
		{"half a password", webFile, login[:1], "--username and --password-file belong together"},
		{"no TLS where there is TLS", plainFile, login, "status 400"},
		{"no such CA file", webFile, append(login, "--ca-file=missing"), "--ca-file: open missing"},
		{"no CA in the file", webFile, append(login, "--ca-file="+dir+"/password"), "holds no certificate in PEM form"},
		{"broken web file", write("broken.yml", "basic_auth_users: hunter2"), login, "(value hidden)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append([]string{
				"healthcheck", "--timeout=5m", "--web.listen_address=" + address,
				"--web.config_file=" + tc.file,
			}, tc.args...)
			status, out, errs := command(t, args...)
			if tc.problem == "" && (status != 0 || out != "OK\n") || tc.problem != "" &&
				(status != 1 || !strings.Contains(errs, tc.problem)) {
				t.Errorf("status %d, %q, %q", status, out, errs)
			}
			if strings.Contains(errs, "hunter2") || strings.Contains(errs, "fakepassword") {
				t.Error("a secret is shown: " + errs)
			}
		})
	}
}

func TestLoopback(t *testing.T) {
	for in, want := range map[string]string{
		":9286": "127.0.0.1:9286", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "[::1]:1", "10.0.0.1:1": "10.0.0.1:1",
		"host:1": "host:1", "[fe80::1]:2": "[fe80::1]:2",
	} {
		if got := loopback(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestHealthcheckRedirects checks that a password reaches the configured address only.
func TestHealthcheckRedirects(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	redirecttest.Run(t, redirecttest.Client{
		Method: http.MethodGet,
		Ask: func(t *testing.T, server *httptest.Server) error {
			t.Helper()
			p := probe{connection: connection{timeout: 5 * time.Minute, username: "me", passwordFile: file}}
			_, err := p.ask(t.Context(), &config.Web{ListenAddress: strings.TrimPrefix(server.URL, "http://")})
			return err
		},
		Answer: func(http.ResponseWriter, *http.Request) {},
	})
}

// TestHealthcheckProbeAddress: the address for probes is asked, if there is one, without TLS and without the password.
func TestHealthcheckProbeAddress(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir)
	webFile := filepath.Join(dir, "web.yml")
	if err := os.WriteFile(webFile, []byte("tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("fakepassword"), 0o600); err != nil {
		t.Fatal(err)
	}
	authorization := make(chan string, 1)
	probes := web.NewProbeHandler(func() (bool, string) { return false, "no source is connected: rlp" })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization <- r.Header.Get("Authorization")
		probes.ServeHTTP(w, r)
	}))
	defer server.Close()
	address := server.Listener.Addr().String()
	for _, tc := range []struct {
		ready     bool
		status    int
		out, errs string
	}{
		{false, 0, "OK\n", ""},
		{true, 1, "", "http://" + address + `/-/ready: status 503: "not ready: no source is connected: rlp"` + "\n"},
	} {
		args := []string{
			"healthcheck", "--timeout=5m", "--username=probe", "--password-file=" + password,
			"--web.listen_address=127.0.0.1:1", "--web.config_file=" + webFile, "--web.probe_address=" + address,
		}
		if tc.ready {
			args = append(args, "--ready")
		}
		status, out, errs := command(t, args...)
		if status != tc.status || out != tc.out || errs != tc.errs {
			t.Errorf("%d %q %q, want %+v", status, out, errs, tc)
		}
		if got := <-authorization; got != "" {
			t.Errorf("the password was sent without TLS: %s", got)
		}
	}
}

// TestProbeWithoutAuth: the setting reaches the server.
func TestProbeWithoutAuth(t *testing.T) {
	webFile := filepath.Join(t.TempDir(), "web.yml")
	users := "basic_auth_users: {probe: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi}\n"
	if err := os.WriteFile(webFile, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{false, true} {
		cfg := testConfig()
		cfg.Web.ConfigFile, cfg.Web.ProbeWithoutAuth = webFile, on
		r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
		want := map[string]int{"/metrics": 401, "/-/healthy": 401, "/-/ready": 401}
		if on {
			want["/-/healthy"], want["/-/ready"] = 200, 200
		}
		for path, status := range want {
			if got, body := fetch(t, "http://"+r.Web.String()+path); got != status {
				t.Errorf("%v: %s: %d %s, want %d", on, path, got, body, status)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}
