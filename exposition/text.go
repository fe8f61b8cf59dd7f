package exposition

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// textEncoder writes the Prometheus text format and OpenMetrics, which differ only in names, metadata, the label le,
// exemplars and created lines.
type textEncoder struct {
	openMetrics bool
	created     bool // write _created lines; OpenMetrics only
	scheme      model.EscapingScheme

	plain, bucket, sum, count, start linePrefix // of the family's lines

	// The rendered labels le of the last histogram. Histograms in a row mostly have the same bounds.
	bounds []float64
	les    [][]byte
}

func newText(scheme model.EscapingScheme) encoder { return &textEncoder{scheme: scheme} }

func newOpenMetrics(scheme model.EscapingScheme) encoder {
	return &textEncoder{openMetrics: true, scheme: scheme}
}

func (e *textEncoder) names(f *store.Family) names {
	if e.openMetrics {
		return openMetricsNames(f, e.scheme)
	}
	return textNames(f, e.scheme)
}

func (e *textEncoder) unknownNames(f *store.Family) (n names, ok bool) {
	if !e.openMetrics {
		return n, false
	}
	return unknownNames(f, e.scheme)
}

func (e *textEncoder) suffixes(t metric.Type) suffixes {
	if e.openMetrics {
		return openMetricsSuffixes(t)
	}
	return textSuffixes(t)
}

func (e *textEncoder) encode(p *page, f *store.Family, n names, samples []store.Sample, r Reader) error {
	p.buf = e.appendMetadata(p.buf, f, n)
	e.plain.set(n.sample, "")
	e.bucket.set(n.sample, "_bucket")
	e.sum.set(n.sample, "_sum")
	e.count.set(n.sample, "_count")
	e.start.set(n.family, createdSuffix)
	typ := f.Type
	if n.unknown {
		typ = metric.TypeGauge // no _created
	}
	for ; len(samples) > 0; samples = r.Next() {
		for i := range samples {
			p.prefetch(samples, i)
			p.buf = e.appendSample(p.buf, typ, &samples[i])
			if err := p.flushFull(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *textEncoder) appendMetadata(dst []byte, f *store.Family, n names) []byte {
	if f.Help != "" {
		dst = appendName(append(dst, "# HELP "...), n.family)
		dst = append(dst, ' ')
		dst = append(appendEscaped(dst, metric.Printable(f.Help), e.openMetrics), '\n')
	}
	dst = appendName(append(dst, "# TYPE "...), n.family)
	typ := f.Type.String()
	if n.unknown {
		typ = "unknown"
	}
	dst = append(append(append(dst, ' '), typ...), '\n')
	if e.openMetrics && hasUnit(n.family, f.Unit) {
		dst = appendName(append(dst, "# UNIT "...), n.family)
		dst = append(append(append(dst, ' '), f.Unit...), '\n')
	}
	return dst
}

// hasUnit reports whether UNIT may be written: Prometheus rejects the whole page if the name does not end in _<unit>.
// A unit that is not a single word would break the line.
func hasUnit(family, unit string) bool {
	base, ok := strings.CutSuffix(family, unit)
	return ok && strings.HasSuffix(base, "_") && model.LegacyValidation.IsValidMetricName(unit)
}

// appendSample appends the lines of one series: none for a histogram or summary without its data.
func (e *textEncoder) appendSample(dst []byte, t metric.Type, s *store.Sample) []byte {
	switch t {
	case metric.TypeHistogram:
		if s.Histogram == nil {
			return dst
		}
		dst = e.appendHistogram(dst, s.Labels, s.Histogram)
	case metric.TypeSummary:
		if s.Summary == nil {
			return dst
		}
		dst = e.appendSummary(dst, s.Labels, s.Summary)
	default:
		dst = e.plain.append(dst, s.Labels)
		dst = append(appendValue(dst, s.Value), '\n')
		if t == metric.TypeGauge {
			return dst
		}
	}
	if e.created && s.Start > 0 {
		dst = e.start.append(dst, s.Labels)
		dst = append(appendSeconds(dst, s.Start), '\n')
	}
	return dst
}

// appendHistogram appends the lines of a classic histogram. The last bucket and _count are the sum of the buckets,
// so that they agree whatever count the store has. OpenMetrics allows no _count without _sum, and some readers lose
// a histogram without _count: there an unknown sum is 0, as readers that expect one take it to be.
func (e *textEncoder) appendHistogram(dst []byte, labels metric.Labels, h *store.Histogram) []byte {
	e.setBounds(h.Bounds)
	total := uint64(0)
	for i, le := range e.les {
		if i < len(h.Counts) {
			total += h.Counts[i]
		}
		dst = e.bucket.open(dst, labels)
		dst = append(dst, le...)
		dst = strconv.AppendUint(dst, total, 10)
		if e.openMetrics && i < len(h.Exemplars) && h.Exemplars[i].Stamp > 0 {
			dst = appendExemplar(dst, &h.Exemplars[i])
		}
		dst = append(dst, '\n')
	}
	switch {
	case !h.Unsummed:
		dst = e.sum.append(dst, labels)
		dst = append(appendValue(dst, h.Sum), '\n')
	case e.openMetrics:
		dst = append(e.sum.append(dst, labels), "0\n"...)
	}
	dst = e.count.append(dst, labels)
	return append(strconv.AppendUint(dst, total, 10), '\n')
}

// appendSummary appends the lines of a summary, without a sum or count that is not known. In OpenMetrics an unknown
// count is 0: some readers lose a summary without one.
func (e *textEncoder) appendSummary(dst []byte, labels metric.Labels, s *store.Summary) []byte {
	for i, v := range s.Values {
		dst = append(e.plain.open(dst, labels), `quantile="`...)
		dst = appendBound(dst, s.Quantiles[i], e.openMetrics)
		dst = append(appendValue(append(dst, `"} `...), v), '\n')
	}
	if !s.Unsummed {
		dst = e.sum.append(dst, labels)
		dst = append(appendValue(dst, s.Sum), '\n')
	}
	if !s.Uncounted || e.openMetrics {
		dst = e.count.append(dst, labels)
		dst = append(strconv.AppendUint(dst, s.Count, 10), '\n')
	}
	return dst
}

// appendExemplar appends the exemplar that follows the value of a bucket in OpenMetrics.
func appendExemplar(dst []byte, x *store.Exemplar) []byte {
	dst = append(dst, " # {"...)
	if x.HasSpan() {
		dst = append(x.Span.Append(append(dst, store.SpanLabel+`="`...)), `",`...)
	}
	dst = x.Trace.Append(append(dst, store.TraceLabel+`="`...))
	dst = append(appendValue(append(dst, `"} `...), x.Value), ' ')
	return appendSeconds(dst, x.Stamp)
}

// setBounds renders the labels le unless they are those of the last histogram.
func (e *textEncoder) setBounds(bounds []float64) {
	if len(e.les) == len(bounds)+1 && slices.Equal(e.bounds, bounds) {
		return
	}
	e.bounds = append(e.bounds[:0], bounds...)
	for len(e.les) < len(bounds)+1 {
		e.les = append(e.les, nil)
	}
	e.les = e.les[:len(bounds)+1]
	for i := range e.les {
		bound := math.Inf(1)
		if i < len(bounds) {
			bound = bounds[i]
		}
		le := append(e.les[i][:0], `le="`...)
		e.les[i] = append(appendBound(le, bound, e.openMetrics), `"} `...)
	}
}

// linePrefix is the beginning of all lines with one sample name.
type linePrefix struct {
	labelled []byte // `name{`, or `{"name",` for a name that has to be quoted
	bare     []byte // `name `, or `{"name"} `
}

func (l *linePrefix) set(name, suffix string) {
	l.bare, l.labelled = l.bare[:0], l.labelled[:0]
	if model.LegacyValidation.IsValidMetricName(name) {
		l.bare = append(append(append(l.bare, name...), suffix...), ' ')
		l.labelled = append(append(append(l.labelled, name...), suffix...), '{')
		return
	}
	l.labelled = append(appendEscaped(append(l.labelled, `{"`...), name, true), suffix...)
	l.bare = append(append(l.bare, l.labelled...), `"} `...)
	l.labelled = append(l.labelled, `",`...)
}

// append appends a line up to its value.
func (l *linePrefix) append(dst []byte, labels metric.Labels) []byte {
	if labels == "" {
		return append(dst, l.bare...)
	}
	dst = append(dst, l.labelled...)
	dst = append(dst, labels...)
	return append(dst, "} "...)
}

// open appends a line up to where one more label is written.
func (l *linePrefix) open(dst []byte, labels metric.Labels) []byte {
	dst = append(dst, l.labelled...)
	if labels != "" {
		dst = append(append(dst, labels...), ',')
	}
	return dst
}

// appendName appends a family's name as metadata lines have it.
func appendName(dst []byte, name string) []byte {
	if model.LegacyValidation.IsValidMetricName(name) {
		return append(dst, name...)
	}
	return append(appendEscaped(append(dst, '"'), name, true), '"')
}

// maxPlain bounds the integers that are written without an exponent: all of them are exact in a float64.
const maxPlain = 1e15

// appendValue appends a sample's value so that parsing returns the same bits, except for the payload of a NaN.
func appendValue(dst []byte, v float64) []byte {
	// Fast path: most values of counters and byte sizes are integers. The comparison of bits excludes -0.
	if v > -maxPlain && v < maxPlain {
		if i := int64(v); float64(i) == v && (i != 0 || math.Float64bits(v) == 0) {
			return strconv.AppendInt(dst, i, 10)
		}
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// appendSeconds appends a time in nanoseconds since the epoch as seconds, exact to the millisecond.
func appendSeconds(dst []byte, ns int64) []byte {
	return strconv.AppendFloat(dst, float64(ns/1e6)/1e3, 'f', 3, 64)
}

// appendBound appends the value of a label le or quantile. It is part of the identity of a series and therefore spelt
// exactly as client_golang spells it: as short as possible in the text format, always with a point or exponent in
// OpenMetrics.
func appendBound(dst []byte, v float64, openMetrics bool) []byte {
	if v == 0 {
		v = 0 // not -0
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
	if openMetrics && !math.IsInf(v, 0) && !math.IsNaN(v) && !bytes.ContainsAny(dst[start:], ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendEscaped appends text as both formats write it inside quotes or, with quotes false, as the text format writes
// HELP.
func appendEscaped(dst []byte, s string, quotes bool) []byte {
	from := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '\n':
			c = 'n'
		case c == '\\':
		case c == '"' && quotes:
		default:
			continue
		}
		dst = append(dst, s[from:i]...)
		dst = append(dst, '\\', c)
		from = i + 1
	}
	return append(dst, s[from:]...)
}
