package migrate

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/config"
	"loggregator_exporter/e2e/peer"
)

// interval is the time between two scrapes. With 15 s, as operators have it, the data are of ten minutes; with less, all
// durations in queries are shorter in the same proportion.
var interval = flag.Duration("interval", 2*time.Second, "time between two scrapes")

const usualInterval = 15 * time.Second

var listensAt = regexp.MustCompile(`Listening on.*address=(127\.0\.0\.1:\d+)`)

// site is a real exporter that shows both forms of names, read by a real Prometheus. Between them stands a proxy: it
// lets a scrape through when the emitters have sent a round and the exporter has all of it, so that both forms on a page
// are of the same envelopes.
type site struct {
	t        *testing.T
	emitters *emitters
	dir      string
	config   string        // of the exporter
	labels   []string      // metrics.http.labels
	exporter *peer.Process // nil while it is stopped
	asked    chan scrape
}

// scrape is a request of Prometheus that waits for its answer.
type scrape struct {
	w    http.ResponseWriter
	r    *http.Request
	done chan struct{}
}

// startServer returns a Prometheus that has scraped the exporter for all of the time. Its requests have the usual labels,
// and those that are given.
func startServer(t *testing.T, labels []string) *server {
	t.Helper()
	prometheus := peer.Prometheus().File(t)
	s := &site{t: t, emitters: newEmitters(t), dir: t.TempDir(), asked: make(chan scrape)}
	s.labels = slices.Concat(config.Default().Metrics.HTTP.Labels, labels)
	s.startExporter(10)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one := scrape{w, r, make(chan struct{})}
		select {
		case s.asked <- one:
			<-one.done
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(page.Close)
	others := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, s.emitters.others())
	}))
	t.Cleanup(others.Close)
	settings := s.write("prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: %[1]v, scrape_timeout: %[1]v}
scrape_configs:
  - {job_name: loggregator, static_configs: [{targets: [%[2]q], labels: {instance: "exporter:9286"}}]}
  - job_name: others
    fallback_scrape_protocol: PrometheusText0.0.4
    static_configs: [{targets: [%[3]q]}]
`, *interval, host(page.URL), host(others.URL)))
	answers := &server{names: s.emitters.names, address: peer.Start(t, listensAt, prometheus, "--config.file="+settings,
		"--storage.tsdb.path="+filepath.Join(s.dir, "data"), "--web.listen-address=127.0.0.1:0").Found}
	for step := range scrapes {
		s.prepare(step)
		one := <-s.asked
		if s.answer(step, one) {
			answers.end = time.Now()
			if answers.start.IsZero() {
				answers.start = answers.end
			}
		}
		close(one.done)
	}
	return answers
}

func host(url string) string { return strings.TrimPrefix(url, "http://") }

func (s *site) write(name, text string) (file string) {
	s.t.Helper()
	file = filepath.Join(s.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// startExporter starts an exporter, and shows it some rounds of requests: fewer after a restart, so that whatever it counts
// falls below what it was, by which rate and increase know a restart.
func (s *site) startExporter(rounds int) {
	s.t.Helper()
	if s.config == "" {
		files, err := s.emitters.rlp.WriteClientFiles(s.dir)
		if err != nil {
			s.t.Fatal(err)
		}
		s.config = s.write("exporter.yml", fmt.Sprintf(`
nozzle:
  rlp: {enabled: true, address: %q, tls: {ca_file: %q, cert_file: %q, key_file: %q}}
metrics:
  environment: production
  expiration: 1h
  compatibility: firehose_exporter
  http: {labels: [%s]}
web: {listen_address: "127.0.0.1:0"}
`, s.emitters.rlp.RLPAddress(), files.CA, files.Certificate, files.Key, strings.Join(s.labels, ", ")))
	}
	s.exporter = peer.Start(s.t, listensAt, peer.Exporter(s.t), "run", "--config", s.config)
	if err := s.emitters.rlp.AwaitReaders(peer.Within(s.t, peer.Patience), 1); err != nil {
		s.t.Fatal(err)
	}
	s.emitters.count = 0
	s.emitters.warmUp(rounds)
	s.awaitReceived()
}

// awaitReceived waits until the exporter has all that was sent since it was started.
func (s *site) awaitReceived() {
	s.t.Helper()
	ctx := peer.Within(s.t, peer.Patience)
	for {
		var status struct {
			Data struct{ Sources []struct{ Received uint64 } }
		}
		if err := json.Unmarshal(peer.Get(s.t, "http://"+s.exporter.Found+"/api/v1/status").Body, &status); err != nil {
			s.t.Fatal(err)
		}
		received := uint64(0)
		for _, source := range status.Data.Sources {
			received += source.Received
		}
		if received == s.emitters.count {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("%d envelopes received, %d sent, %+v lost", received, s.emitters.count, s.emitters.rlp.Lost())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// prepare does what happens before a scrape.
func (s *site) prepare(step int) {
	s.t.Helper()
	switch step {
	case stopped:
		s.exporter.Stop(s.t)
		s.exporter = nil
	case started - 1:
		s.startExporter(4)
	}
	s.emitters.round(step)
	if s.exporter != nil {
		s.awaitReceived()
	}
}

// answer answers a scrape, and says whether there was a page.
func (s *site) answer(step int, one scrape) bool {
	s.t.Helper()
	if step >= stopped && step < started || step >= blind && step < sighted {
		one.w.WriteHeader(http.StatusServiceUnavailable)
		return false
	}
	page, err := peer.Ask(s.t.Context(), http.MethodGet, "http://"+s.exporter.Found+"/metrics", "Accept", one.r.Header.Get("Accept"))
	if err != nil || page.Status != http.StatusOK {
		s.t.Fatal(page.Status, err)
	}
	one.w.Header().Set("Content-Type", page.Header.Get("Content-Type"))
	_, _ = one.w.Write(page.Body) // Prometheus may have given up: that is one more gap
	return true
}

// durations are those of ranges, subqueries and offsets in a query.
var durations = regexp.MustCompile(`(\[|:|\boffset )(\d+)([smhd])\b`)

// inProportion makes the durations in a query as much shorter as the interval is.
func inProportion(query string) string {
	return durations.ReplaceAllStringFunc(query, func(text string) string {
		m := durations.FindStringSubmatch(text)
		d, err := time.ParseDuration(strings.Replace(m[2]+m[3], "d", "h", 1))
		if err != nil {
			return text
		}
		if m[3] == "d" {
			d *= 24
		}
		return fmt.Sprintf("%s%dms", m[1], int(float64(d.Milliseconds())*interval.Seconds()/usualInterval.Seconds()))
	})
}
