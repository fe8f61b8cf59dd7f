package store

import (
	"encoding/hex"
	"math"
	"slices"

	"loggregator_exporter/metric"
)

// Exemplar is an observation that can be looked up in a trace.
type Exemplar struct {
	Trace          TraceID
	Span           SpanID
	Value          float64
	Stamp, Arrived int64 // when it was observed and when it came here, nanoseconds since the epoch; 0 where there is none
}

// The labels by which an exemplar names its trace and span, in pages and in what is pushed: Grafana and others look for
// them.
const (
	TraceLabel = "trace_id"
	SpanLabel  = "span_id"
)

// HasSpan reports whether the exemplar names a span of its trace.
func (x *Exemplar) HasSpan() bool { return x.Span != SpanID{} }

// maxExemplars bounds how many a histogram without classic buckets keeps, as in client_golang.
const maxExemplars = 10

// bucketExemplars returns the exemplars of the classic buckets, all of them none at first.
func (x *distribution) bucketExemplars() []Exemplar {
	if len(x.exemplars) != len(x.counts) {
		x.exemplars = make([]Exemplar, len(x.counts))
	}
	return x.exemplars
}

// keepExemplars keeps those of the exemplars that name a trace.
func (x *distribution) keepExemplars(d *metric.Distribution, c *conversion, arrived int64) {
	for i := range d.Exemplars {
		if exemplar, ok := exemplarOf(&d.Exemplars[i], c, arrived); ok {
			x.keep(&exemplar)
		}
	}
}

// keep keeps an exemplar in its bucket if it is newer than the one there; without classic buckets, if it is among the
// newest.
func (x *distribution) keep(added *Exemplar) {
	if len(x.bounds) > 0 || x.native == nil {
		i, _ := slices.BinarySearch(x.bounds, added.Value)
		if of := &x.bucketExemplars()[i]; added.Stamp > of.Stamp {
			*of = *added
		}
		return
	}
	i := 0
	for ; i < len(x.exemplars) && x.exemplars[i].Stamp >= added.Stamp; i++ {
		if e := &x.exemplars[i]; e.Stamp == added.Stamp && e.Trace == added.Trace && e.Span == added.Span {
			return // the same once more
		}
	}
	if i == maxExemplars {
		return
	}
	if len(x.exemplars) == maxExemplars {
		x.exemplars = x.exemplars[:maxExemplars-1]
	}
	x.exemplars = slices.Insert(x.exemplars, i, *added)
}

// exemplarOf reads an exemplar; ok is false if it names no trace.
func exemplarOf(from *metric.Exemplar, c *conversion, arrived int64) (x Exemplar, ok bool) {
	x = Exemplar{
		Value: c.apply(from.Value), Stamp: clampStamp(from.Timestamp, arrived), Arrived: arrived,
	}
	if len(from.TraceID) == len(x.Trace.id) {
		x.Trace.size = uint8(copy(x.Trace.id[:], from.TraceID))
	}
	if len(from.SpanID) == len(x.Span) {
		copy(x.Span[:], from.SpanID)
	}
	return x, x.Trace.size > 0 && x.Trace.id != [16]byte{} && !math.IsNaN(x.Value)
}

// SpanID is the id of a span of a trace; the zero value is none.
type SpanID [8]byte

// Append appends the id in hexadecimal digits.
func (s *SpanID) Append(dst []byte) []byte { return hex.AppendEncode(dst, s[:]) }

// String returns the id in hexadecimal digits.
func (s *SpanID) String() string { return hex.EncodeToString(s[:]) }

// TraceID is the id of a trace, 64 or 128 bits long.
type TraceID struct {
	id   [16]byte
	size uint8
}

func (t *TraceID) set() bool { return t.size > 0 }

// Append appends the id in hexadecimal digits, as B3 and W3C write it.
func (t *TraceID) Append(dst []byte) []byte { return hex.AppendEncode(dst, t.id[:t.size]) }

// String returns the id in hexadecimal digits.
func (t *TraceID) String() string { return string(t.Append(nil)) }

// traceTags are the tags by which the id of a trace may come, as HTTP headers and OpenTelemetry spell them.
var traceTags = map[string]bool{
	"trace_id":     true,
	"traceid":      true,
	"x_b3_traceid": true,
	"x-b3-traceid": true,
	"X-B3-TraceId": true,
	"b3":           true,
	"traceparent":  true,
}

// readTrace reads a tag that names a trace: the id alone, B3's single header (id-span-...), or W3C's traceparent
// (version-id-span-flags). See https://github.com/openzipkin/b3-propagation and https://www.w3.org/TR/trace-context.
func (t *TraceID) readTrace(tag metric.Tag) {
	v := tag.Value
	if string(tag.Key) == "traceparent" {
		if len(v) < 36 || v[2] != '-' || v[35] != '-' {
			return
		}
		v = v[3:35]
	} else if i := slices.Index(v, '-'); i > 0 && string(tag.Key) == "b3" {
		v = v[:i]
	}
	if len(v) != 16 && len(v) != 32 {
		return
	}
	var id [16]byte
	if n, err := hex.Decode(id[:], v); err == nil && id != [16]byte{} {
		t.id, t.size = id, uint8(n)
	}
}
