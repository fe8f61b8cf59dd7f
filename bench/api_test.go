package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/exposition"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/web/api"
	"loggregator_exporter/web/console"
	"loggregator_exporter/web/overview"
)

const (
	apiSeries = 1_000_000
	// apiNames is how many raw names there are: far more than the few thousand of a foundation.
	apiNames   = 50_000
	apiPace    = 50_000 // envelopes a second
	apiClients = 10
	apiRounds  = 5
	apiRound   = 4 * time.Second
	slow       = 100 * time.Millisecond // more than is wanted of an answer
	apiSilence = time.Minute            // after which lists are old
)

// manyNames gives the envelopes of VMs names of which there are apiNames together.
func manyNames(b *testing.B, batches [][]byte) {
	b.Helper()
	for vm, wire := range batches {
		var batch loggregator_v2.EnvelopeBatch
		if err := proto.Unmarshal(wire, &batch); err != nil {
			b.Fatal(err)
		}
		for i, e := range batch.GetBatch() {
			// A name comes as a gauge or as a counter.
			name := fmt.Sprintf("set%d.value%dOfTheMetric", vm%(apiNames/batchSize/2), i)
			if c := e.GetCounter(); c != nil {
				c.Name = name + "Count"
				continue
			}
			for _, value := range e.GetGauge().GetMetrics() {
				value.Unit = "count"
				e.GetGauge().Metrics = map[string]*loggregator_v2.GaugeValue{name: value}
			}
		}
		var err error
		if batches[vm], err = proto.Marshal(&batch); err != nil {
			b.Fatal(err)
		}
	}
}

// apiBench is an exporter with many series and names, and its API.
type apiBench struct {
	store   *store.Store
	intake  *nozzle.Intake
	batches [][]byte
	own     prometheus.Gatherer
	web     http.Handler
	scrape  http.Handler
}

// console makes an API of which nothing was asked yet, and what serves it and its pages.
func (x *apiBench) console(b *testing.B) (*api.API, http.Handler) {
	b.Helper()
	a := api.New(api.Options{
		Options: overview.Options{Store: x.store, Own: x.own},
		Rules:   func() tagger.Options { return tagger.Options{Catalogue: catalogue.Files(), Quarantine: true} },
	})
	mux := http.NewServeMux()
	mux.Handle(api.Prefix, a.Handler())
	console.New(console.Options{Data: a, TelemetryPath: "/metrics", Log: quiet()}).Register(mux)
	return a, mux
}

func newAPIBench(b *testing.B) (*apiBench, *api.API) {
	b.Helper()
	x := &apiBench{store: newStore(b, apiSeries), batches: workload(b, apiSeries)}
	manyNames(b, x.batches)
	reg := prometheus.NewRegistry()
	if err := reg.Register(x.store.Collector()); err != nil {
		b.Fatal(err)
	}
	ledger, err := nozzle.NewLedger(reg)
	if err != nil {
		b.Fatal(err)
	}
	x.intake = nozzle.NewIntake(ledger.Source("rlp"), x.store.Writer())
	for _, batch := range x.batches {
		x.intake.V2(batch, time.Now())
	}
	if got := x.store.Stats().Series; got != apiSeries {
		b.Fatalf("%d series: %+v", got, x.store.Refusals())
	}
	x.own = reg
	a, web := x.console(b)
	x.web = web
	x.scrape = exposition.NewHandler(x.store, reg, exposition.Options{Logger: quiet()})
	return x, a
}

// feed takes envelopes at apiPace until ctx is done, and returns the processor time of each.
func (x *apiBench) feed(ctx context.Context, b *testing.B) float64 {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const rusageThread = 1
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(rusageThread, &u); err != nil {
			b.Error(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began, taken, cpu := time.Now(), 0, used()
	for at := 0; ; {
		select {
		case <-ctx.Done():
			return float64(used()-cpu) / float64(taken)
		case <-tick.C:
		}
		for due := int(time.Since(began).Seconds() * apiPace); taken < due; taken += batchSize {
			x.intake.V2(x.batches[at%len(x.batches)], time.Now())
			at++
		}
	}
}

// webPaths are what clients poll, and pages that people open.
var webPaths = []string{
	"/api/v1/status", "/api/v1/history", "/api/v1/names", "/api/v1/names?search=set77%20value&sort=series&order=desc",
	"/api/v1/names?sort=metric", "/api/v1/names?sort=last_seen&order=desc", "/api/v1/names?state=conflict", "/api/v1/names?owner=rep",
	"/api/v1/names?metric=cf_set0_value0_of_the_metric", "/api/v1/names?rule=quarantine", "/api/v1/names?reason=conflict",
	"/api/v1/explain?name=set0.value0OfTheMetric", "/api/v1/explain?name=cf_no_such_metric",
	"/api/v1/explain?name=cf_set0_value0_of_the_metric%7Bcomponent=%22rep%22%7D", "/api/v1/rules?unused=true",
	"/api/v1/rules", "/api/v1/rules/file?file=10-runtime.yaml",
	"/api/v1/cardinality", "/api/v1/cardinality?list=label_values&search=rep", "/api/v1/cardinality?list=owners&sort=name", "/api/v1/cardinality?metric=cf_set0_value0_of_the_metric", "/api/v1/config",
	"/", "/names", "/names?search=set77%20value&sort=series&order=desc", "/names?search=set77.valeu", "/explain?name=set0.value0OfTheMetric",
	"/rules", "/rules?view=workbench", "/cardinality", "/config", "/docs?page=runbook",
}

// listPaths are those that need lists of what the store has.
var listPaths = [...]string{
	"/names", "/explain?name=cf_no_such_metric", "/rules", "/rules?view=workbench", "/cardinality",
}

// get asks for an answer.
func get(web http.Handler, path string) (status int, took time.Duration) {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)
	began := time.Now()
	web.ServeHTTP(w, r)
	return w.Code, time.Since(began)
}

// reportTimes asks five times, with a pause, and reports what it takes in ms: the median and the most. web returns what
// is asked each time, from 0.
func reportTimes(b *testing.B, name, path string, web func(i int) http.Handler) {
	b.Helper()
	var times []float64
	for i := range apiRounds {
		time.Sleep(time.Second)
		used := cpu(b)
		status, took := get(web(i), path)
		used = cpu(b) - used
		if status != http.StatusOK {
			b.Fatal(path, status, took, times)
		}
		if took > slow {
			b.Logf("%s %s: %v, in which this process used %v of the processors", name, path, took, used)
		}
		times = append(times, float64(took.Microseconds())/1000)
	}
	path = strings.NewReplacer("?", "-", "=", "-", "&", "-", "%20", "-", "%22", "", "%7B", "-", "%7D", "").Replace(path)
	b.ReportMetric(median(times), name+path)
	b.ReportMetric(slices.Max(times), name+"-at-most"+path)
}

// round feeds, and scrapes without a pause, while clients poll, and returns what an envelope and a scrape take.
func (x *apiBench) round(b *testing.B, clients int) (perEnvelope, perScrape float64, answers int) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), apiRound)
	defer cancel()
	var group sync.WaitGroup
	var mu sync.Mutex
	for i := range clients {
		group.Go(func() {
			for at := i; ctx.Err() == nil; at++ {
				if status, _ := get(x.web, webPaths[at%len(webPaths)]); status == http.StatusOK {
					mu.Lock()
					answers++
					mu.Unlock()
				}
			}
		})
	}
	group.Go(func() { perEnvelope = x.feed(ctx, b) })
	var scrapes []float64
	for ctx.Err() == nil {
		began := time.Now()
		x.scrape.ServeHTTP(&discard{header: http.Header{}}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		scrapes = append(scrapes, time.Since(began).Seconds())
	}
	cancel()
	group.Wait()
	return perEnvelope, median(scrapes), answers
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// BenchmarkAPI asks an exporter that has a million series and 50,000 names, and takes 50,000 envelopes a second: how
// long each endpoint and page takes, also the first time after minutes in which nobody has asked, and what ten clients
// that poll without a pause cost the stream and scrapes, as ratios to rounds without them in the same run.
func BenchmarkAPI(b *testing.B) {
	x, a := newAPIBench(b)
	ctx, cancel := context.WithCancel(b.Context())
	running := make(chan error, 1)
	go func() { running <- a.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-running; err != nil {
			b.Error(err)
		}
	}()
	b.Run("answers", func(b *testing.B) {
		feeding, stop := context.WithCancel(b.Context())
		var group sync.WaitGroup
		group.Go(func() { x.feed(feeding, b) })
		// Of these each asks one that has listed everything once, minutes ago, as api.API.Run does.
		var rested [len(listPaths)][apiRounds]http.Handler
		for i := range rested {
			for k := range rested[i] {
				_, rested[i][k] = x.console(b)
				for _, path := range listPaths {
					get(rested[i][k], path)
				}
			}
		}
		reportTimes(b, "ms-first-of-all", "/names", func(int) http.Handler {
			_, web := x.console(b)
			return web
		})
		for _, path := range webPaths {
			reportTimes(b, "ms", path, func(int) http.Handler { return x.web })
		}
		time.Sleep(apiSilence)
		for i, path := range listPaths {
			reportTimes(b, "ms-after-silence", path, func(k int) http.Handler { return rested[i][k] })
		}
		stop()
		group.Wait()
		b.ReportMetric(0, "ns/op")
	})
	b.Run("polled", func(b *testing.B) {
		var envelope, scrape [2][]float64
		x.round(b, apiClients) // takes what was saved up
		total := 0
		for range apiRounds {
			for i, clients := range []int{0, apiClients} {
				e, s, answers := x.round(b, clients)
				envelope[i], scrape[i] = append(envelope[i], e), append(scrape[i], s)
				total += answers
			}
		}
		b.ReportMetric(median(envelope[0]), "cpu-ns/envelope")
		b.ReportMetric(median(envelope[1])/median(envelope[0]), "times-per-envelope")
		b.ReportMetric(median(scrape[0]), "s/scrape")
		b.ReportMetric(median(scrape[1])/median(scrape[0]), "times-per-scrape")
		b.ReportMetric(float64(total)/(apiRounds*apiRound.Seconds()), "answers/s")
		b.ReportMetric(0, "ns/op")
	})
}
