package remotewrite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// value is a sample as it was received; stale markers have their own word.
type value struct {
	text             string
	timestamp, start int64
}

func valueOf(bits uint64) string {
	if bits == staleNaN {
		return "stale"
	}
	return fmt.Sprint(math.Float64frombits(bits))
}

// received is one time series of a request.
type received struct {
	series string // {a="1",...}, in the order on the wire
	value  value
	native bool
	traces []string // exemplars: id, value, milliseconds
	typ    uint64
	help   string
	unit   string
}

// decoder reads requests with nothing of the code under test.
type decoder struct {
	symbols []string
	series  []received
}

func fields(b []byte, f func(protowire.Number, uint64, []byte)) {
	for len(b) > 0 {
		number, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			panic("no tag")
		}
		b = b[n:]
		var v uint64
		var text []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(b)
		default:
			n = -1
		}
		if n < 0 {
			panic("no value")
		}
		f(number, v, text)
		b = b[n:]
	}
}

func (d *decoder) sample(b []byte) (v value) {
	fields(b, func(n protowire.Number, x uint64, _ []byte) {
		switch int(n) {
		case 1:
			v.text = valueOf(x)
		case 2:
			v.timestamp = int64(x)
		case 3:
			v.start = int64(x)
		}
	})
	return v
}

// zigzag reads the numbers of a packed field.
func zigzag(b []byte) (out []int64) {
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		out = append(out, protowire.DecodeZigZag(v))
		b = b[n:]
	}
	return out
}

// histogram writes one as count, sum, schema, zero bucket @ its width, first bucket, deltas, hint.
func (d *decoder) histogram(b []byte) (v value) {
	var count, schema, zero, threshold, hint uint64
	var deltas []int64
	span := ""
	fields(b, func(n protowire.Number, x uint64, packed []byte) {
		switch int(n) {
		case 1:
			count = x
		case 3:
			v.text = valueOf(x)
		case 4:
			schema = x
		case 5:
			threshold = x
		case 6:
			zero = x
		case 11:
			fields(packed, func(n protowire.Number, x uint64, _ []byte) {
				if n == 1 {
					span += fmt.Sprint(protowire.DecodeZigZag(x))
				} else {
					span += fmt.Sprintf("+%d", x)
				}
			})
		case 12:
			deltas = zigzag(packed)
		case 14:
			hint = x
		case 15:
			v.timestamp = int64(x)
		case 17:
			v.start = int64(x)
		default:
			panic(fmt.Sprint("field ", n))
		}
	})
	if v.text != "stale" || count+schema+zero+threshold+hint > 0 || span != "" {
		v.text = fmt.Sprintf("(%d %s %d %d@%g %s%d %d)", count, v.text, protowire.DecodeZigZag(schema), zero, math.Float64frombits(threshold), span, deltas, hint)
	}
	return v
}

// exemplar reads one, given what reads its label.
func exemplar(b []byte, label func([]byte) string) string {
	id, v, at := "", "", uint64(0)
	fields(b, func(n protowire.Number, x uint64, part []byte) {
		switch int(n) {
		case 1:
			id = label(part)
		case 2:
			v = valueOf(x)
		case 3:
			at = x
		}
	})
	return fmt.Sprint(id, " ", v, " ", at)
}

func labelOf(part []byte) string {
	var pair [3]string
	fields(part, func(n protowire.Number, _ uint64, text []byte) { pair[n] = string(text) })
	return fmt.Sprintf("%s=%q", pair[1], pair[2])
}

func (d *decoder) labels(part []byte) string {
	var texts []string
	for len(part) > 0 {
		ref, n := protowire.ConsumeVarint(part)
		texts = append(texts, d.symbols[ref])
		part = part[n:]
	}
	var labels []string
	for i := 0; i < len(texts); i += 2 {
		labels = append(labels, fmt.Sprintf("%s=%q", texts[i], texts[i+1]))
	}
	return strings.Join(labels, ",")
}

func (d *decoder) v1(b []byte) {
	fields(b, func(n protowire.Number, _ uint64, entry []byte) {
		var r received
		var labels []string
		switch int(n) {
		case 1:
			fields(entry, func(n protowire.Number, _ uint64, part []byte) {
				switch int(n) {
				case 1:
					labels = append(labels, labelOf(part))
				case 2:
					r.value = d.sample(part)
				case 3:
					r.traces = append(r.traces, exemplar(part, labelOf))
				case 4:
					r.value, r.native = d.histogram(part), true
				}
			})
			r.series = "{" + strings.Join(labels, ",") + "}"
		case 3:
			fields(entry, func(n protowire.Number, v uint64, text []byte) {
				switch int(n) {
				case 1:
					r.typ = v
				case 2:
					r.series = string(text)
				case 4:
					r.help = string(text)
				case 5:
					r.unit = string(text)
				}
			})
		}
		d.series = append(d.series, r)
	})
}

func (d *decoder) v2(b []byte) {
	fields(b, func(n protowire.Number, _ uint64, entry []byte) {
		if n == 4 {
			d.symbols = append(d.symbols, string(entry))
		}
	})
	fields(b, func(n protowire.Number, _ uint64, entry []byte) {
		if n != 5 {
			return
		}
		var r received
		fields(entry, func(n protowire.Number, _ uint64, part []byte) {
			switch int(n) {
			case 1:
				r.series = "{" + d.labels(part) + "}"
			case 2:
				r.value = d.sample(part)
			case 3:
				r.value, r.native = d.histogram(part), true
			case 4:
				r.traces = append(r.traces, exemplar(part, d.labels))
			case 5:
				fields(part, func(n protowire.Number, v uint64, _ []byte) {
					switch int(n) {
					case 1:
						r.typ = v
					case 3:
						r.help = d.symbols[v]
					case 4:
						r.unit = d.symbols[v]
					}
				})
			}
		})
		d.series = append(d.series, r)
	})
}

// receiver answers requests in place of a server, so that time can be that of a bubble. It stores what it accepts.
type receiver struct {
	// answer returns the status of a request, or an error of the network; nil accepts all.
	answer func(r *http.Request, series []received) (status int, header http.Header, err error)

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
	if strings.Contains(req.Header.Get("Content-Type"), "v2") {
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
	if strings.Contains(req.Header.Get("Content-Type"), "v2") {
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
	if status/100 == 2 {
		r.take(d.series)
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("because\nmore"))}, nil
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
		URL: "http://user:secret@receiver/write", Protocol: protocol, Interval: 15 * time.Second, Timeout: 30 * time.Second,
		MaxSamplesPerSend: 2000, QueueMaxBytes: 64 << 20, Shards: 4, MinBackoff: 30 * time.Millisecond, MaxBackoff: 5 * time.Second,
		RetryOnRateLimit: true, NameEscaping: EscapeUnderscores, SendClassicHistograms: true, ExternalLabels: []Pair{{"job", "j"}, {"instance", "i"}},
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

// ended counts what came to an end, whichever.
func (o *outcomes) ended() float64 {
	got := testutil.ToFloat64(o.taken) + testutil.ToFloat64(o.failed)
	for _, reason := range []string{reasonQueueFull, reasonStopped} {
		got += testutil.ToFloat64(o.dropped.WithLabelValues(reason))
	}
	return got
}
