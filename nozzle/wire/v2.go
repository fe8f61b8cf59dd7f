package wire

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
)

// Fields of loggregator.v2.Envelope, as key on the wire.
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

// V2 decodes loggregator.v2 envelopes by walking their bytes. It gives what stock unmarshalling gives, except that strings
// that are not UTF-8 are let through: whoever makes labels of them mends them, and nothing else of the envelope is lost.
// Its zero value is ready; it serves one goroutine.
type V2 struct {
	scratch []byte // numbers of deprecated tags, rendered
}

// Decode fills the view from the bytes of one Envelope and says whether they were well formed; if not, the view holds
// nothing of use. Arrived is left to the caller. Deprecated tags stand before the preferred ones, which so win. It allocates
// only for deprecated tags that are numbers, and where the view must grow.
func (d *V2) Decode(b []byte, e *metric.Envelope) bool {
	e.Reset()
	deprecated := false
	f := Fields{Message: b}
	for f.Next() {
		ok := true
		switch f.Key {
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
			return false
		}
	}
	if f.Bad {
		return false
	}
	// Slow path: agents of today send no deprecated tags to the RLP's readers.
	return !deprecated || d.allTags(b, e)
}

// Batch decodes each envelope of an EnvelopeBatch into the view and calls each, which is told whether the envelope was well formed. It
// returns false where the batch itself is broken: what stood before that was handed over.
func (d *V2) Batch(batch []byte, e *metric.Envelope, each func(ok bool)) bool {
	f := Fields{Message: batch}
	for f.Next() {
		if f.Key == 1<<3|Bytes {
			each(d.Decode(f.Bytes, e))
		}
	}
	return !f.Bad
}

// AppendBatch appends an EnvelopeBatch that holds one envelope.
func AppendBatch(b, envelope []byte) []byte {
	return protowire.AppendBytes(append(b, 1<<3|byte(Bytes)), envelope)
}

// Trim frees memory that one large message left behind.
func (d *V2) Trim() {
	if cap(d.scratch) > maxKeptScratch {
		*d = V2{}
	}
}

// become makes the envelope one of the kind. The messages are a oneof: of different ones the last counts, of the same one
// the later is merged into the earlier.
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

func (d *V2) counter(b []byte, e *metric.Envelope) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Key {
		case 1<<3 | Bytes:
			e.Name = f.Bytes
		case 2<<3 | Varint:
			e.Delta = f.Number
		case 3<<3 | Varint:
			e.Total = f.Number
		}
	}
	return !f.Bad
}

func (d *V2) timer(b []byte, e *metric.Envelope) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Key {
		case 1<<3 | Bytes:
			e.Name = f.Bytes
		case 2<<3 | Varint:
			e.Start = int64(f.Number)
		case 3<<3 | Varint:
			e.Stop = int64(f.Number)
		}
	}
	return !f.Bad
}

func (d *V2) gauge(b []byte, e *metric.Envelope) bool {
	f := Fields{Message: b}
	for f.Next() {
		if f.Key != 1<<3|Bytes {
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
		switch f.Key {
		case 1<<3 | Bytes:
			p.Name = f.Bytes
		case 2<<3 | Bytes:
			if !gaugeValue(f.Bytes, p) {
				return false
			}
		}
	}
	return !f.Bad
}

func gaugeValue(b []byte, p *metric.Point) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Key {
		case 1<<3 | Bytes:
			p.Unit = f.Bytes
		case 2<<3 | Fixed64:
			p.Value = math.Float64frombits(f.Number)
		}
	}
	return !f.Bad
}

// allTags reads the tags of an envelope once more, the deprecated ones first.
func (d *V2) allTags(b []byte, e *metric.Envelope) bool {
	d.scratch = d.scratch[:0]
	e.Tags, e.TooManyTags = e.Tags[:0], false
	for f := (Fields{Message: b}); f.Next(); {
		if f.Key == v2DeprecatedTags && !d.deprecatedTag(f.Bytes, e) {
			return false
		}
	}
	for f := (Fields{Message: b}); f.Next(); {
		if f.Key == v2Tags {
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
		switch f.Key {
		case 1<<3 | Bytes:
			key = f.Bytes
		case 2<<3 | Bytes:
			var ok bool
			if value, ok = d.tagValue(f.Bytes, value); !ok {
				return false
			}
		}
	}
	e.AddTag(key, value)
	return !f.Bad
}

// tagValue renders a Value as Loggregator does where it turns a deprecated tag into a preferred one; a Value without content keeps the text before it.
func (d *V2) tagValue(b, text []byte) ([]byte, bool) {
	f := Fields{Message: b}
	for f.Next() {
		from := len(d.scratch)
		switch f.Key {
		case 1<<3 | Bytes:
			text = f.Bytes
		case 2<<3 | Varint:
			d.scratch = strconv.AppendInt(d.scratch, int64(f.Number), 10)
			text = d.scratch[from:]
		case 3<<3 | Fixed64:
			d.scratch = strconv.AppendFloat(d.scratch, math.Float64frombits(f.Number), 'f', 6, 64)
			text = d.scratch[from:]
		}
	}
	return text, !f.Bad
}
