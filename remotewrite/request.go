package remotewrite

import (
	"errors"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"
)

// content is one kind of what requests hold.
type content uint8

const (
	contentSamples content = iota
	contentHistograms
	contentExemplars
	contentMetadata // 1.0 only, in requests that hold nothing else
	numContents
)

// counts says how much of each content there is.
type counts [numContents]int

// samples returns the number of plain samples and native histograms.
func (c *counts) samples() int { return c[contentSamples] + c[contentHistograms] }

// minus returns what c has and other does not.
func (c counts) minus(other counts) counts {
	for i, n := range other {
		c[i] -= n
	}
	return c
}

// request is an encoded message, or a part of it.
type request struct {
	body      []byte // compressed
	v2        bool
	entries   int // time series, or families of metadata
	counts    counts
	timestamp int64 // of its samples, milliseconds
}

var errMessage = errors.New("the request cannot be decoded")

// eachField calls f with each field of a message. The value of a field that has a length comes without it. Messages
// are the exporter's own, so that an error means a mistake in it.
func eachField(message []byte, f func(number protowire.Number, field, value []byte)) error {
	for len(message) > 0 {
		number, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errMessage
		}
		m := protowire.ConsumeFieldValue(number, typ, message[n:])
		if m < 0 {
			return errMessage
		}
		value := message[n : n+m]
		if typ == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		f(number, message[:n+m], value)
		message = message[n+m:]
	}
	return nil
}

// halve splits a request in two. Each half has the symbols of the whole.
func (r *request) halve() (left, right request, err error) {
	message, err := snappy.Decode(nil, r.body)
	if err != nil {
		return left, right, err
	}
	var halves [2]request
	var messages [2][]byte
	at := 0
	err = eachField(message, func(number protowire.Number, field, value []byte) {
		if number == v2Symbols {
			messages[0], messages[1] = append(messages[0], field...), append(messages[1], field...)
			return
		}
		h := min(2*at/r.entries, 1)
		messages[h] = append(messages[h], field...)
		halves[h].entries++
		at++
		countEntry(number, value, &halves[h].counts)
	})
	if at != r.entries {
		err = errMessage
	}
	for h := range halves {
		halves[h].body, halves[h].v2, halves[h].timestamp = snappy.Encode(nil, messages[h]), r.v2, r.timestamp
	}
	return halves[0], halves[1], err
}

// countEntry adds what an entry of a message holds, given the number of its field.
func countEntry(number protowire.Number, entry []byte, c *counts) {
	if number == v1Metadata {
		c[contentMetadata]++
		return
	}
	histograms, exemplars := protowire.Number(v1Histograms), protowire.Number(v1Exemplars)
	if number == v2TimeSeries {
		histograms, exemplars = v2Histograms, v2Exemplars
	}
	_ = eachField(entry, func(number protowire.Number, _, _ []byte) {
		switch number { //nolint:exhaustive // other fields are not counted
		case seriesSamples:
			c[contentSamples]++
		case histograms:
			c[contentHistograms]++
		case exemplars:
			c[contentExemplars]++
		}
	})
}

// toV1 converts a request of 2.0 into one of 1.0 with the same samples. 1.0 has no start times, and its metadata is
// sent separately. Without natives, native histograms are left out.
func (r *request) toV1(natives bool) error {
	message, err := snappy.Decode(nil, r.body)
	if err != nil {
		return err
	}
	c := converter{natives: natives}
	err = eachField(message, func(number protowire.Number, _, value []byte) {
		if number == v2Symbols {
			c.symbols = append(c.symbols, string(value))
			return
		}
		c.series(value)
	})
	if err = errors.Join(err, c.err); err != nil {
		return err
	}
	r.v2, r.body, r.entries, r.counts = false, snappy.Encode(nil, c.message), c.entries, c.counts
	return nil
}

// converter makes a message of 1.0 of one of 2.0.
type converter struct {
	natives bool
	symbols []string
	message []byte // 1.0
	entries int
	counts  counts
	err     error
}

func (c *converter) series(entry []byte) {
	var out []byte
	native := false
	c.fields(entry, func(number protowire.Number, field, value []byte) {
		switch number { //nolint:exhaustive // 1.0 has no other fields
		case seriesLabels:
			out = c.labels(out, value)
		case seriesSamples:
			out = appendBytes(out, seriesSamples, c.without(value, sampleStart))
		case v2Histograms:
			native = true
			out = appendBytes(out, v1Histograms, c.without(value, histogramStart))
		case v2Exemplars:
			var exemplar []byte
			c.fields(value, func(number protowire.Number, field, value []byte) {
				if number == exemplarLabels {
					exemplar = c.labels(exemplar, value)
					return
				}
				exemplar = append(exemplar, field...)
			})
			out = appendBytes(out, v1Exemplars, exemplar)
		}
	})
	if native && !c.natives {
		return
	}
	c.message = appendBytes(c.message, v1TimeSeries, out)
	c.entries++
	countEntry(v1TimeSeries, out, &c.counts)
}

// labels appends labels of 1.0, given references to symbols.
func (c *converter) labels(dst, refs []byte) []byte {
	v1 := message{}
	for len(refs) > 0 {
		name, n := protowire.ConsumeVarint(refs)
		value, m := protowire.ConsumeVarint(refs[max(n, 0):])
		if n < 0 || m < 0 || max(name, value) >= uint64(len(c.symbols)) {
			c.err = errMessage
			return dst
		}
		dst = v1.appendLabel(dst, c.symbols[name], c.symbols[value])
		refs = refs[n+m:]
	}
	return dst
}

// without returns a message without one of its fields.
func (c *converter) without(message []byte, leftOut protowire.Number) (out []byte) {
	c.fields(message, func(number protowire.Number, field, _ []byte) {
		if number != leftOut {
			out = append(out, field...)
		}
	})
	return out
}

func (c *converter) fields(message []byte, f func(number protowire.Number, field, value []byte)) {
	c.err = errors.Join(c.err, eachField(message, f))
}
