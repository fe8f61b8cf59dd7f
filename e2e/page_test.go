package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"go.yaml.in/yaml/v3"

	"loggregator_exporter/config"
	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/exposition"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// replayed runs an exporter until it has played the whole capture of a foundation, and returns its address.
func replayed(t *testing.T, metrics string) string {
	t.Helper()
	captured := filepath.Join(peer.Root(t), "foundation", "testdata", "foundation.capture")
	said, err := os.ReadFile(captured + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, m := range regexp.MustCompile(`envelopes of \w+ (\d+)`).FindAllSubmatch(said, -1) {
		n, _ := strconv.Atoi(string(m[1])) // digits
		want += n
	}
	file := filepath.Join(t.TempDir(), "exporter.yml")
	text := fmt.Sprintf("nozzle: {replay: {enabled: true, file: %q, speed: 0}}\nmetrics: {expiration: 1h, %s}\nweb: {listen_address: \"127.0.0.1:0\"}\n", captured, metrics)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := peer.Start(t, listensAt, peer.Exporter(t), "run", "--config", file)
	played := regexp.MustCompile(`(?m)^loggregator_exporter_envelopes_total\{outcome="\w+",source="replay"\} (\d+)$`)
	await(peer.Within(t, peer.Patience), t, "envelopes of the capture", func() string {
		n := 0
		page, _ := download(t, p.Found, "text/plain")
		for _, m := range played.FindAllSubmatch(page, -1) {
			part, _ := strconv.Atoi(string(m[1])) // digits
			n += part
		}
		return strconv.Itoa(n)
	}, strconv.Itoa(want))
	return p.Found
}

func download(t *testing.T, address, accept string) (page []byte, contentType string) {
	t.Helper()
	answer := peer.Get(t, "http://"+address+"/metrics", "Accept", accept)
	return answer.Body, answer.Header.Get("Content-Type")
}

// ours says whether a family is the exporter's own, whose values move from scrape to scrape.
func ours(name string) bool {
	return regexp.MustCompile(`^(go|process|promhttp|loggregator_exporter)_`).MatchString(name)
}

// read is a page as Prometheus' parser sees it, without the exporter's own metrics.
type read struct {
	order   []string // families, then series, as they come: the names of the families
	series  map[string][]string
	samples map[string]float64
	types   map[string]string
}

func readPage(t *testing.T, page []byte, contentType string) read {
	t.Helper()
	p, err := textparse.New(page, contentType, labels.NewSymbolTable(), textparse.ParserOptions{IgnoreNativeHistograms: true})
	if err != nil {
		t.Fatal(err)
	}
	out := read{series: map[string][]string{}, samples: map[string]float64{}, types: map[string]string{}}
	family := ""
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%s: %v", contentType, err)
		}
		switch entry {
		case textparse.EntryType:
			name, typ := p.Type()
			family = string(name)
			if _, twice := out.types[family]; twice && !ours(family) {
				t.Errorf("%s: twice: %s", contentType, family)
			}
			out.types[family] = string(typ)
			if typ == model.MetricTypeCounter && strings.HasPrefix(contentType, "application/openmetrics") {
				name = append(slices.Clone(name), "_total"...) // it stands where its samples do
			}
			out.order = append(out.order, string(name))
		case textparse.EntrySeries:
			var l labels.Labels
			_, _, v := p.Series()
			p.Labels(&l)
			if ours(family) {
				continue
			}
			if _, twice := out.samples[l.String()]; twice {
				t.Errorf("%s: twice: %s", contentType, l)
			}
			out.samples[l.String()] = v
			rendered := []metric.Label{}
			l.Range(func(l labels.Label) {
				if l.Name != model.MetricNameLabel && (l.Name != "le" || out.types[family] != "histogram") && (l.Name != "quantile" || out.types[family] != "summary") {
					rendered = append(rendered, metric.Label{Name: l.Name, Value: l.Value})
				}
			})
			out.series[family] = append(out.series[family], string(metric.RenderLabels(rendered)))
		case textparse.EntryInvalid, textparse.EntryHelp, textparse.EntryComment, textparse.EntryUnit, textparse.EntryHistogram:
		}
	}
}

// checkOrder holds a page to its order: the families of the stores by name, then those of the registry by name;
// series by labels, and none of them in two places.
func checkOrder(t *testing.T, format string, page *read) {
	t.Helper()
	parts := 1
	for i, name := range page.order[1:] {
		if name < page.order[i] {
			parts++
		}
	}
	if parts != 2 {
		t.Errorf("%s: the families come in %d parts", format, parts)
	}
	for family, series := range page.series {
		if !slices.IsSorted(slices.Compact(series)) {
			t.Errorf("%s: the series of %s are not in order", format, family)
		}
	}
}

// What a foundation sent, by the exporter's names and those of firehose_exporter beside them, histograms and
// summaries that were put together included, is read alike by Prometheus' parsers of every format; each page is in
// order and the same when it is written again.
func TestPageOfCapture(t *testing.T) {
	const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	for naming, formats := range map[string][]string{
		"prometheus": {
			"text/plain;version=0.0.4", "text/plain;version=1.0.0;escaping=allow-utf-8", "application/openmetrics-text;version=1.0.0",
			"application/openmetrics-text;version=0.0.1", protobuf, protobuf + ";escaping=allow-utf-8",
		},
		// A counter has another name in OpenMetrics where it does not end in _total.
		"verbatim": {"text/plain;version=1.0.0;escaping=allow-utf-8", protobuf + ";escaping=allow-utf-8"},
	} {
		t.Run(naming, func(t *testing.T) {
			address := replayed(t, "naming: "+naming+", compatibility: firehose_exporter")
			var first read
			for _, format := range formats {
				page, contentType := download(t, address, format)
				if !strings.HasPrefix(contentType, strings.Split(format, ";")[0]) {
					t.Fatalf("%s for %s", contentType, format)
				}
				got := readPage(t, page, contentType)
				checkOrder(t, contentType, &got)
				again, _ := download(t, address, format)
				if a, b := withoutOurs(page, contentType), withoutOurs(again, contentType); !bytes.Equal(a, b) || len(a) < 1e6 {
					t.Errorf("%s: not the same twice: %d and %d bytes", contentType, len(a), len(b))
				}
				if first.samples == nil {
					first = got
					checkKinds(t, naming, &got)
				}
				compareSamples(t, contentType, first.samples, got.samples)
			}
		})
	}
}

// withoutOurs is a page of text without the exporter's own families. Of protobuf it is what a parser makes of it.
func withoutOurs(page []byte, contentType string) (out []byte) {
	if strings.HasPrefix(contentType, "application/vnd") {
		p, err := textparse.New(page, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
		for entry := textparse.EntryInvalid; err == nil; entry, err = p.Next() {
			if entry != textparse.EntrySeries && entry != textparse.EntryHistogram {
				continue
			}
			var l labels.Labels
			if p.Labels(&l); !ours(l.Get(model.MetricNameLabel)) && entry == textparse.EntrySeries {
				_, _, v := p.Series()
				out = fmt.Appendf(out, "%s %v\n", l, v)
			} else if entry == textparse.EntryHistogram {
				_, _, h, _ := p.Histogram()
				out = fmt.Appendf(out, "%s %v\n", l, h)
			}
		}
		return out
	}
	keep := true
	for line := range bytes.Lines(page) {
		if name, ok := bytes.CutPrefix(line, []byte("# HELP ")); ok {
			keep = !ours(string(name))
		}
		if keep {
			out = append(out, line...)
		}
	}
	return out
}

// checkKinds holds a page to what it is meant to show.
func checkKinds(t *testing.T, naming string, page *read) {
	t.Helper()
	kinds, compatible := map[string]int{}, 0
	for name, typ := range page.types {
		kinds[typ]++
		if strings.HasPrefix(name, "firehose_") {
			compatible++
		}
	}
	if len(page.samples) < 10_000 || kinds["counter"] < 100 || kinds["gauge"] < 400 || kinds["histogram"] < 3 || kinds["summary"] < 2 || compatible < 600 {
		t.Errorf("%s: %d samples, %v, %d by the names of firehose_exporter", naming, len(page.samples), kinds, compatible)
	}
	t.Logf("%s: %d samples, %v, %d by the names of firehose_exporter", naming, len(page.samples), kinds, compatible)
}

func compareSamples(t *testing.T, format string, want, got map[string]float64) {
	t.Helper()
	for series, v := range want {
		if g, ok := got[series]; !ok || g != v && !(math.IsNaN(g) && math.IsNaN(v)) {
			t.Errorf("%s: %s is %v (%v), want %v", format, series, g, ok, v)
		}
	}
	for series, v := range got {
		if _, ok := want[series]; !ok {
			t.Errorf("%s: %s %v is nowhere else", format, series, v)
		}
	}
}

// cataloguePage is a page with every metric of the catalogue that has no part of a name to fill in.
func cataloguePage(t *testing.T) []byte {
	t.Helper()
	rules, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.New(store.Options{
		Resolver: resolver.New(resolver.Options{
			Tagger: rules, Naming: naming.Style{Namespace: config.Default().Metrics.Namespace},
		}),
		Expiration: time.Hour, MaxSeries: 10_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(catalogue.Files(), "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	writer, now := s.Writer(), time.Now().UnixNano()
	var tally metric.Tally
	for _, file := range files {
		data, err := fs.ReadFile(catalogue.Files(), file)
		if err != nil {
			t.Fatal(err)
		}
		var content struct {
			Metrics []struct {
				Name       yaml.Node
				Kind, Unit string
			}
		}
		if err := yaml.Unmarshal(data, &content); err != nil {
			t.Fatal(file, err)
		}
		for _, m := range content.Metrics {
			names := []*yaml.Node{&m.Name}
			if m.Name.Kind == yaml.SequenceNode {
				names = m.Name.Content
			}
			for _, n := range names {
				e := metric.Envelope{Kind: metric.KindGauge, Timestamp: now, Arrived: now, Points: []metric.Point{{Name: []byte(n.Value), Unit: []byte(m.Unit), Value: 1}}}
				if m.Kind == "counter" {
					e = metric.Envelope{Kind: metric.KindCounter, Timestamp: now, Arrived: now, Name: []byte(n.Value), Total: 1}
				}
				if !strings.Contains(n.Value, "{") {
					writer.Write(&e, &tally)
				}
			}
		}
	}
	if tally[metric.Stored] < 800 {
		t.Fatalf("%+v", tally)
	}
	answer := httptest.NewRecorder()
	exposition.NewHandler(s, prometheus.NewRegistry(), exposition.Options{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	return answer.Body.Bytes()
}

// promtool finds nothing to say about what a foundation sends, about the whole catalogue or about the exporter's own
// metrics but what is listed with its reason, and it finds all of what is listed.
func TestPromtool(t *testing.T) {
	file := filepath.Join(peer.Root(t), "tagger", "testdata", "corpus", "promlint.tsv")
	list, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSpace(string(list)), "\n")[1:] {
		f := strings.Split(line, "\t")
		if len(f) != 3 || f[2] == "" {
			t.Fatalf("%s:%d: want metric, problem and reason", file, i+2)
		}
		listed[f[0]+" "+f[1]] = true
	}
	found := map[string]bool{}
	captured, _ := download(t, replayed(t, ""), "text/plain")
	for _, page := range [][]byte{captured, cataloguePage(t)} {
		cmd := exec.CommandContext(t.Context(), peer.Promtool().File(t), "check", "metrics")
		cmd.Stdin = bytes.NewReader(page)
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) { // 3: something to say
			t.Fatalf("%v: %s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			found[strings.TrimSpace(line)] = true
		}
	}
	for _, problem := range slices.Sorted(maps.Keys(found)) {
		if !listed[problem] {
			t.Errorf("not listed: %s", problem)
		}
		delete(listed, problem)
	}
	for _, problem := range slices.Sorted(maps.Keys(listed)) {
		t.Errorf("%s: listed, but no more found: %s", file, problem)
	}
}
