package main

import (
	"log/slog"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cloudfoundry/sonde-go/events"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/foundation"
	"loggregator_exporter/nozzle"
)

const metricsDocs = "../../docs/metrics.md"

// described is what is said of a metric: its type and its labels.
type described struct{ typ, labels string }

// TestMetricsDocs: the documentation tells of every metric that a running service shows of itself, and of no other.
func TestMetricsDocs(t *testing.T) {
	text, err := os.ReadFile(metricsDocs)
	if err != nil {
		t.Fatal(err)
	}
	documented := documentedMetrics(t, string(text))
	exposed := exposedMetrics(t)
	for _, name := range slices.Sorted(maps.Keys(exposed)) {
		if got, ok := documented[name]; !ok {
			t.Errorf("%s is exposed, and %s says nothing of it", name, metricsDocs)
		} else if want := exposed[name]; got != want && (want.typ != "" || got.labels != want.labels) {
			t.Errorf("%s: documented %+v, exposed %+v", name, got, exposed[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if _, ok := exposed[name]; !ok {
			t.Errorf("%s is documented, and not exposed", name)
		}
	}
	for _, name := range regexp.MustCompile(`loggregator_exporter_[a-z_]+`).FindAllString(string(text), -1) {
		if _, ok := documented[name]; !ok {
			t.Errorf("%s is spoken of, and not in any table", name)
		}
	}
}

// documentedMetrics reads the tables.
func documentedMetrics(t *testing.T, text string) map[string]described {
	t.Helper()
	out := map[string]described{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| `"+program+"_") {
			continue
		}
		cells := strings.Split(line, "|")
		if len(cells) != 7 {
			t.Fatalf("%d cells, want 5: %s", len(cells)-2, line)
		}
		name := strings.Trim(cells[1], " `")
		if _, twice := out[name]; twice {
			t.Errorf("%s is documented twice", name)
		}
		labels := strings.Split(strings.NewReplacer("`", "", " ", "").Replace(cells[3]), ",")
		slices.Sort(labels)
		out[name] = described{strings.TrimSpace(cells[2]), strings.Join(labels, ",")}
	}
	return out
}

// exposedMetrics scrapes a service whose sources and options are such that it shows all it has, after what it
// counts has happened.
func exposedMetrics(t *testing.T) map[string]described {
	t.Helper()
	f, err := foundation.New(foundation.Options{VMs: 60, Apps: -1, Interval: 1})
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.Nozzle.RLP = nozzle.RLPOptions{Enabled: true, Address: "127.0.0.1:1", ServerName: "reverselogproxy", TLSConfig: f.ClientTLS()}
	cfg.Nozzle.RLP.TLS.CertFile = "no such file" // the configuration in memory is in its place
	cfg.Nozzle.Gateway = nozzle.GatewayOptions{Enabled: true, URL: "https://127.0.0.1:1"}
	cfg.Nozzle.Ingress = nozzle.IngressOptions{Enabled: true, ListenAddress: "127.0.0.1:0", TLSConfig: f.DownstreamTLS()}
	cfg.Nozzle.Syslog.Enabled, cfg.Nozzle.Syslog.ListenAddress = true, "127.0.0.1:0"
	cfg.Nozzle.OTLP.Enabled, cfg.Nozzle.OTLP.ListenAddress = true, "127.0.0.1:0"
	cfg.RemoteWrite.Enabled, cfg.RemoteWrite.URL = true, "http://127.0.0.1:1/api/v1/write"
	cfg.UAA = nozzle.UAAOptions{URL: "https://127.0.0.1:1", ClientID: "exporter", ClientSecret: "secret"}
	cfg.Metrics.MaxSeriesPerOwner = 1000
	cfg.Metrics.Compatibility = "firehose_exporter"
	r, stop := startService(t, cfg, slog.New(slog.DiscardHandler))
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	sendOddities(t, r)
	out := map[string]described{}
	waits := []string{"_refused_samples_total", "_source_reconnects_total", "_compatibility_refused_samples_total"}
	shown := func(name string) bool { return out[program+name].typ != "" }
	for slices.ContainsFunc(waits, func(name string) bool { return !shown(name) }) { // the test's own timeout ends it
		_, body := fetch(t, "http://"+r.Web.String()+"/metrics")
		out = parseMetrics(body)
	}
	addDescribed(r.Store.Collector(), out)
	return out
}

// sendOddities makes conflicts, of the names of firehose_exporter as well, and a label that is asked for twice.
func sendOddities(t *testing.T, r running) {
	t.Helper()
	conn, err := net.Dial("udp", r.Listening["udp"].String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, e := range []*events.Envelope{
		{EventType: events.Envelope_ValueMetric.Enum(), ValueMetric: &events.ValueMetric{Name: new("odd"), Value: new(1.0), Unit: new("count")}, Tags: map[string]string{"a-b": "1", "a_b": "2"}},
		{EventType: events.Envelope_CounterEvent.Enum(), CounterEvent: &events.CounterEvent{Name: new("twofold"), Delta: new(uint64(1))}},
		{EventType: events.Envelope_ValueMetric.Enum(), ValueMetric: &events.ValueMetric{Name: new("twofold_total"), Value: new(1.0), Unit: new("count")}},
		{EventType: events.Envelope_ValueMetric.Enum(), ValueMetric: &events.ValueMetric{Name: new("twoWays"), Value: new(1.0), Unit: new("count")}},
		{EventType: events.Envelope_ValueMetric.Enum(), ValueMetric: &events.ValueMetric{Name: new("two_ways"), Value: new(1.0), Unit: new("count")}},
	} {
		e.Origin, e.Timestamp = new("app"), new(int64(1))
		datagram, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
	}
}

var descText = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)

// addDescribed adds what the store shows only after a survey of its series, which comes once a minute.
func addDescribed(c prometheus.Collector, out map[string]described) {
	all := make(chan *prometheus.Desc, 100)
	c.Describe(all)
	close(all)
	for d := range all {
		m := descText.FindStringSubmatch(d.String())
		if _, ok := out[m[1]]; !ok {
			labels := strings.Split(m[2], ",")
			slices.Sort(labels)
			out[m[1]] = described{"", strings.Join(labels, ",")}
		}
	}
}

var (
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (loggregator_exporter_\S+) (\S+)$`)
	sampleLine = regexp.MustCompile(`(?m)^(loggregator_exporter_[a-z_]+)(?:\{(.*)\})? \S+$`)
	labelName  = regexp.MustCompile(`(?:^|,)([a-z_]+)="`)
)

func parseMetrics(body string) map[string]described {
	out := map[string]described{}
	for _, m := range typeLine.FindAllStringSubmatch(body, -1) {
		out[m[1]] = described{typ: m[2]}
	}
	for _, m := range sampleLine.FindAllStringSubmatch(body, -1) {
		if _, family := out[m[1]]; !family {
			continue // of a histogram
		}
		var names []string
		for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
			names = append(names, l[1])
		}
		slices.Sort(names)
		out[m[1]] = described{out[m[1]].typ, strings.Join(names, ",")}
	}
	return out
}
