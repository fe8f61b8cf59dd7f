package console

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
)

// site is an exporter with everything that can be wrong, and a switch for it.
type site struct {
	*running

	dir, rules string
	refusing   atomic.Bool // the receiver of remote write refuses everything
	total      uint64      // what Loggregator has lost
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if s.refusing.Load() {
			http.Error(w, "out of order sample", http.StatusBadRequest)
		}
	}))
	t.Cleanup(receiver.Close)
	s.rules = filepath.Join(s.dir, "rules.yaml")
	s.writeRules(t, "version: 1\nrules: []\n")
	cert, key := writeCertificate(t, s.dir, time.Now().Add(10*24*time.Hour))
	s.running = startExporter(t, fmt.Sprintf(`
nozzle:
  udp: {enabled: true, listen_address: "127.0.0.1:0"}
  ingress: {enabled: true, listen_address: "127.0.0.1:0", tls: {ca_file: %[1]s, cert_file: %[1]s, key_file: %[2]s}}
tagger: {rules_files: [%[3]s]}
metrics: {expiration: 10s, max_series_per_metric: 5}
remote_write: {enabled: true, url: %[4]q, protocol: "1.0", interval: 2s}
web: {listen_address: "127.0.0.1:0"}
`, cert, key, s.rules, receiver.URL), `listening for envelopes of a forwarder agent.* address=(\S+)`)
	return s
}

func (s *site) writeRules(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(s.rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// beWrong does once more everything that nobody wants.
func (s *site) beWrong(t *testing.T) {
	t.Helper()
	for i := range 8 { // more series of one metric than it may have
		s.send(t, value("rep", "memoryStats.numFrees", map[string]string{"index": fmt.Sprint(i)}))
	}
	s.send(t, value("shop", "a-b", nil), value("shop", "a.b", nil)) // two names for one series
	s.send(t, value("shop", "", nil))                               // no name
	s.total += 50
	s.send(t, counter("DopplerServer", "MessageBuffer.droppedMessageCount", 50, s.total))
	for i := range 8 { // samples that are older than what is there
		old := value("shop", "late", nil)
		old.Timestamp = new(time.Now().Add(-time.Duration(i) * time.Second).UnixNano())
		s.send(t, old)
	}
	if _, err := s.component.Write([]byte("no envelope")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + s.web + "/metrics?match[]=%7B") // a selector that cannot be read
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	conn, err := tls.Dial("tcp", s.addresses[0], &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		_, _ = conn.Read(make([]byte, 1)) // it is told here that it has no certificate
		_ = conn.Close()
	}
}

// ids are the problems that the page shows.
const ids = `[...document.querySelectorAll("[data-problem]")].map((e) => e.dataset.problem).sort().join("\n")`

// TestFaults makes everything go wrong that soon can be made to, and mends it again: each sentence appears and goes away.
// TestProblems has all kinds. A clock that is apart is one for two minutes.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s.web, "/")
	b.await(t, `document.querySelector("#verdict h1").innerText !== ""`)

	s.refusing.Store(true)
	s.writeRules(t, "version: 1\nrules: [{pattern: }]\n")
	wrong := []string{
		"certificate/nozzle.ingress.tls.ca_file", "certificate/nozzle.ingress.tls.cert_file", "conflicts", "invalid",
		"malformed/udp", "outdated", "over_limit", "reload_failed", "remote_write/failed", "scrapes/invalid",
		"source_down/ingress", "source_refusals/ingress/no_client_certificate", "untagged_names",
		"upstream_loss/DopplerServer/ingress",
	}
	repeat(t, 2*time.Second, func() { s.beWrong(t) }, func() bool {
		return strings.Join(missing(wrong, eval[string](t, b, ids)), "\n") == ""
	}, func() string { return strings.Join(missing(wrong, eval[string](t, b, ids)), "\n") })
	b.await(t, `document.querySelector("#verdict").classList.contains("bad") && document.title.startsWith("■ ")`)
	for _, sentence := range []string{
		"Nobody is connected to source ingress", "Source ingress refused", "The configuration could not be loaded",
		"samples in the last 3s had no room, since a limit on series is reached, for example memoryStats.numFrees",
		"Loggregator lost",
	} {
		b.awaitText(t, "#verdict", sentence)
	}
	assertLinks(t, b)

	// Everything is mended, but now nothing comes any more.
	s.refusing.Store(false)
	s.writeRules(t, "version: 1\nrules: []\n")
	writeCertificate(t, s.dir, time.Now().Add(300*24*time.Hour))
	mute := []string{"source_down/ingress", "source_mute/udp"}
	repeat(t, time.Second, func() {}, func() bool { return eval[string](t, b, ids) == strings.Join(mute, "\n") },
		func() string { return eval[string](t, b, ids) })
	b.awaitText(t, "#verdict", "Source udp is connected, but mute")

	// It comes again, with a name that a rule takes.
	repeat(t, time.Second, func() { s.send(t, value("rep", "memoryStats.numFrees", nil)) },
		func() bool { return eval[string](t, b, ids) == "source_down/ingress" }, func() string { return eval[string](t, b, ids) })
}

// missing are those of wanted that found, a line each, lacks.
func missing(wanted []string, found string) []string {
	there := strings.Split(found, "\n")
	return slices.DeleteFunc(slices.Clone(wanted), func(w string) bool { return slices.Contains(there, w) })
}

// repeat does something again and again until it has come about; what says what is not as it should be.
func repeat(t *testing.T, pause time.Duration, act func(), done func() bool, what func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*peer.Patience)
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for act(); !done(); act() {
		select {
		case <-ctx.Done():
			t.Fatalf("still:\n%s", what())
		case <-tick.C:
		}
	}
}

// assertLinks follows the link of each problem: the page is there, and has the place that the link names.
func assertLinks(t *testing.T, b *tab) {
	t.Helper()
	links := eval[[]string](t, b, `[...new Set([...document.querySelectorAll("[data-problem] a.go")].map((e) => e.getAttribute("href")))]`)
	if len(links) < 5 {
		t.Errorf("only the links %q", links)
	}
	for _, link := range links {
		b.show(t, "/"+strings.TrimPrefix(link, "./"))
		if _, anchor, ok := strings.Cut(link, "#"); ok {
			if !eval[bool](t, b, fmt.Sprintf("document.getElementById(%q) !== null", anchor)) {
				t.Errorf("%s: there is no %s", link, anchor)
			}
		}
	}
	b.show(t, "/")
}
