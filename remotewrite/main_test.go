package remotewrite

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"loggregator_exporter/internal/leaks"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

func TestMain(m *testing.M) { os.Exit(leaks.Check(m.Run())) }

// receiver answers requests in place of a server, so that time can be that of a bubble. It stores what it accepts.
type receiver struct {
	// answer returns the status of a request, or an error of the network; nil accepts all.
	answer func(r *http.Request, series []received) (status int, header http.Header, err error)

	text string // of answers, unless empty

	mu       sync.Mutex
	order    []string
	got      map[string][]value
	traces   map[string][]string
	metadata map[string]received
	requests []*http.Request
	times    []time.Time
	sizes    []int
	problem  error
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	packed, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	plain, err := snappy.Decode(nil, packed)
	if err != nil {
		return nil, err
	}
	var d decoder
	v2 := strings.Contains(req.Header.Get("Content-Type"), "v2")
	if v2 {
		d.v2(plain)
	} else {
		d.v1(plain)
	}
	status, header := http.StatusNoContent, http.Header{}
	r.mu.Lock()
	r.requests = append(r.requests, req)
	r.times = append(r.times, time.Now())
	r.sizes = append(r.sizes, len(d.series))
	r.mu.Unlock()
	if v2 {
		natives, traces := 0, 0
		for _, s := range d.series {
			if s.native {
				natives++
			}
			traces += len(s.traces)
		}
		header.Set("X-Prometheus-Remote-Write-Samples-Written", fmt.Sprint(len(d.series)-natives))
		header.Set("X-Prometheus-Remote-Write-Histograms-Written", fmt.Sprint(natives))
		header.Set("X-Prometheus-Remote-Write-Exemplars-Written", fmt.Sprint(traces))
	}
	if r.answer != nil {
		var h http.Header
		if status, h, err = r.answer(req, d.series); err != nil {
			return nil, err
		}
		if h != nil {
			header = h
		}
	}
	// As VictoriaMetrics does, one that does not confirm a request of 2.0 has stored nothing.
	if status/100 == 2 &&
		(!v2 || slices.ContainsFunc(writtenHeaders[:], func(name string) bool { return header.Get(name) != "" })) {
		r.take(d.series)
	}
	text := cmp.Or(r.text, "because\nmore")
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(text))}, nil
}

func (r *receiver) take(series []received) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.got == nil {
		r.got, r.metadata, r.traces = map[string][]value{}, map[string]received{}, map[string][]string{}
	}
	for _, s := range series {
		if !strings.HasPrefix(s.series, "{") {
			r.metadata[s.series] = s
			continue
		}
		r.traces[s.series] = append(r.traces[s.series], s.traces...)
		old := r.got[s.series]
		if len(old) > 0 && old[len(old)-1].timestamp >= s.value.timestamp {
			r.problem = errors.Join(r.problem, fmt.Errorf("%s: %v after %v", s.series, s.value, old[len(old)-1]))
		}
		if len(old) == 0 {
			r.order = append(r.order, s.series)
		}
		r.got[s.series] = append(old, s.value)
		if s.typ != 0 {
			r.metadata[s.series] = s
		}
	}
}

// texts are the values of all series, without the exporter's own, in the order of their arrival.
func (r *receiver) texts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, name := range r.order {
		if strings.Contains(name, `__name__="loggregator_exporter_`) {
			continue
		}
		line := name
		for _, v := range r.got[name] {
			line += " " + v.text
		}
		out = append(out, line)
	}
	return out
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.requests)
}

// holding is a store as tests write it down: families by name, samples by labels.
type holding struct {
	mu       sync.Mutex
	families []store.Family
	samples  map[string][]store.Sample
	at       string
}

func (c *holding) set(families ...store.Family) *holding {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortFunc(families, func(a, b store.Family) int { return strings.Compare(a.Name, b.Name) })
	c.families, c.samples = families, map[string][]store.Sample{}
	return c
}

func (c *holding) fill(name string, samples ...store.Sample) *holding {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortFunc(samples, func(a, b store.Sample) int { return strings.Compare(string(a.Labels), string(b.Labels)) })
	c.samples[name] = samples
	return c
}

func (c *holding) Families() []store.Family {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.families)
}

func (c *holding) Reset(f *store.Family) { c.at = f.Name }

func (c *holding) Next() []store.Sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.samples[c.at]
	c.at = ""
	return s
}

func gauge(name string) store.Family {
	return store.Family{Name: name, Help: "A gauge.", Type: metric.TypeGauge}
}

func one(v float64, pairs ...string) store.Sample {
	var ls []metric.Label
	for i := 0; i < len(pairs); i += 2 {
		ls = append(ls, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return store.Sample{Value: v, Labels: metric.RenderLabels(ls)}
}

func testOptions(protocol string) Options {
	return Options{
		URL:                   "http://user:secret@receiver/write",
		Protocol:              protocol,
		Interval:              15 * time.Second,
		Timeout:               30 * time.Second,
		MaxSamplesPerSend:     2000,
		QueueMaxBytes:         64 << 20,
		Shards:                4,
		MinBackoff:            30 * time.Millisecond,
		MaxBackoff:            5 * time.Second,
		RetryOnRateLimit:      true,
		NameEscaping:          EscapeUnderscores,
		SendClassicHistograms: true,
		ExternalLabels:        []Pair{{"job", "j"}, {"instance", "i"}},
	}
}

// newPusher makes a pusher of made-up content to a made-up receiver. Its registry is not pushed.
func newPusher(tb testing.TB, o Options, c *holding, r *receiver) (p *Pusher, log *bytes.Buffer) {
	tb.Helper()
	log = &bytes.Buffer{}
	reg := prometheus.NewRegistry()
	p, err := New(o, c, prometheus.NewRegistry(), reg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		tb.Fatal(err)
	}
	p.rounds.reader = c
	p.sender.client.http = &http.Client{Transport: r}
	return p, log
}

// balance checks that every sample collected ended in one way.
func balance(t *testing.T, p *Pusher, collected float64) {
	t.Helper()
	m := p.rounds.metrics
	if got := m.of[contentSamples].ended(); got != collected || testutil.ToFloat64(m.queueBytes) != 0 {
		t.Errorf("%v samples ended, %v collected; %v bytes", got, collected, testutil.ToFloat64(m.queueBytes))
	}
	for _, c := range m.of {
		if n := testutil.ToFloat64(c.pending); n != 0 {
			t.Errorf("%v pending", n)
		}
	}
}

// ended counts what was taken, failed or dropped.
func (o *outcomes) ended() float64 {
	got := testutil.ToFloat64(o.taken) + testutil.ToFloat64(o.failed)
	for _, reason := range []string{reasonQueueFull, reasonStopped} {
		got += testutil.ToFloat64(o.dropped[reason])
	}
	return got
}
