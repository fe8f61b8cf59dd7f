package exposition

import (
	"bytes"
	"os"
	"testing"

	"github.com/prometheus/common/expfmt"

	"loggregator_exporter/internal/leaks"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

func TestMain(m *testing.M) { os.Exit(leaks.Check(m.Run())) }

// series is a family as tests write it down.
type series struct {
	store.Family
	samples []store.Sample
}

// content is what a fake store holds. Chunks are short, so that families need several.
type content []series

func (c content) families() []store.Family {
	fs := make([]store.Family, len(c))
	for i := range c {
		fs[i] = c[i].Family
	}
	return fs
}

func (c content) reader() Reader { return &fakeReader{content: c} }

type fakeReader struct {
	content content
	rest    []store.Sample
}

func (r *fakeReader) Reset(f *store.Family) {
	r.rest = nil
	if f == nil {
		return
	}
	for i := range r.content {
		if r.content[i].Name == f.Name && r.content[i].Type == f.Type {
			r.rest = r.content[i].samples
			return
		}
	}
}

func (r *fakeReader) Next() []store.Sample {
	n := min(3, len(r.rest))
	chunk := r.rest[:n]
	r.rest = r.rest[n:]
	return chunk
}

func write(tb testing.TB, format expfmt.Format, c content) string {
	tb.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, c.families(), c.reader()); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func gauge(name string, samples ...store.Sample) series {
	return series{store.Family{Name: name, Help: "A gauge.", Type: metric.TypeGauge}, samples}
}

func counter(name string, samples ...store.Sample) series {
	return series{store.Family{Name: name, Help: "A counter.", Type: metric.TypeCounter}, samples}
}

func histogram(name string, samples ...store.Sample) series {
	return series{store.Family{Name: name, Help: "A histogram.", Type: metric.TypeHistogram}, samples}
}

func one(v float64) store.Sample { return store.Sample{Value: v} }

func labels(pairs ...string) metric.Labels {
	ls := make([]metric.Label, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		ls = append(ls, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return metric.RenderLabels(ls)
}
