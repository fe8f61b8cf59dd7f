package remotewrite

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// nativeMessage is a message with a histogram in both forms, exemplars, and the stale markers of both forms.
func nativeMessage(v2 bool) *message {
	e := newEncoder(v2, true, []metric.Label{{Name: "job", Value: "j"}})
	e.begin(&family{name: "h", typ: metric.TypeHistogram, help: "H.", unit: "seconds"})
	s := requestsOf("1", time.UnixMilli(5), store.Exemplar{Value: 1, Stamp: 9, Arrived: 9})
	p := point{
		labels:    s.Labels,
		shape:     shape{classic: true, native: true, bounds: s.Histogram.Bounds},
		values:    []float64{1, 3},
		count:     7,
		histogram: s.Histogram.Native,
		exemplars: s.Histogram.Exemplars,
		arrived:   timeRange{0, 10},
		start:     5,
	}
	e.add(&p, 7)
	e.add(&point{labels: s.Labels, shape: p.shape, ended: true}, 8)
	return e.message
}

func requestOf(m *message) request {
	return request{body: snappy.Encode(nil, m.appendTo(nil)), v2: m.v2, entries: m.count, counts: m.counts, timestamp: 7}
}

func decoded(t *testing.T, r *request) decoder {
	t.Helper()
	plain, err := snappy.Decode(nil, r.body)
	if err != nil {
		t.Fatal(err)
	}
	var d decoder
	if r.v2 {
		d.v2(plain)
	} else {
		d.v1(plain)
	}
	return d
}

// Halves hold what the whole holds, in the same order, and know how much that is.
func TestHalve(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		whole := requestOf(nativeMessage(v2))
		if want := (counts{contentSamples: 10, contentHistograms: 2, contentExemplars: 2}); whole.counts != want ||
			whole.entries != 12 {
			t.Fatalf("%d entries with %v", whole.entries, whole.counts)
		}
		left, right, err := whole.halve()
		if err != nil || left.entries != 6 || right.entries != 6 || left.timestamp != 7 || right.v2 != v2 {
			t.Fatalf("%v: %+v %+v", err, left, right)
		}
		got := decoded(t, &left).series
		got = append(got, decoded(t, &right).series...)
		if diff := cmp.Diff(fmt.Sprint(decoded(t, &whole).series), fmt.Sprint(got)); diff != "" {
			t.Error(diff)
		}
		if whole.counts.minus(left.counts) != right.counts {
			t.Errorf("%v and %v of %v", left.counts, right.counts, whole.counts)
		}
	}
	m := newMessage(false)
	m.addFamily(&family{name: "a", help: "A."})
	m.addFamily(&family{name: "b", help: "B."})
	whole := requestOf(m)
	left, right, err := whole.halve()
	if err != nil || left.counts != right.counts || left.counts != (counts{contentMetadata: 1}) {
		t.Errorf("%v: %v %v", err, left.counts, right.counts)
	}
}

// A converted request is byte for byte the one that protocol 1.0 would have made.
func TestToV1(t *testing.T) {
	r, want := requestOf(nativeMessage(true)), requestOf(nativeMessage(false))
	if err := r.toV1(true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(
		decoded(t, &want).series,
		decoded(t, &r).series,
		cmp.AllowUnexported(received{}, value{}),
	); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(r.body, want.body) || r.v2 || r.entries != want.entries || r.counts != want.counts ||
		r.timestamp != want.timestamp {
		t.Errorf("got %+v, want %+v", r, want)
	}

	r = requestOf(nativeMessage(true))
	if err := r.toV1(false); err != nil {
		t.Fatal(err)
	}
	if want := (counts{contentSamples: 10, contentExemplars: 1}); r.counts != want || r.entries != 10 {
		t.Errorf("%d entries with %v without native histograms, want %v", r.entries, r.counts, want)
	}
	for _, s := range decoded(t, &r).series {
		if s.native {
			t.Error(s)
		}
	}
}

// No message makes halving or converting panic, and halves hold what the whole held.
func FuzzRequest(f *testing.F) {
	for _, v2 := range []bool{false, true} {
		e := newEncoder(v2, false, []metric.Label{{Name: "job", Value: "j"}})
		e.begin(&family{name: "a", help: "A."})
		for i := range 3 {
			e.add(&point{labels: metric.RenderLabels([]metric.Label{{Name: "x", Value: fmt.Sprint(i)}}), value: 1}, 1)
		}
		f.Add(e.message.appendTo(nil), 3, v2)
		f.Add(nativeMessage(v2).appendTo(nil), 12, v2)
	}
	m := newMessage(false)
	m.addFamily(&family{name: "a", help: "A.", unit: "seconds"})
	f.Add(m.appendTo(nil), 1, false)
	f.Add([]byte{0x0a, 0xff}, 1, true)
	f.Fuzz(func(t *testing.T, message []byte, entries int, v2 bool) {
		r := request{body: snappy.Encode(nil, message), entries: max(entries%1000, 1), v2: v2}
		left, right, err := r.halve()
		converted := r
		_ = converted.toV1(entries%2 == 0)
		if err != nil || bytes.Contains(message, protowire.AppendTag(nil, v2Symbols, protowire.BytesType)) {
			return // symbols are in both halves
		}
		var halves []byte
		for _, half := range []request{left, right} {
			plain, err := snappy.Decode(nil, half.body)
			if err != nil {
				t.Fatal(err)
			}
			halves = append(halves, plain...)
		}
		if !bytes.Equal(halves, message) {
			t.Errorf("%x instead of %x", halves, message)
		}
	})
}
