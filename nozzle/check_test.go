package nozzle

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loggregator_exporter/internal/check"
	"loggregator_exporter/nozzle/filter"
)

// reported collects what checks report: it knows settings by the keys that are set.
type reported struct {
	set                []string
	mistakes, warnings []string
}

func (r *reported) Report(path, problem string) { r.mistakes = append(r.mistakes, path+": "+problem) }
func (r *reported) Warn(path, text string)      { r.warnings = append(r.warnings, path+": "+text) }
func (r *reported) IsSet(key string) bool       { return slices.Contains(r.set, key) }
func (r *reported) IsUnreadable(string) bool    { return false }
func (r *reported) FirstSet(string) string      { return "" }
func (r *reported) Remedy(key string) string    { return "set " + key }
func (r *reported) Example(key string) string   { return "example of " + key }

// TestCheck: each mistake in the options of sources is reported by its key. How messages look in full is in the
// tests of config.
func TestCheck(t *testing.T) {
	stream := StreamOptions{ShardID: "a", Selectors: []string{"gauge"}, IdleTimeout: 30 * time.Second}
	udp := UDPOptions{Enabled: true, ListenAddress: ":1", ReceiveBufferBytes: 1 << 16}
	for _, c := range []struct {
		name    string
		options Options
		want    []string
	}{
		{"nothing wrong", Options{Stream: stream, UDP: udp}, nil},
		{"no source", Options{Stream: stream}, []string{
			"nozzle.udp.enabled: no source is enabled: enable one, for example nozzle.udp or nozzle.rlp",
		}},
		{"stream", Options{
			Stream: StreamOptions{Selectors: []string{"gauge", "gauge"}, IdleTimeout: time.Second},
			UDP:    udp,
		}, []string{
			"nozzle.shard_id: must not be empty: exporters with the same shard id share the stream",
			`nozzle.selectors[1]: "gauge" stands twice`,
			"nozzle.idle_timeout: must be 5s to 1h, is 1s",
		}},
		{"no selectors", Options{Stream: StreamOptions{ShardID: "a", IdleTimeout: time.Minute}, UDP: udp}, []string{
			"nozzle.selectors: must name at least one kind, for example gauge,counter",
		}},
		{"filters", Options{Stream: StreamOptions{
			ShardID: "a", Selectors: []string{"gauge"}, IdleTimeout: time.Minute, Filters: []filter.Filter{{}},
		}, UDP: udp}, []string{
			"nozzle.filters[0]: must have either keep or drop, for example {drop: {kind: timer}}",
		}},
		{
			"udp",
			Options{Stream: stream, UDP: UDPOptions{Enabled: true, ListenAddress: "127.0.0.1", ReceiveBufferBytes: -1}},
			[]string{
				`nozzle.udp.listen_address: "127.0.0.1" is not host:port, for example example of nozzle.udp.listen_address`,
				"nozzle.udp.receive_buffer_bytes: must be 65536 to 1073741824, is -1",
			},
		},
		{"ingress", Options{Stream: stream, Ingress: IngressOptions{
			Enabled: true, ListenAddress: "10.0.0.1:1",
			PortFile: "p",
		}}, []string{
			"nozzle.ingress.tls.ca_file: is needed when nozzle.ingress.enabled is true: set nozzle.ingress.tls.ca_file",
			"nozzle.ingress.tls.cert_file: is needed when nozzle.ingress.enabled is true: set nozzle.ingress.tls.cert_file",
			"nozzle.ingress.tls.key_file: is needed when nozzle.ingress.enabled is true: set nozzle.ingress.tls.key_file",
			"nozzle.ingress.listen_address: the agent that reads nozzle.ingress.port_file dials 127.0.0.1, which does not " +
				"reach \"10.0.0.1:1\"",
		}},
		{"replay", Options{Stream: stream, Replay: ReplayOptions{Enabled: true, Speed: math.Inf(1)}}, []string{
			"nozzle.replay.file: is needed when nozzle.replay.enabled is true: set nozzle.replay.file",
			"nozzle.replay.speed: +Inf is no speed: 1 is that of the recording, 10 is ten times as fast, 0 is as fast as " +
				"possible",
		}},
		{"syslog and otlp", Options{
			Stream: stream,
			Syslog: SyslogOptions{
				Enabled: true, ListenAddress: "127.0.0.1:6067", MaxMessageBytes: 1 << 16, MaxConnections: 10,
			},
			OTLP: OTLPOptions{Enabled: true, ListenAddress: "127.0.0.1:4317", MaxRequestBytes: 1 << 24},
		}, []string{
			"nozzle.otlp.enabled: nozzle.syslog and nozzle.otlp each bring all envelopes of the foundation, so that " +
				"everything counts twice: enable one of them, or set nozzle.allow_overlap to true where they are those of " +
				"different foundations",
		}},
		{"otlp with one address for both protocols", Options{Stream: stream, OTLP: OTLPOptions{
			Enabled: true, ListenAddress: "127.0.0.1:4317", HTTPListenAddress: "127.0.0.1:4317", MaxRequestBytes: 1 << 24,
		}}, []string{
			"nozzle.otlp.http_listen_address: is that of gRPC, nozzle.otlp.listen_address, too: give it another port, for " +
				"example 4318",
		}},
		{"gateway and firehose", Options{
			Stream:   stream,
			Gateway:  GatewayOptions{Enabled: true, URL: "https://a:b@c"},
			Firehose: FirehoseOptions{Enabled: true, URL: "wss://c/v2"},
		}, []string{
			"nozzle.gateway.url: is not https://host or https://host:port, for example example of nozzle.gateway.url",
			"nozzle.firehose.url: is not wss://host or wss://host:port, for example example of nozzle.firehose.url",
			"nozzle.firehose.enabled: nozzle.gateway and nozzle.firehose each bring all envelopes of the foundation, so " +
				"that everything " +
				"counts twice: enable one of them, or set nozzle.allow_overlap to true where they are those of different " +
				"foundations",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got reported
			c.options.Check(check.NewSection(&got, "nozzle"), false)
			if diff := cmp.Diff(c.want, got.mistakes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCheckUAA(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		options UAAOptions
		want    []string
	}{
		{UAAOptions{URL: "https://uaa", ClientID: "a", ClientSecret: "b"}, nil},
		{UAAOptions{}, []string{
			"uaa.url: must not be empty: set uaa.url",
			"uaa.client_id: is needed for nozzle.gateway and nozzle.firehose: set uaa.client_id",
			"uaa.client_secret_file: is needed for nozzle.gateway and nozzle.firehose: set uaa.client_secret_file",
		}},
		{
			UAAOptions{URL: "http://uaa", ClientID: "a", ClientSecretFile: empty, TLS: ServerTLSOptions{CAFile: empty}},
			[]string{
				"uaa.url: is not https://host or https://host:port, for example example of uaa.url",
				"uaa.client_secret_file: " + empty + " is empty",
				"uaa.tls.ca_file: " + empty + " holds no certificate in PEM form",
			},
		},
		{UAAOptions{URL: "https://uaa", ClientID: "a", ClientSecret: "b", ClientSecretFile: empty}, []string{
			"uaa.client_secret_file: cannot be set beside uaa.client_secret: remove one of them",
		}},
	} {
		var got reported
		c.options.Check(check.NewSection(&got, "uaa"))
		if diff := cmp.Diff(c.want, got.mistakes); diff != "" {
			t.Errorf("%+v: %s", c.options, diff)
		}
	}
}
