package migrate

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/compat"
	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/naming"
)

// What happens, by numbers of scrapes.
const (
	// The VMs with index 1 start anew at restart; those with index 0 send nothing from silent to audible.
	restart         = 12
	silent, audible = 16, 26
	// The exporter is stopped at stopped, and another one is there from started on. It does not know the VMs that are
	// silent, whose series end so.
	stopped, started = 19, 21
	// No scrape succeeds from blind to sighted, while the exporter goes on.
	blind, sighted = 30, 33
	scrapes        = 42
)

// emitters are what sends envelopes to the RLP of a simulated foundation: two VMs for each name of the corpus, apps and
// their requests.
type emitters struct {
	t      *testing.T
	rlp    *foundation.Foundation
	random *rand.Rand
	all    []*emitter
	names  []string // as firehose_exporter has them
	apps   []app
	count  uint64 // envelopes since the exporter was started
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

// newEmitters serves a foundation until the test ends.
func newEmitters(t *testing.T) *emitters {
	t.Helper()
	f, err := foundation.New(foundation.Options{Apps: -1, BatchInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	e := &emitters{t: t, rlp: f, random: rand.New(rand.NewPCG(1, 2))}
	for i, name := range []string{"shop", "mail", "wiki"} {
		e.apps = append(e.apps, app{
			fmt.Sprintf("693c90af-a273-4c58-a053-b90fea4fa3%02d", i), name, "space-" + strconv.Itoa(i%2), "org",
		})
	}
	e.addNames()
	return e
}

// row is a name of the corpus, with what both forms make of it.
type row struct {
	emitter

	old, series string
	rank        int // of the ways in which one series is sent the one with the lowest is
}

// addNames adds two VMs for each name of the corpus. Of the ways in which releases have spelled a name, a foundation
// emits one: left out is a name that is one of firehose_exporter's, or one of our series, with another that is there.
func (f *emitters) addNames() {
	rows := f.rows()
	seriesOf := map[string][]string{} // by old names, of all their spellings
	for i := range rows {
		seriesOf[rows[i].old] = append(seriesOf[rows[i].old], rows[i].series)
	}
	taken := map[string]string{} // series by the old name
	for i := range rows {
		r := &rows[i]
		isTaken := func(series string) bool { return taken[series] != "" }
		if slices.ContainsFunc(seriesOf[r.old], isTaken) {
			continue
		}
		for _, series := range seriesOf[r.old] {
			taken[series] = r.old
		}
		f.names = append(f.names, r.old)
		for r.index = range 2 {
			one := r.emitter
			f.all = append(f.all, &one)
		}
	}
}

func (f *emitters) rows() (rows []row) {
	rules, _, err := tagger.New(tagger.Options{Catalogue: catalogue.Files(), Quarantine: true})
	if err != nil {
		f.t.Fatal(err)
	}
	own := resolver.New(resolver.Options{Tagger: rules, Naming: naming.Style{Namespace: "cf"}})
	old, err := compat.New(compat.Options{Namespace: "firehose", NodeIndex: "0"})
	if err != nil {
		f.t.Fatal(err)
	}
	ranks := map[string]int{}
	for _, file := range []string{"compat/testdata/boshrelease_metrics.tsv", "migrate/testdata/older.tsv"} {
		for line := range f.lines(file) {
			ranks[strings.Join(strings.Split(line, "\t")[:3], "\t")] = -1 // dashboards ask for it
		}
	}
	for line := range f.lines("migrate/names.tsv") {
		fields := strings.Split(line, "\t")
		r := row{emitter: emitter{origin: fields[0], name: fields[1], unit: fields[3], kind: metric.KindGauge}}
		if fields[2] == "counter" {
			r.kind = metric.KindCounter
		}
		if r.rank = ranks[strings.Join(fields[:3], "\t")]; strings.HasPrefix(r.name, r.origin+".") {
			r.rank++ // most releases do not repeat the origin
		}
		id := store.Identity{
			Kind: r.kind, Name: r.name, Unit: r.unit, Tags: []metric.Label{{Name: "origin", Value: r.origin}},
		}
		now := own.Resolve(&id)
		r.series, r.old = now.Metric+"{"+string(metric.RenderLabels(now.Labels))+"}", old.Name(r.origin, r.name, r.kind)
		if r.grows = now.Type == metric.TypeCounter; !now.Dropped && r.origin != "" {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return a.rank - b.rank })
	return rows
}

// lines are those of a file of the project.
func (f *emitters) lines(path string) iter.Seq[string] {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(peer.Root(f.t), filepath.FromSlash(path)))
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n")
}

// warmUp lets every combination of labels of requests be there, so that no series begins later than another one, and
// counts them up by some rounds, as rate takes a counter near 0 for one that has just begun.
func (f *emitters) warmUp(rounds int) {
	for range rounds {
		f.requests(1)
	}
}

// round sends what comes between two scrapes.
func (f *emitters) round(step int) {
	for _, e := range f.all {
		f.emit(e, step)
	}
	f.containers()
	f.requests(1 + step%3)
}

func (f *emitters) send(e *loggregator_v2.Envelope, tags ...string) {
	e.Timestamp = time.Now().UnixNano()
	e.Tags = map[string]string{}
	for i := 0; i < len(tags); i += 2 {
		e.Tags[tags[i]] = tags[i+1]
	}
	f.count++
	f.rlp.Publish(e)
}

// isState matches names of gauges that are 1 or 0, by which queries select.
var isState = regexp.MustCompile(`(?:IsLeader|UnhealthyCell|HealthCheckFailed|LockHeld)$`)

func gaugeOf(values map[string]*loggregator_v2.GaugeValue) *loggregator_v2.Envelope_Gauge {
	return &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{Metrics: values}}
}

func (f *emitters) emit(s *emitter, step int) {
	if s.index == 1 && step == restart {
		s.value = 0
	}
	switch {
	case s.grows || s.kind == metric.KindCounter:
		s.value += float64(f.random.IntN(500))
	case isState.MatchString(s.name):
		s.value = float64(f.random.IntN(2))
	default:
		s.value = 1 + float64(f.random.IntN(100_000))/8
	}
	if s.index == 0 && step >= silent && step < audible {
		return
	}
	e := &loggregator_v2.Envelope{SourceId: s.origin, InstanceId: strconv.Itoa(s.index)}
	if s.kind == metric.KindCounter {
		e.Message = &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{Name: s.name, Total: uint64(s.value)}}
	} else {
		e.Message = gaugeOf(map[string]*loggregator_v2.GaugeValue{s.name: {Unit: s.unit, Value: s.value}})
	}
	f.send(e, "origin", s.origin, "deployment", "cf", "job", "vm-of-"+s.origin, "index", strconv.Itoa(s.index),
		"ip", "10.0.0."+strconv.Itoa(s.index))
}

func (f *emitters) appTags(a app) []string {
	return []string{
		"app_id", a.guid, "app_name", a.name, "space_name", a.space, "organization_name", a.org, "process_type", "web",
	}
}

func (f *emitters) containers() {
	for _, a := range f.apps {
		for index := range 2 {
			value := func(most int) float64 { return 1 + float64(f.random.IntN(most)) }
			e := &loggregator_v2.Envelope{
				SourceId: a.guid, InstanceId: strconv.Itoa(index),
				Message: gaugeOf(map[string]*loggregator_v2.GaugeValue{
					"cpu":          {Unit: "percentage", Value: value(100) / 8},
					"memory":       {Unit: "bytes", Value: value(1 << 28)},
					"disk":         {Unit: "bytes", Value: value(1 << 29)},
					"memory_quota": {Unit: "bytes", Value: 1 << 28},
					"disk_quota":   {Unit: "bytes", Value: 1 << 29},
				}),
			}
			f.send(e, append(f.appTags(a), "origin", "rep", "deployment", "cf", "job", "vm-of-rep", "index", strconv.Itoa(index),
				"ip", "10.0.0."+strconv.Itoa(index))...)
		}
	}
}

// requests sends some of each combination of labels. All series of requests grow in proportion: rate and increase guess
// what happened before the first sample and after the last one, so that a sum of rates is the rate of the sum only then.
func (f *emitters) requests(times int) {
	for i, a := range append(f.apps, app{}) { // the last are requests to what is no app
		for _, method := range []string{"GET", "POST"} {
			for c, code := range []string{"200", "204", "302", "404", "500", "502"} {
				for n := range times * 4 {
					took := time.Duration(1+c+7*i) * time.Duration(1+n%4*n%4) * 17 * time.Millisecond
					f.request(a, n, took, "method", method, "status_code", code,
						"content_length", strconv.Itoa((1+n%4)*(1+i)*5000))
				}
			}
		}
	}
}

// request sends a request to one of two instances of an app, by one of two schemes.
func (f *emitters) request(a app, n int, took time.Duration, tags ...string) {
	now := time.Now()
	instance, scheme := strconv.Itoa(n%2), []string{"http", "https"}[n/2%2]
	e := &loggregator_v2.Envelope{
		SourceId: a.guid, InstanceId: instance,
		Message: &loggregator_v2.Envelope_Timer{Timer: &loggregator_v2.Timer{
			Name: "http", Start: now.UnixNano(), Stop: now.Add(took).UnixNano(),
		}},
	}
	tags = append(tags, "origin", "gorouter", "deployment", "cf", "peer_type", "Server")
	if a.guid == "" {
		e.SourceId, e.InstanceId = "gorouter", "0"
		tags = append(tags, "uri", scheme+"://api.example.com/v3/info")
	} else {
		tags = append(append(tags, f.appTags(a)...), "uri", scheme+"://"+a.name+".example.com/", "instance_id", instance,
			"process_id", a.guid, "process_instance_id", "1f8b7ad0-"+instance+"111-4222-8333-"+a.guid[24:])
	}
	f.send(e, tags...)
}

// others are series of exporters that the queries of dashboards join with: cf_exporter's and bosh_exporter's.
func (f *emitters) others() string {
	var b strings.Builder
	for _, a := range f.apps {
		fmt.Fprintf(&b, "cf_application_info{environment=\"production\",deployment=\"cf\",application_id=%q,"+
			"application_name=%q,space_name=%q,organization_name=%q} 1\n", a.guid, a.name, a.space, a.org)
	}
	for index := range 2 {
		fmt.Fprintf(&b, "bosh_job_healthy{environment=\"production\",bosh_deployment=\"cf\",bosh_job_id=\"%d\","+
			"bosh_job_name=\"vm-of-gorouter\"} %[1]d\n", index)
	}
	return b.String()
}
