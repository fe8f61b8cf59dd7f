package exposition

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// encodeSummaries appends the lines of all summaries of a family. What a summary does not know is not written.
func (e *textEncoder) encodeSummaries(p *page, n names, samples []store.Sample, r Reader) error {
	e.plain.set(n.sample, "")
	e.sum.set(n.sample, "_sum")
	e.count.set(n.sample, "_count")
	for ; len(samples) > 0; samples = r.Next() {
		for i := range samples {
			p.readAhead(samples, i)
			p.buf = e.appendSummary(p.buf, &samples[i])
			if err := p.flushFull(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *textEncoder) appendSummary(dst []byte, s *store.Sample) []byte {
	q := s.Summary
	if q == nil {
		return dst
	}
	for i, v := range q.Values {
		dst = append(dst, e.plain.labelled...)
		if s.Labels != "" {
			dst = append(append(dst, s.Labels...), ',')
		}
		dst = appendBound(append(dst, `quantile="`...), q.Quantiles[i], e.openMetrics)
		dst = append(appendValue(append(dst, `"} `...), v), '\n')
	}
	if !q.Unsummed {
		dst = e.sum.append(dst, s.Labels)
		dst = append(appendValue(dst, q.Sum), '\n')
	}
	if !q.Uncounted {
		dst = e.count.append(dst, s.Labels)
		dst = append(strconv.AppendUint(dst, q.Count, 10), '\n')
	}
	return e.appendCreated(dst, s)
}

// encodeCounters appends the lines of a family of counters with those of their starts.
func (e *textEncoder) encodeCounters(p *page, n names, samples []store.Sample, r Reader) error {
	e.plain.set(n.sample, "")
	for ; len(samples) > 0; samples = r.Next() {
		for i := range samples {
			p.readAhead(samples, i)
			s := &samples[i]
			p.buf = e.plain.append(p.buf, s.Labels)
			p.buf = append(appendValue(p.buf, s.Value), '\n')
			p.buf = e.appendCreated(p.buf, s)
			if err := p.flushFull(); err != nil {
				return err
			}
		}
	}
	return nil
}

// appendCreated appends the line that says when a series was 0, in seconds, where that is asked for and known.
func (e *textEncoder) appendCreated(dst []byte, s *store.Sample) []byte {
	if !e.created || s.Start <= 0 {
		return dst
	}
	dst = e.start.append(dst, s.Labels)
	return append(strconv.AppendFloat(dst, float64(s.Start/1e6)/1e3, 'f', 3, 64), '\n')
}

// The fields of io.prometheus.client.Summary and its quantiles.
const (
	metricSummary = 4<<3 | isBytes

	summaryCount    = 1<<3 | isVarint
	summarySum      = 2<<3 | isFixed64
	summaryQuantile = 3<<3 | isBytes
	summaryStart    = 4<<3 | isBytes

	quantileAt    = 1<<3 | isFixed64
	quantileValue = 2<<3 | isFixed64

	sizeQuantile = 2 * sizeFixed64
)

func sizeSummary(s *store.Sample) int {
	q := s.Summary
	size := sizeFixed64 + len(q.Values)*sizeBytes(sizeQuantile) + sizeTimestampField(s.Start)
	if !q.Uncounted {
		size += 1 + protowire.SizeVarint(q.Count)
	}
	return size
}

// appendSummaryFields appends a summary. A sum that is not known is NaN: readers would take none for 0.
func appendSummaryFields(dst []byte, s *store.Sample) []byte {
	q := s.Summary
	if !q.Uncounted {
		dst = protowire.AppendVarint(append(dst, byte(summaryCount)), q.Count)
	}
	dst = appendDouble(dst, summarySum, q.Sum)
	for i, v := range q.Values {
		dst = append(dst, byte(summaryQuantile), sizeQuantile)
		dst = appendDouble(dst, quantileAt, q.Quantiles[i])
		dst = appendDouble(dst, quantileValue, v)
	}
	return appendTimestampField(dst, summaryStart, s.Start)
}

// takeSummaries is take for a family of summaries.
func (s *snapshot) takeSummaries(samples []store.Sample, r Reader, stop func() error) error {
	for ; len(samples) > 0; samples = r.Next() {
		if err := stop(); err != nil {
			return err
		}
		for i := range samples {
			if samples[i].Summary == nil {
				continue
			}
			q := *samples[i].Summary
			from := len(s.values)
			s.values = append(s.values, q.Values...)
			q.Values = s.values[from:len(s.values):len(s.values)]
			s.summaries = append(s.summaries, q)
			s.samples = append(s.samples, samples[i])
		}
	}
	for i := range s.summaries {
		s.samples[i].Summary = &s.summaries[i]
	}
	return nil
}

// takeType is take, or takeSummaries.
func (s *snapshot) takeType(t metric.Type, samples []store.Sample, r Reader, stop func() error) error {
	if t == metric.TypeSummary {
		return s.takeSummaries(samples, r, stop)
	}
	return s.take(t == metric.TypeHistogram, samples, r, stop)
}
