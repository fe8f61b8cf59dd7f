package compat

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

func sink(tb testing.TB) (*Sink, *store.Store, *Received) {
	tb.Helper()
	s, err := store.New(store.Options{Resolver: dialect(tb), Expiration: time.Hour, MaxSeries: 1000})
	if err != nil {
		tb.Fatal(err)
	}
	r := NewReceived("firehose", "test")
	return NewSink(s.Writer(), r), s, r
}

func tags(pairs ...string) []metric.Tag {
	var out []metric.Tag
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, metric.Tag{Key: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return out
}

func request(pairs ...string) *metric.Envelope {
	now := time.Now().UnixNano()
	return &metric.Envelope{
		Kind:      metric.KindTimer,
		Name:      []byte("http"),
		SourceID:  []byte("gorouter"),
		Arrived:   now,
		Timestamp: now,
		Start:     now - 5e6,
		Stop:      now,
		Tags:      tags(append([]string{"origin", "gorouter", "peer_type", "Server"}, pairs...)...),
	}
}

// The outcome of a timer is told once, whatever becomes of its three families.
func TestTimerOutcomes(t *testing.T) {
	const app = "6ba7b811-9dad-11d1-80b4-00c04fd430c8"
	s, of, r := sink(t)
	change := func(e *metric.Envelope, f func(*metric.Envelope)) *metric.Envelope {
		f(e)
		return e
	}
	for _, c := range []struct {
		what string
		e    *metric.Envelope
		want metric.Outcome
	}{
		{"request", request("status_code", "200", "content_length", "5"), metric.Stored},
		{"size that is none", request("content_length", "-5"), metric.Stored},
		{"client", request("peer_type", "client"), metric.Duplicate},
		{"client of another", change(request("peer_type", "Client", "origin", "nginx"), func(e *metric.Envelope) { e.SourceID = []byte("nginx") }), metric.Stored},
		{"old router's client", change(request("peer_type", "Client", "origin", "router__0"), func(e *metric.Envelope) { e.SourceID = nil }), metric.Duplicate},
		{"app without a tag", change(request(), func(e *metric.Envelope) { e.SourceID = []byte(app) }), metric.Duplicate},
		{"app", change(request("app_id", app), func(e *metric.Envelope) { e.SourceID = []byte(app) }), metric.Stored},
		{"no app", change(request(), func(e *metric.Envelope) { e.SourceID = []byte(strings.Replace(app, "-", "_", 1)) }), metric.Stored},
		{"backwards", change(request(), func(e *metric.Envelope) { e.Stop = e.Start - 1 }), metric.Invalid},
		{"beyond all time", change(request(), func(e *metric.Envelope) { e.Start, e.Stop = -1<<63, 1<<62 }), metric.Invalid},
		{"too many tags", change(request(), func(e *metric.Envelope) { e.TooManyTags = true }), metric.Invalid},
		{"huge tag", request("app_name", strings.Repeat("x", metric.MaxValueBytes)), metric.Invalid},
		{"huge uri", request("uri", "http://"+strings.Repeat("x", metric.MaxValueBytes)+"/"), metric.Invalid},
		{"other timer", change(request(), func(e *metric.Envelope) { e.Name = []byte("https") }), metric.DroppedByRule},
	} {
		var tally, want metric.Tally
		want[c.want] = 1
		if s.Write(c.e, &tally); tally != want {
			t.Errorf("%s: %v, want %s", c.what, tally, c.want)
		}
	}
	var want metric.Tally
	want[metric.Stored], want[metric.Duplicate], want[metric.Invalid], want[metric.DroppedByRule] = 5, 3, 5, 1
	if got := r.samples(); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	var leftOut metric.Tally
	for _, by := range of.LeftOut() {
		leftOut[by.Outcome] += by.Count
	}
	if leftOut != (metric.Tally{metric.Duplicate: 3, metric.DroppedByRule: 1}) {
		t.Errorf("left out by name: %v", leftOut)
	}
}

// One identity, one series: requests add up whatever the order of tags, and the status code is no label of the
// duration.
func TestRequestsAddUp(t *testing.T) {
	k, s, _ := sink(t)
	var tally metric.Tally
	for range 10 {
		k.Write(request("method", "GET", "status_code", "200", "uri", "http://h/a", "request_id", "1"), &tally)
		k.Write(request("uri", "http://h/b?c", "request_id", "2", "status_code", "500", "method", "GET"), &tally)
	}
	got := map[string]float64{}
	var r store.Reader
	for _, f := range s.Families() {
		r.Reset(&f)
		for _, sample := range r.Next() {
			got[f.Name+" "+sample.Labels.Value("status_code")] = sample.Value
			if sample.Histogram != nil {
				got[f.Name+" "+sample.Labels.Value("status_code")] = float64(sample.Histogram.Count)
			}
		}
	}
	if len(got) != 3 || got["firehose_http_total 200"] != 10 || got["firehose_http_total 500"] != 10 ||
		got["firehose_http_duration_seconds "] != 20 {
		t.Error(got)
	}
}

func TestSinkDoesNotAllocate(t *testing.T) {
	k, _, _ := sink(t)
	now := time.Now().UnixNano()
	for what, e := range map[string]*metric.Envelope{
		"gauge":   {Kind: metric.KindGauge, Arrived: now, Tags: tags("origin", "rep"), Points: []metric.Point{{Name: []byte("cpu")}, {Name: []byte("x")}}},
		"counter": {Kind: metric.KindCounter, Arrived: now, Tags: tags("origin", "rep"), Name: []byte("c"), Total: 5},
		"request": request("status_code", "200", "content_length", "5", "uri", "https://h.example.com:443/a%20b?c=%zz", "method", "GET", "app_id", "x"),
		"path":    request("uri", "/a"),
		"client":  request("peer_type", "Client"),
	} {
		var tally metric.Tally
		k.Write(e, &tally)
		if n := testing.AllocsPerRun(100, func() { k.Write(e, &tally) }); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}

// Whatever tags are called, labels are legal and none stands twice.
func FuzzLabels(f *testing.F) {
	f.Add("a-b", "a_b", "unit", "__x")
	f.Add("-_x", "9", "", "é")
	f.Add("bosh_deployment", "deployment", "environment", "source_id")
	d := dialect(f)
	f.Fuzz(func(t *testing.T, a, b, c, e string) {
		var tags []metric.Label
		for i, name := range []string{a, b, c, e} {
			tags = append(tags, metric.Label{Name: name, Value: string(rune('a' + i))})
		}
		for _, kind := range []metric.Kind{metric.KindGauge, metric.KindCounter, metric.KindTimer} {
			id := store.Identity{Kind: kind, Name: "http_total", Unit: "u", SourceID: "s", InstanceID: "i", Tags: tags}
			r := d.Resolve(&id)
			seen := map[string]bool{}
			for _, l := range r.Labels {
				if !model.LegacyValidation.IsValidLabelName(l.Name) || strings.HasPrefix(l.Name, "__") || seen[l.Name] ||
					l.Value == "" {
					t.Errorf("%s: %q", kind, r.Labels)
				}
				seen[l.Name] = true
			}
		}
	})
}

// firehose_exporter knows no histograms and summaries: those that OpenTelemetry brings are left out, and counted.
func TestHistogramsOfSendersAreDropped(t *testing.T) {
	for _, kind := range []metric.Kind{metric.KindHistogram, metric.KindSummary} {
		to, s, _ := sink(t)
		var tally metric.Tally
		to.Write(&metric.Envelope{Kind: kind, Name: []byte("x"), Distribution: &metric.Distribution{Count: 1}}, &tally)
		if tally != (metric.Tally{metric.DroppedByRule: 1}) || len(s.Families()) > 0 {
			t.Errorf("%s: %v", kind, tally)
		}
		if r := s.Resolver().Resolve(&store.Identity{Kind: kind, Name: "x"}); !r.Dropped {
			t.Errorf("%s: %+v", kind, r)
		}
	}
}
