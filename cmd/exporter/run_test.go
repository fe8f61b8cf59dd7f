package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/config"
	"loggregator_exporter/nozzle"
)

func testConfig() *config.Config {
	cfg := config.Default()
	cfg.Web.ListenAddress, cfg.Nozzle.UDP.ListenAddress = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Nozzle.Stream.IdleTimeout = time.Hour // no foundation of a test is idle, however long it takes to come to its next step
	return cfg
}

// startService runs a service until stop, which returns what came of it. Unlike serve it gives the service all the
// time that it takes to stop.
func startService(t *testing.T, cfg *config.Config, log *slog.Logger) (r running, stop func() error) {
	t.Helper()
	return startReloading(t, cfg, nil, log)
}

// startReloading runs a service whose configuration is loaded anew by load, where that is not nil.
func startReloading(t *testing.T, cfg *config.Config, load func() (*config.Config, error),
	log *slog.Logger,
) (r running, stop func() error) {
	t.Helper()
	s, err := assemble(cfg, load, log)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := s.server.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	started, done := make(chan running, 1), make(chan error, 1)
	go func() { done <- s.run(ctx, addr, hooks{started: func(r running) { started <- r }}) }()
	stop = func() error {
		cancel()
		return <-done
	}
	select {
	case r = <-started:
		return r, stop
	case err := <-done:
		cancel()
		t.Fatal(err)
		return r, nil
	}
}

// patience is how long a test waits for what must come, on a machine that may be busy with anything else.
const patience = 5 * time.Minute

// awaitPage scrapes until a page holds all the texts, and returns it. The exporter's own metrics and its series are
// not read at one moment, and neither are two metrics of its own.
func awaitPage(t *testing.T, r running, texts ...string) string {
	t.Helper()
	for began := time.Now(); ; {
		_, page := fetch(t, "http://"+r.Web.String()+"/metrics")
		missing := slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return strings.Contains(page, text) })
		if len(missing) == 0 {
			return page
		}
		if time.Since(began) > patience {
			t.Fatalf("no %q in:\n%s", missing, page)
		}
	}
}

// awaitSamples scrapes until nothing is wrong with the samples of a page.
func awaitSamples(t *testing.T, r running, wrong func(got map[string]float64) []string) {
	t.Helper()
	for began := time.Now(); ; {
		_, page := fetch(t, "http://"+r.Web.String()+"/metrics")
		problems := wrong(samples(t, page))
		if len(problems) == 0 {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("%d problems, such as %q in:\n%s", len(problems), problems[:min(len(problems), 10)], page)
		}
	}
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode, string(body)
}

// TestServe: a datagram that arrives at a service as `exporter run` has it with no configuration ends in a scrape.
func TestServe(t *testing.T) {
	r, stop := startService(t, testConfig(), slog.New(slog.DiscardHandler))
	envelope := &events.Envelope{
		Origin: new("router__0"), EventType: events.Envelope_ValueMetric.Enum(), Timestamp: new(int64(1)),
		ValueMetric: &events.ValueMetric{Name: new("memoryStats.numBytesAllocated"), Value: new(42.0), Unit: new("count")},
	}
	datagram, err := proto.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", r.Listening["udp"].String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(datagram); err != nil {
		t.Fatal(err)
	}
	awaitPage(t, r, `cf_num_bytes_allocated{component="router",index="0",`,
		"loggregator_exporter_build_info{", "\ngo_goroutines ", "\nprocess_open_fds ",
		"\nloggregator_exporter_config_last_reload_successful 1\n",
		"\nloggregator_exporter_config_last_reload_success_timestamp_seconds ",
		`loggregator_exporter_envelopes_received_total{source="udp"} 1`+"\n")
	for path, want := range map[string]int{"/": 200, "/-/healthy": 200, "/-/ready": 200, "/debug/pprof/": 404} {
		if status, body := fetch(t, "http://"+r.Web.String()+path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestServeFails: what cannot work ends the service with an error that names the key to change.
func TestServeFails(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tcp.Close() }()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	for _, tc := range []struct {
		name   string
		change func(*config.Config)
		want   string
	}{
		{"web port in use", func(c *config.Config) { c.Web.ListenAddress = tcp.Addr().String() }, "--web.listen_address"},
		{"probe port in use", func(c *config.Config) { c.Web.ProbeAddress = tcp.Addr().String() }, "--web.probe_address"},
		{
			"datagram port in use", func(c *config.Config) { c.Nozzle.UDP.ListenAddress = udp.LocalAddr().String() },
			"nozzle.udp.listen_address",
		},
		{"web file gone", func(c *config.Config) { c.Web.ConfigFile = "missing.yml" }, "missing.yml"},
		{"rules gone", func(c *config.Config) { c.Tagger.RulesFiles = []string{"missing.yml"} }, "tagger.rules_files"},
		{"certificates gone", func(c *config.Config) {
			c.Nozzle.RLP = nozzle.RLPOptions{Enabled: true, Address: "127.0.0.1:1", ServerName: "rlp"}
		}, "nozzle.rlp.tls"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := testConfig()
			tc.change(cfg)
			err := serve(t.Context(), cfg, slog.New(slog.DiscardHandler), hooks{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want something of %s", err, tc.want)
			}
		})
	}
}

// TestStopAtOnce: a signal during the start is obeyed.
func TestStopAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := serve(ctx, testConfig(), slog.New(slog.DiscardHandler), hooks{}); err != nil &&
		!strings.Contains(err.Error(), "canceled") {
		t.Error(err)
	}
}

func TestNewLogger(t *testing.T) {
	for _, tc := range []struct {
		log  config.Log
		want string
	}{
		{config.Log{Level: "info", Format: "logfmt"}, "level=INFO msg=text key=value\nlevel=ERROR msg=bad\n"},
		{config.Log{Level: "error", Format: "json"}, `{"level":"ERROR","msg":"bad"}` + "\n"},
		{config.Log{Level: "warn", Format: "logfmt"}, "level=ERROR msg=bad\n"},
		{config.Log{Level: "debug", Format: "logfmt"}, "level=DEBUG msg=fine\nlevel=INFO msg=text " +
			"key=value\nlevel=ERROR msg=bad\n"},
	} {
		var out bytes.Buffer
		log := newLogger(tc.log, &out)
		log.Debug("fine")
		log.Info("text", "key", "value")
		log.Error("bad")
		if got := withoutTime(out.String()); got != tc.want {
			t.Errorf("%+v:\n%s", tc.log, got)
		}
	}
}

var logTime = regexp.MustCompile(`time=\S+ |"time":"[^"]+",`)

func withoutTime(text string) string { return logTime.ReplaceAllString(text, "") }
