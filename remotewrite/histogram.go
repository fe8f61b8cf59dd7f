package remotewrite

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/store"
)

// Field numbers of Histogram and Exemplar, which both protocols share. 1.0 says nothing of them but in Prometheus' own definition:
// https://github.com/prometheus/prometheus/blob/main/prompb/types.proto
const (
	histogramCount         = 1<<3 | byte(protowire.VarintType)
	histogramSum           = 3<<3 | byte(protowire.Fixed64Type)
	histogramSchema        = 4<<3 | byte(protowire.VarintType)
	histogramZeroThreshold = 5<<3 | byte(protowire.Fixed64Type)
	histogramZeroCount     = 6<<3 | byte(protowire.VarintType)
	histogramSpans         = 11<<3 | byte(protowire.BytesType) // of buckets of positive values
	histogramDeltas        = 12<<3 | byte(protowire.BytesType) // between the counts of these buckets
	histogramReset         = 14<<3 | byte(protowire.VarintType)
	histogramTimestamp     = 15<<3 | byte(protowire.VarintType)
	histogramStart         = 17 // 2.0 only; a tag of two bytes

	spanOffset = 1<<3 | byte(protowire.VarintType)
	spanLength = 2<<3 | byte(protowire.VarintType)

	exemplarLabels    = 1 // labels in 1.0, references to symbols in 2.0
	exemplarValue     = 2<<3 | byte(protowire.Fixed64Type)
	exemplarTimestamp = 3<<3 | byte(protowire.VarintType)

	// resetYes says that a histogram is the first after a reset. Without a hint the receiver looks for resets itself, and so finds those
	// that went unnoticed since a request was lost: the hint that there was none would be a promise that nobody can give.
	resetYes = 1
)

// traceLabel is the label of an exemplar by which Grafana and others find the trace.
const traceLabel = "trace_id"

// window is a time in which exemplars arrived, in nanoseconds: its end does not belong to it. Windows of rounds join each other, so
// that every exemplar is pushed once and those of a series arrive in order.
type window struct{ from, to int64 }

// next is the window up to now, which ends with a millisecond: exemplars have no more precise time.
func (w window) next() window {
	return window{w.to, time.Now().UnixMilli() * int64(time.Millisecond)}
}

// exemplar returns that of a bucket if there is one to push.
func (p *point) exemplar(bucket int) *store.Exemplar {
	if bucket >= len(p.exemplars) {
		return nil
	}
	if x := &p.exemplars[bucket]; x.Stamp > 0 && x.Stamp >= p.fresh.from && x.Stamp < p.fresh.to {
		return x
	}
	return nil
}

func milliseconds(x *store.Exemplar) int64 { return x.Stamp / int64(time.Millisecond) }

// native adds the series of a native histogram, with all exemplars of its buckets. Receivers want those in order.
func (e *encoder) native(p *point, timestamp int64) {
	s := sample{bits: valueBits(p.sum), timestamp: timestamp, start: p.start}
	e.data = e.histogram(e.data[:0], p.histogram, &s, p.restarted)
	e.traced = e.traced[:0]
	for i := range p.exemplars {
		if x := p.exemplar(i); x != nil {
			e.traced = append(e.traced, x)
		}
	}
	slices.SortFunc(e.traced, func(a, b *store.Exemplar) int {
		return cmp.Or(cmp.Compare(milliseconds(a), milliseconds(b)), cmp.Compare(a.Value, b.Value))
	})
	for _, x := range e.traced {
		e.exemplar(x)
	}
	clear(e.traced) // the reader's memory
	e.addSimple(suffixNone)
}

// endNative adds the stale marker of a native histogram: an empty one whose sum says so.
func (e *encoder) endNative(timestamp int64) {
	e.data = e.histogram(e.data[:0], &store.Native{}, &sample{bits: staleNaN, timestamp: timestamp}, false)
	e.addSimple(suffixNone)
}

// histogram appends a native histogram as a field of a time series. The value of s is its sum.
func (e *encoder) histogram(dst []byte, n *store.Native, s *sample, restarted bool) []byte {
	count, before := n.Zero, uint64(0)
	e.deltas = e.deltas[:0]
	for _, c := range n.Counts {
		e.deltas = protowire.AppendVarint(e.deltas, protowire.EncodeZigZag(int64(c-before)))
		count += c
		before = c
	}
	b := protowire.AppendVarint(append(e.buffer[:0], histogramCount), count)
	b = binary.LittleEndian.AppendUint64(append(b, histogramSum), s.bits)
	b = protowire.AppendVarint(append(b, histogramSchema), protowire.EncodeZigZag(int64(n.Schema)))
	b = binary.LittleEndian.AppendUint64(append(b, histogramZeroThreshold), math.Float64bits(n.ZeroThreshold))
	b = protowire.AppendVarint(append(b, histogramZeroCount), n.Zero)
	if len(n.Counts) > 0 {
		offset := protowire.EncodeZigZag(int64(n.First))
		b = append(b, histogramSpans, byte(2+protowire.SizeVarint(offset)+protowire.SizeVarint(uint64(len(n.Counts)))))
		b = protowire.AppendVarint(append(b, spanOffset), offset)
		b = protowire.AppendVarint(append(b, spanLength), uint64(len(n.Counts)))
		b = protowire.AppendBytes(append(b, histogramDeltas), e.deltas)
	}
	if restarted {
		b = append(b, histogramReset, resetYes)
	}
	b = protowire.AppendVarint(append(b, histogramTimestamp), uint64(s.timestamp))
	field := protowire.Number(v1Histograms)
	if e.message.v2 {
		field = v2Histograms
		if s.start != 0 {
			b = protowire.AppendTag(b, histogramStart, protowire.VarintType)
			b = protowire.AppendVarint(b, uint64(s.start))
		}
	}
	e.buffer = b
	e.message.counts[contentHistograms]++
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), b)
}

// exemplar appends an exemplar to e.data as a field of a time series.
func (e *encoder) exemplar(x *store.Exemplar) {
	m, field := e.message, protowire.Number(v1Exemplars)
	b := e.buffer[:0]
	if m.v2 {
		field = v2Exemplars
		e.bound = m.appendLabel(e.bound[:0], traceLabel, x.Trace.String())
		b = protowire.AppendBytes(protowire.AppendTag(b, exemplarLabels, protowire.BytesType), e.bound)
	} else {
		b = m.appendLabel(b, traceLabel, x.Trace.String()) // under the number that labels have in a series, too
	}
	b = binary.LittleEndian.AppendUint64(append(b, exemplarValue), valueBits(x.Value))
	b = protowire.AppendVarint(append(b, exemplarTimestamp), uint64(milliseconds(x)))
	e.buffer = b
	m.counts[contentExemplars]++
	e.data = protowire.AppendBytes(protowire.AppendTag(e.data, field, protowire.BytesType), b)
}
