package migrate

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/compat"
	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/exposition"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// The time that is simulated.
const (
	steps    = 44
	interval = 15 * time.Second
	// The VMs with index 1 start anew at restart; those with index 0 are away from silent to audible; no scrape
	// succeeds from blind to sighted.
	restart                         = 20
	silent, audible, blind, sighted = 10, 14, 28, 32
)

// foundation is what emits, and both stores that take it.
type foundation struct {
	t        *testing.T
	random   *rand.Rand
	emitters []*emitter
	apps     []app
	page     http.Handler
	write    func(*metric.Envelope)
	tally    metric.Tally // of the exporter's own names
	count    int          // envelopes

	out *bufio.Writer
}

// emitter is one metric of one VM.
type emitter struct {
	origin, name, unit string
	kind               metric.Kind
	grows              bool
	index              int
	value              float64
}

type app struct{ guid, name, space, org string }

func newFoundation(t *testing.T, out *bufio.Writer) *foundation {
	t.Helper()
	f := &foundation{t: t, random: rand.New(rand.NewPCG(1, 2)), out: out}
	rules, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		t.Fatal(err)
	}
	own := resolver.New(resolver.Options{
		Tagger: rules, Naming: naming.Style{Namespace: "cf"}, Environment: "production",
		HTTP: resolver.HTTPOptions{
			Buckets:     []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
			SizeBuckets: []float64{256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216},
			Labels: []string{
				"bosh_deployment", "component", "app_id", "app_name", "space_name", "organization_name", "process_type",
				"method", "status",
			},
		},
	})
	old, err := compat.New(compat.Options{Namespace: "firehose", Environment: "production", NodeIndex: "0"})
	if err != nil {
		t.Fatal(err)
	}
	var stores store.Stores
	for _, r := range []store.Resolver{own, old} {
		s, err := store.New(store.Options{Resolver: r, Expiration: time.Hour, MaxSeries: 1_000_000})
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, s)
	}
	received := compat.NewReceived("firehose", "production")
	registry := prometheus.NewRegistry()
	registry.MustRegister(received)
	first, second := stores[0].Writer(), compat.NewSink(stores[1].Writer(), received)
	f.page = exposition.NewHandler(stores, registry, exposition.Options{})
	f.write = func(e *metric.Envelope) {
		var untold metric.Tally
		first.Write(e, &f.tally)
		second.Write(e, &untold)
		f.count++
	}
	f.addEmitters(own, old)
	for i, name := range []string{"shop", "mail", "wiki"} {
		f.apps = append(f.apps, app{
			fmt.Sprintf("693c90af-a273-4c58-a053-b90fea4fa3%02d", i), name, "space-" + strconv.Itoa(i%2), "org",
		})
	}
	return f
}

// addEmitters adds two VMs for each name of the corpus, but not for a name whose series another one has already here.
func (f *foundation) addEmitters(own *resolver.Resolver, old *compat.Resolver) {
	taken := map[string]string{}
	for _, file := range []string{"boshrelease_metrics.tsv", "firehose_exporter.tsv"} {
		text, err := os.ReadFile(filepath.Join(peer.Root(f.t), "compat", "testdata", file))
		if err != nil {
			f.t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
			fields := append(strings.Split(line, "\t"), "")
			e := emitter{origin: fields[0], name: fields[1], unit: fields[3], kind: metric.KindGauge}
			if file == "boshrelease_metrics.tsv" {
				e.unit = unitOf(f.t, e.origin, e.name)
			}
			if fields[2] == "counter" {
				e.kind = metric.KindCounter
			}
			id := store.Identity{
				Kind: e.kind, Name: e.name, Unit: e.unit, Tags: []metric.Label{{Name: "origin", Value: e.origin}},
			}
			r := own.Resolve(&id)
			series, was := r.Metric+"{"+string(metric.RenderLabels(r.Labels))+"}", old.Name(e.origin, e.name, e.kind)
			if by, ok := taken[series]; r.Dropped || ok && by != was || taken[was+"/"+e.name] != "" {
				continue
			}
			taken[series], taken[was+"/"+e.name] = was, was
			e.grows = r.Type == metric.TypeCounter
			for e.index = range 2 {
				one := e
				f.emitters = append(f.emitters, &one)
			}
		}
	}
}

// unitOf looks in the corpus for the unit that a name is sent with.
func unitOf(t *testing.T, origin, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(peer.Root(t), "tagger", "testdata", "corpus", "emitters.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Split(line, "\t"); fields[1] == origin && fields[2] == name {
			return fields[4]
		}
	}
	return ""
}

// simulate lets the time pass, and writes what Prometheus would store.
func simulate(t *testing.T, out *bufio.Writer) (start, end time.Time) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFoundation(t, out)
		for range 20 { // every combination of labels has been there
			f.requests()
		}
		start = time.Now()
		for step := range steps {
			for _, e := range f.emitters {
				f.emit(e, step)
			}
			f.containers()
			f.requests()
			if step < blind || step >= sighted {
				f.scrape(step)
			}
			time.Sleep(interval)
		}
		end = time.Now()
	})
	_, _ = fmt.Fprintln(out, "# EOF")
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	return start, end
}

func (f *foundation) send(e *metric.Envelope, tags ...string) {
	e.Arrived = time.Now().UnixNano()
	e.Timestamp = e.Arrived
	for i := 0; i < len(tags); i += 2 {
		e.AddTag([]byte(tags[i]), []byte(tags[i+1]))
	}
	f.write(e)
}

func (f *foundation) emit(s *emitter, step int) {
	if s.index == 1 && step == restart {
		s.value = 0
	}
	switch {
	case s.grows || s.kind == metric.KindCounter:
		s.value += float64(f.random.IntN(500))
	default:
		s.value = 1 + float64(f.random.IntN(100_000))/8
	}
	if s.index == 0 && step >= silent && step < audible {
		return
	}
	e := metric.Envelope{Kind: s.kind, SourceID: []byte(s.origin), InstanceID: []byte(strconv.Itoa(s.index))}
	if s.kind == metric.KindCounter {
		e.Name, e.Total = []byte(s.name), uint64(s.value)
	} else {
		e.Points = []metric.Point{{Name: []byte(s.name), Unit: []byte(s.unit), Value: s.value}}
	}
	f.send(&e, "origin", s.origin, "deployment", "cf", "job", "vm-of-"+s.origin, "index", strconv.Itoa(s.index),
		"ip", "10.0.0."+strconv.Itoa(s.index))
}

func (f *foundation) appTags(a app) []string {
	return []string{
		"app_id", a.guid, "app_name", a.name, "space_name", a.space, "organization_name", a.org, "process_type", "web",
	}
}

func (f *foundation) containers() {
	for _, a := range f.apps {
		for index := range 2 {
			value := func(most int) float64 { return 1 + float64(f.random.IntN(most)) }
			e := metric.Envelope{
				Kind: metric.KindGauge, SourceID: []byte(a.guid), InstanceID: []byte(strconv.Itoa(index)),
				Points: []metric.Point{
					{Name: []byte("cpu"), Unit: []byte("percentage"), Value: value(100) / 8},
					{Name: []byte("memory"), Unit: []byte("bytes"), Value: value(1 << 28)},
					{Name: []byte("disk"), Unit: []byte("bytes"), Value: value(1 << 29)},
					{Name: []byte("memory_quota"), Unit: []byte("bytes"), Value: 1 << 28},
					{Name: []byte("disk_quota"), Unit: []byte("bytes"), Value: 1 << 29},
				},
			}
			f.send(&e, append(f.appTags(a), "origin", "rep", "deployment", "cf", "job", "cell", "index", strconv.Itoa(index),
				"ip", "10.0.1."+strconv.Itoa(index))...)
		}
	}
}

func (f *foundation) requests() {
	for i, a := range f.apps {
		for range 20 + 5*i {
			took := time.Duration(f.random.IntN(900_000)) * time.Microsecond
			e := metric.Envelope{
				Kind: metric.KindTimer, Name: []byte("http"), SourceID: []byte(a.guid), InstanceID: []byte("0"),
				Start: time.Now().UnixNano(), Stop: time.Now().Add(took).UnixNano(),
			}
			f.send(&e, append(f.appTags(a), "origin", "gorouter", "deployment", "cf", "peer_type", "Server",
				"method", []string{"GET", "POST"}[f.random.IntN(2)], "uri", "https://"+a.name+".example.com/",
				"status_code", []string{"200", "204", "302", "404", "500", "502"}[f.random.IntN(6)],
				"content_length", strconv.Itoa(f.random.IntN(100_000)))...)
		}
	}
}

// scrape writes the page as Prometheus stores it without honor_labels: labels of the target win.
func (f *foundation) scrape(step int) {
	answer := httptest.NewRecorder()
	f.page.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	at := strconv.FormatInt(time.Now().Unix(), 10)
	lines := bufio.NewScanner(bytes.NewReader(answer.Body.Bytes()))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		away := strings.Contains(line, `bosh_job_id="0"`) && step >= silent && step < audible
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "loggregator_exporter_") || away {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		if brace := strings.IndexByte(line, '{'); brace >= 0 {
			end := strings.LastIndexByte(line, '}')
			name, rest = line[:brace]+"{"+strings.ReplaceAll(","+line[brace+1:end], `,job="`, `,exported_job="`)[1:]+",", line[end+2:]
		} else {
			name += "{"
		}
		f.print(name, rest, at)
	}
	own := "loggregator_exporter_"
	f.print(own+`envelopes_total{source="rlp",outcome="converted",environment="production",`, strconv.Itoa(f.count), at)
	for i, n := range f.tally {
		outcome := metric.Outcome(i).String()
		f.print(own+`samples_total{environment="production",outcome="`+outcome+`",`, strconv.FormatUint(n, 10), at)
	}
	f.print(own+`source_last_envelope_timestamp_seconds{environment="production",source="rlp",`, at, at)
	for _, a := range f.apps {
		f.print(fmt.Sprintf(`cf_application_info{environment="production",deployment="cf",application_id=%q,`+
			`application_name=%q,space_name=%q,organization_name=%q,`, a.guid, a.name, a.space, a.org), "1", at)
	}
	for index := range 2 {
		f.print(fmt.Sprintf(`bosh_job_healthy{environment="production",bosh_deployment="cf",bosh_job_id="%d",`+
			`bosh_job_name="vm-of-gorouter",`, index), strconv.Itoa(index), at)
	}
}

func (f *foundation) print(series, value, at string) {
	_, _ = fmt.Fprintf(f.out, "%sjob=\"loggregator\",instance=\"exporter:9286\"} %s %s\n", series, value, at)
}
