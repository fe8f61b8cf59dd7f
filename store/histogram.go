package store

import (
	"slices"

	"loggregator_exporter/metric"
)

// histogram is what a series of timers has counted: a histogram or a summary.
type histogram struct {
	counts    []uint64 // of a histogram's classic buckets, each by itself, the one for +Inf last
	count     uint64
	sum       float64
	start     int64 // our clock when counting began, nanoseconds
	exemplars []Exemplar
	native    *native
	window    *window // of a summary
}

type histogramPos uint32

func newHistogram(bounds int, withNative bool, arrived int64) histogram {
	h := histogram{counts: make([]uint64, bounds+1), start: arrived}
	if withNative {
		h.native = &native{schema: nativeSchema}
	}
	return h
}

func newTimerSummary(arrived int64) histogram { return histogram{window: &window{}, start: arrived} }

// observe adds a value to a histogram, and remembers the trace it belongs to if it has one.
func (h *histogram) observe(bounds []float64, v float64, trace *TraceID, arrived int64) {
	i, _ := slices.BinarySearch(bounds, v)
	h.counts[i]++
	h.count++
	h.sum += v
	if h.native != nil {
		h.native.observe(v)
	}
	if trace.set() {
		if h.exemplars == nil {
			h.exemplars = make([]Exemplar, len(h.counts))
		}
		h.exemplars[i] = Exemplar{Trace: *trace, Value: v, Stamp: arrived}
	}
}

// summarize adds a value to a summary.
func (h *histogram) summarize(v float64, arrived int64) {
	h.count++
	h.sum += v
	h.window.observe(v, arrived)
}

// Exemplar is an observation that can be looked up in a trace.
type Exemplar struct {
	Trace TraceID
	Value float64
	Stamp int64 // nanoseconds since the epoch; 0 where there is none
}

// TraceID is the id of a trace, 64 or 128 bits long.
type TraceID struct {
	id   [16]byte
	size uint8
}

func (t *TraceID) set() bool { return t.size > 0 }

// Append appends the id in hexadecimal digits, as B3 and W3C write it.
func (t *TraceID) Append(dst []byte) []byte {
	const digits = "0123456789abcdef"
	for _, b := range t.id[:t.size] {
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}

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
	zero := true
	for i := range len(v) / 2 {
		high, low := digit(v[2*i]), digit(v[2*i+1])
		if high > 15 || low > 15 {
			return
		}
		id[i] = high<<4 | low
		zero = zero && id[i] == 0
	}
	if !zero {
		t.id, t.size = id, uint8(len(v)/2)
	}
}

func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	default:
		return 16
	}
}
