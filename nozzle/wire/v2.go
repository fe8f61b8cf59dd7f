package wire

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
)

// Tags of the fields of loggregator.v2.Envelope:
//
//	int64 timestamp = 1; string source_id = 2, instance_id = 8; map<string, Value> deprecated_tags = 3;
//	map<string, string> tags = 9;
//	oneof message { Log log = 4; Counter counter = 5; Gauge gauge = 6; Timer timer = 7; Event event = 10; }
const (
	v2Timestamp      = 1<<3 | Varint
	v2SourceID       = 2<<3 | Bytes
	v2DeprecatedTags = 3<<3 | Bytes
	v2Log            = 4<<3 | Bytes
	v2Counter        = 5<<3 | Bytes
	v2Gauge          = 6<<3 | Bytes
	v2Timer          = 7<<3 | Bytes
	v2InstanceID     = 8<<3 | Bytes
	v2Tags           = 9<<3 | Bytes
	v2Event          = 10<<3 | Bytes
)

// batchEnvelope is the tag of EnvelopeBatch: repeated Envelope batch = 1;
const batchEnvelope = 1<<3 | Bytes

// V2 decodes loggregator.v2 envelopes by walking their bytes. It gives what unmarshalling gives, except that strings
// need not be UTF-8: labels are made valid later, and nothing else of the envelope is lost. Its zero value is ready;
// it serves one goroutine.
type V2 struct {
	// Broken is the last malformed envelope, valid as long as its message.
	Broken []byte

	scratch []byte // numbers of deprecated tags, rendered
}

// Decode fills the view from the bytes of one Envelope and reports whether they were well formed; if not, the content
// of the view is undefined. Arrived is left to the caller. The view points into the bytes and into memory of the
// decoder, both until the next call. Preferred tags come after deprecated ones, so that they win. In the steady state
// it allocates nothing.
func (d *V2) Decode(b []byte, e *metric.Envelope) bool {
	e.Reset()
	deprecated := false
	f := Fields{Message: b}
	for f.Next() {
		ok := true
		switch f.Tag {
		case v2Timestamp:
			e.Timestamp = int64(f.Number)
		case v2SourceID:
			e.SourceID = f.Bytes
		case v2InstanceID:
			e.InstanceID = f.Bytes
		case v2Tags:
			var key, value []byte
			key, value, ok = stringPair(f.Bytes)
			e.AddTag(key, value)
		case v2DeprecatedTags:
			deprecated = true
		case v2Gauge:
			become(e, metric.KindGauge)
			ok = d.gauge(f.Bytes, e)
		case v2Counter:
			become(e, metric.KindCounter)
			ok = d.counter(f.Bytes, e)
		case v2Timer:
			become(e, metric.KindTimer)
			ok = d.timer(f.Bytes, e)
		case v2Log:
			become(e, metric.KindLog)
			ok = wellFormed(f.Bytes)
		case v2Event:
			become(e, metric.KindEvent)
			ok = wellFormed(f.Bytes)
		}
		if !ok {
			d.Broken = b
			return false
		}
	}
	// Slow path: a reader of the RLP that asks for preferred tags gets no deprecated ones.
	if f.Bad || deprecated && !d.allTags(b, e) {
		d.Broken = b
		return false
	}
	return true
}

// Batch decodes each envelope of an EnvelopeBatch into the view and calls each, which is told whether the envelope
// was well formed. It returns false where the batch itself is malformed; the envelopes before that were handed over.
func (d *V2) Batch(batch []byte, e *metric.Envelope, each func(ok bool)) bool {
	f := Fields{Message: batch}
	for f.Next() {
		if f.Tag == batchEnvelope {
			each(d.Decode(f.Bytes, e))
		}
	}
	return !f.Bad
}

// AppendBatch appends an EnvelopeBatch that holds one envelope.
func AppendBatch(b, envelope []byte) []byte {
	return protowire.AppendBytes(append(b, byte(batchEnvelope)), envelope)
}

// Trim frees memory that one large message left behind.
func (d *V2) Trim() {
	if cap(d.scratch) > maxKeptScratch {
		*d = V2{}
	}
}

// become sets the kind of an envelope. The messages are a oneof: of different ones the last counts, two of the same
// kind are merged.
func become(e *metric.Envelope, kind metric.Kind) {
	if e.Kind == kind {
		return
	}
	if e.Kind != metric.KindNone {
		e.Points = e.Points[:0]
		e.Name, e.Delta, e.Total, e.Start, e.Stop = nil, 0, 0, 0, 0
	}
	e.Kind = kind
}

// Tags of the fields of loggregator.v2.Counter: string name = 1; uint64 delta = 2, total = 3;
const (
	counterName  = 1<<3 | Bytes
	counterDelta = 2<<3 | Varint
	counterTotal = 3<<3 | Varint
)

func (d *V2) counter(b []byte, e *metric.Envelope) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case counterName:
			e.Name = f.Bytes
		case counterDelta:
			e.Delta = f.Number
		case counterTotal:
			e.Total = f.Number
		}
	}
	return !f.Bad
}

// Tags of the fields of loggregator.v2.Timer: string name = 1; int64 start = 2, stop = 3;
const (
	timerName  = 1<<3 | Bytes
	timerStart = 2<<3 | Varint
	timerStop  = 3<<3 | Varint
)

func (d *V2) timer(b []byte, e *metric.Envelope) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case timerName:
			e.Name = f.Bytes
		case timerStart:
			e.Start = int64(f.Number)
		case timerStop:
			e.Stop = int64(f.Number)
		}
	}
	return !f.Bad
}

// gaugeMetrics is the tag of loggregator.v2.Gauge: map<string, GaugeValue> metrics = 1;
const gaugeMetrics = 1<<3 | Bytes

func (d *V2) gauge(b []byte, e *metric.Envelope) bool {
	f := Fields{Message: b}
	for f.Next() {
		if f.Tag != gaugeMetrics {
			continue
		}
		var p metric.Point
		if !point(f.Bytes, &p) {
			return false
		}
		e.Points = append(e.Points, p)
	}
	return !f.Bad
}

// point reads an entry of map<string, GaugeValue>.
func point(entry []byte, p *metric.Point) bool {
	f := Fields{Message: entry}
	for f.Next() {
		switch f.Tag {
		case entryKey:
			p.Name = f.Bytes
		case entryValue:
			if !readGaugeValue(f.Bytes, p) {
				return false
			}
		}
	}
	return !f.Bad
}

// Tags of the fields of loggregator.v2.GaugeValue: string unit = 1; double value = 2;
const (
	gaugeUnit  = 1<<3 | Bytes
	gaugeValue = 2<<3 | Fixed64
)

func readGaugeValue(b []byte, p *metric.Point) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case gaugeUnit:
			p.Unit = f.Bytes
		case gaugeValue:
			p.Value = math.Float64frombits(f.Number)
		}
	}
	return !f.Bad
}

// allTags reads the tags of an envelope again, the deprecated ones first.
func (d *V2) allTags(b []byte, e *metric.Envelope) bool {
	d.scratch = d.scratch[:0]
	e.Tags, e.TooManyTags = e.Tags[:0], false
	for f := (Fields{Message: b}); f.Next(); {
		if f.Tag == v2DeprecatedTags && !d.deprecatedTag(f.Bytes, e) {
			return false
		}
	}
	for f := (Fields{Message: b}); f.Next(); {
		if f.Tag == v2Tags {
			key, value, _ := stringPair(f.Bytes)
			e.AddTag(key, value)
		}
	}
	return true
}

// deprecatedTag reads an entry of map<string, Value{text | integer | decimal}>.
func (d *V2) deprecatedTag(entry []byte, e *metric.Envelope) bool {
	var key, value []byte
	f := Fields{Message: entry}
	for f.Next() {
		switch f.Tag {
		case entryKey:
			key = f.Bytes
		case entryValue:
			var ok bool
			if value, ok = d.tagValue(f.Bytes, value); !ok {
				return false
			}
		}
	}
	e.AddTag(key, value)
	return !f.Bad
}

// Tags of the fields of loggregator.v2.Value: oneof data { string text = 1; int64 integer = 2; double decimal = 3; }
const (
	valueText    = 1<<3 | Bytes
	valueInteger = 2<<3 | Varint
	valueDecimal = 3<<3 | Fixed64
)

// tagValue renders a Value as Loggregator does when it turns a deprecated tag into a preferred one. A Value without
// content keeps the text of an earlier one of the same entry.
func (d *V2) tagValue(b, text []byte) ([]byte, bool) {
	f := Fields{Message: b}
	for f.Next() {
		from := len(d.scratch)
		switch f.Tag {
		case valueText:
			text = f.Bytes
		case valueInteger:
			d.scratch = strconv.AppendInt(d.scratch, int64(f.Number), 10)
			text = d.scratch[from:]
		case valueDecimal:
			d.scratch = strconv.AppendFloat(d.scratch, math.Float64frombits(f.Number), 'f', 6, 64)
			text = d.scratch[from:]
		}
	}
	return text, !f.Bad
}
