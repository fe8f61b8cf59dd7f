package exposition

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// textEncoder writes the Prometheus text format and OpenMetrics, which differ in names, metadata and label le only.
type textEncoder struct {
	openMetrics bool
	scheme      model.EscapingScheme

	created bool // with lines of when counters and histograms were 0

	plain, bucket, sum, count, start line

	// The labels le of the histogram before: families, and so histograms one after the other, share their bounds.
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

func (e *textEncoder) suffixes(t metric.Type) suffixes {
	if e.openMetrics {
		return openMetricsSuffixes(t)
	}
	return textSuffixes(t)
}

func (e *textEncoder) writes(t metric.Type) bool {
	return t <= metric.TypeSummary
}

func (e *textEncoder) encode(p *page, f *store.Family, n names, samples []store.Sample, r Reader) error {
	p.buf = e.appendMetadata(p.buf, f, n)
	e.start.set(n.family, createdSuffixText)
	switch {
	case f.Type == metric.TypeSummary:
		return e.encodeSummaries(p, n, samples, r)
	case f.Type == metric.TypeCounter && e.created:
		return e.encodeCounters(p, n, samples, r)
	}
	histogram := f.Type == metric.TypeHistogram
	if histogram {
		e.bucket.set(n.sample, "_bucket")
		e.sum.set(n.sample, "_sum")
		e.count.set(n.sample, "_count")
	} else {
		e.plain.set(n.sample, "")
	}
	for ; len(samples) > 0; samples = r.Next() {
		for i := range samples {
			p.readAhead(samples, i)
			s := &samples[i]
			if histogram {
				p.buf = e.appendHistogram(p.buf, s)
			} else {
				p.buf = e.plain.append(p.buf, s.Labels)
				p.buf = append(appendValue(p.buf, s.Value), '\n')
			}
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
		dst = append(appendEscaped(dst, strings.ToValidUTF8(f.Help, "\uFFFD"), e.openMetrics), '\n')
	}
	dst = appendName(append(dst, "# TYPE "...), n.family)
	dst = append(append(append(dst, ' '), f.Type.String()...), '\n')
	if e.openMetrics && hasUnit(n.family, f.Unit) {
		dst = appendName(append(dst, "# UNIT "...), n.family)
		dst = append(append(append(dst, ' '), f.Unit...), '\n')
	}
	return dst
}

// hasUnit says whether UNIT may be written: Prometheus refuses the whole page where the name does not end in _<unit>.
// A unit that is more than a word would not survive the line it stands on.
func hasUnit(family, unit string) bool {
	base, ok := strings.CutSuffix(family, unit)
	return ok && strings.HasSuffix(base, "_") && model.LegacyValidation.IsValidMetricName(unit)
}

// appendHistogram appends the lines of one classic histogram. The last bucket and _count are the sum of the buckets, so that
// they agree whatever the store counted.
func (e *textEncoder) appendHistogram(dst []byte, s *store.Sample) []byte {
	h := s.Histogram
	if h == nil {
		return dst
	}
	e.setBounds(h.Bounds)
	total := uint64(0)
	for i, le := range e.les {
		if i < len(h.Counts) {
			total += h.Counts[i]
		}
		dst = append(dst, e.bucket.labelled...)
		if s.Labels != "" {
			dst = append(append(dst, s.Labels...), ',')
		}
		dst = append(dst, le...)
		dst = strconv.AppendUint(dst, total, 10)
		if e.openMetrics && i < len(h.Exemplars) && h.Exemplars[i].Stamp > 0 {
			dst = appendExemplar(dst, &h.Exemplars[i])
		}
		dst = append(dst, '\n')
	}
	if !h.Unsummed {
		dst = e.sum.append(dst, s.Labels)
		dst = append(appendValue(dst, h.Sum), '\n')
	}
	if !h.Unsummed || !e.openMetrics { // OpenMetrics wants both or none
		dst = e.count.append(dst, s.Labels)
		dst = append(strconv.AppendUint(dst, total, 10), '\n')
	}
	return e.appendCreated(dst, s)
}

// appendExemplar appends what OpenMetrics has after the value of a bucket. Its time is in seconds.
func appendExemplar(dst []byte, x *store.Exemplar) []byte {
	dst = x.Trace.Append(append(dst, ` # {`+traceLabel+`="`...))
	dst = append(appendValue(append(dst, `"} `...), x.Value), ' ')
	return strconv.AppendFloat(dst, float64(x.Stamp/1e6)/1e3, 'f', 3, 64)
}

// setBounds renders the labels le, unless they are those of the histogram before.
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

// line is what all lines of one sample name begin with.
type line struct {
	labelled []byte // `name{`, or `{"name",` for a name that has to be quoted
	bare     []byte // `name `, or `{"name"} `
}

func (l *line) set(name, suffix string) {
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

// append appends the line up to its value.
func (l *line) append(dst []byte, labels metric.Labels) []byte {
	if labels == "" {
		return append(dst, l.bare...)
	}
	dst = append(dst, l.labelled...)
	dst = append(dst, labels...)
	return append(dst, "} "...)
}

// appendName appends a family's name as it stands in metadata.
func appendName(dst []byte, name string) []byte {
	if model.LegacyValidation.IsValidMetricName(name) {
		return append(dst, name...)
	}
	return append(appendEscaped(append(dst, '"'), name, true), '"')
}
