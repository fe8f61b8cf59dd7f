package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"loggregator_exporter/exposition"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// parse reads a page with Prometheus' own parser: values by series, types by family.
func parse(page []byte, contentType string) (samples map[string]float64, types map[string]string, err error) {
	p, err := textparse.New(page, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return nil, nil, err
	}
	samples, types = map[string]float64{}, map[string]string{}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return samples, types, nil
		}
		if err != nil {
			return nil, nil, err
		}
		switch entry {
		case textparse.EntrySeries:
			var l labels.Labels
			_, _, v := p.Series()
			p.Labels(&l)
			if _, twice := samples[l.String()]; twice {
				return nil, nil, fmt.Errorf("series twice: %s", l)
			}
			samples[l.String()] = v
		case textparse.EntryType:
			name, t := p.Type()
			// The Go collector has a gauge and a counter that OpenMetrics knows by the same name.
			if _, twice := types[string(name)]; twice && string(name) != "go_memstats_alloc_bytes" {
				return nil, nil, fmt.Errorf("family twice: %s", name)
			}
			types[string(name)] = string(t)
		case textparse.EntryInvalid, textparse.EntryHelp, textparse.EntryComment, textparse.EntryUnit, textparse.EntryHistogram:
		}
	}
}

// page is a family with its samples, and what a parser must read of it.
type page struct {
	family  store.Family
	samples []store.Sample
	want    map[string]float64
}

func (p *page) Reset(*store.Family) {}

func (p *page) Next() []store.Sample {
	out := p.samples
	p.samples = nil
	return out
}

// pieces make names, labels and help as bad as they may come.
var pieces = []string{
	"a", "b", ".", "_", "_total", `"`, "\n", `\`, "\x00", "\xff", "é", "1", " ", "{", "}", "\u2028", "\r", "=", ",", "#", "\t", "日", `\n`,
}

func word(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(6) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

func number(r *rand.Rand) float64 {
	odd := []float64{math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(0, -1), 5e-324, math.MaxFloat64}
	switch r.IntN(4) {
	case 0:
		return float64(r.IntN(1000))
	case 1:
		return math.Float64frombits(r.Uint64())
	case 2:
		return odd[r.IntN(len(odd))]
	default:
		return r.NormFloat64() * 1e9
	}
}

// newPage draws a family. The format decides how its name has to come out.
func newPage(r *rand.Rand, format expfmt.Format, scheme model.EscapingScheme) *page {
	p := &page{want: map[string]float64{}, family: store.Family{
		Name: word(r), Help: word(r), Unit: []string{"", "seconds", "a", "b", "é"}[r.IntN(5)], Type: metric.Type(r.IntN(4)),
	}}
	if r.IntN(4) == 0 {
		p.family.Name, p.family.Unit = p.family.Name+"_seconds", "seconds"
		if p.family.Type == metric.TypeCounter {
			p.family.Name += "_total"
		}
	}
	name := escaped(p.family.Name, scheme)
	if p.family.Type == metric.TypeCounter && format.FormatType() == expfmt.TypeOpenMetrics &&
		(!strings.HasSuffix(name, "_total") || name == "_total") {
		name = escaped(p.family.Name+"_total", scheme)
	}
	for i := range 1 + r.IntN(3) {
		p.add(r, name, fmt.Sprint(i))
	}
	return p
}

// escaped is the name that the negotiated scheme allows, without control characters.
func escaped(name string, scheme model.EscapingScheme) string {
	if scheme == model.NoEscaping {
		return metric.Printable(name)
	}
	if model.LegacyValidation.IsValidMetricName(name) {
		return name
	}
	return model.EscapeName(name, scheme)
}

func (p *page) add(r *rand.Rand, name, y string) {
	x := strings.ToValidUTF8(word(r), "\uFFFD")
	s := store.Sample{
		Labels: metric.RenderLabels([]metric.Label{{Name: "x", Value: x}, {Name: "y", Value: y}}), Value: number(r),
		Histogram: &store.Histogram{
			Bounds: []float64{-1, 0.5, 1, 1e6}, Counts: []uint64{1, 2, 3, 4, uint64(r.Uint32())}, Sum: number(r),
		},
		Summary: &store.Summary{Quantiles: []float64{0, 0.25, 1}, Values: []float64{number(r), number(r), number(r)}, Count: uint64(r.Uint32()), Sum: number(r)},
	}
	p.samples = append(p.samples, s)
	series := func(suffix string, v float64, more ...string) {
		p.want[labels.FromStrings(append([]string{"__name__", name + suffix, "x", x, "y", y}, more...)...).String()] = v
	}
	switch p.family.Type {
	case metric.TypeHistogram:
	case metric.TypeSummary:
		for i, quantile := range []string{"0.0", "0.25", "1.0"} {
			series("", s.Summary.Values[i], "quantile", quantile)
		}
		series("_sum", s.Summary.Sum)
		series("_count", float64(s.Summary.Count))
		return
	default:
		series("", s.Value)
		return
	}
	total := 0.0
	for i, le := range []string{"-1.0", "0.5", "1.0", "1e+06", "+Inf"} {
		total += float64(s.Histogram.Counts[i])
		series("_bucket", total, "le", le)
	}
	series("_sum", s.Histogram.Sum)
	series("_count", total)
}

// Whatever names, labels, help and values are made of, Prometheus reads exactly what was written.
func TestPrometheusReadsWhatIsWritten(t *testing.T) {
	formats := []expfmt.Format{
		expfmt.FmtText, "text/plain; version=1.0.0; charset=utf-8", expfmt.FmtOpenMetrics_1_0_0, expfmt.FmtOpenMetrics_0_0_1,
		expfmt.FmtProtoDelim,
	}
	schemes := []model.EscapingScheme{model.NoEscaping, model.UnderscoreEscaping, model.DotsEscaping, model.ValueEncodingEscaping}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		format, scheme := formats[r.IntN(len(formats))], schemes[r.IntN(len(schemes))]
		format = format.WithEscapingScheme(scheme)
		p := newPage(r, format, scheme)
		var b bytes.Buffer
		if err := exposition.Write(&b, format, []store.Family{p.family}, p); err != nil {
			t.Fatal(err)
		}
		got, _, err := parse(b.Bytes(), string(format))
		if err != nil {
			t.Fatalf("%s: %v\n%q", format, err, b.String())
		}
		if len(got) != len(p.want) {
			t.Fatalf("%s: got %v, want %v\n%q", format, got, p.want, b.String())
		}
		for series, want := range p.want {
			v, ok := got[series]
			if !ok || math.Float64bits(v) != math.Float64bits(want) && !(math.IsNaN(v) && math.IsNaN(want)) {
				t.Fatalf("%s: %s is %v (%v), want %v\n%q", format, series, v, ok, want, b.String())
			}
		}
	}
}
