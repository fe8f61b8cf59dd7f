package nozzle

import (
	"math"
	"strconv"

	"loggregator_exporter/metric"
)

// Fields of loggregator.v2.Envelope, as key on the wire.
const (
	v2Timestamp      = 1<<3 | wireVarint
	v2SourceID       = 2<<3 | wireBytes
	v2DeprecatedTags = 3<<3 | wireBytes
	v2Log            = 4<<3 | wireBytes
	v2Counter        = 5<<3 | wireBytes
	v2Gauge          = 6<<3 | wireBytes
	v2Timer          = 7<<3 | wireBytes
	v2InstanceID     = 8<<3 | wireBytes
	v2Tags           = 9<<3 | wireBytes
	v2Event          = 10<<3 | wireBytes
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
	f := fields{message: b}
	for f.next() {
		ok := true
		switch f.key {
		case v2Timestamp:
			e.Timestamp = int64(f.number)
		case v2SourceID:
			e.SourceID = f.bytes
		case v2InstanceID:
			e.InstanceID = f.bytes
		case v2Tags:
			var key, value []byte
			key, value, ok = stringPair(f.bytes)
			e.AddTag(key, value)
		case v2DeprecatedTags:
			deprecated = true
		case v2Gauge:
			become(e, metric.KindGauge)
			ok = d.gauge(f.bytes, e)
		case v2Counter:
			become(e, metric.KindCounter)
			ok = d.counter(f.bytes, e)
		case v2Timer:
			become(e, metric.KindTimer)
			ok = d.timer(f.bytes, e)
		case v2Log:
			become(e, metric.KindLog)
			ok = wellFormed(f.bytes)
		case v2Event:
			become(e, metric.KindEvent)
			ok = wellFormed(f.bytes)
		}
		if !ok {
			return false
		}
	}
	if f.bad {
		return false
	}
	// Slow path: agents of today send no deprecated tags to the RLP's readers.
	return !deprecated || d.allTags(b, e)
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
	f := fields{message: b}
	for f.next() {
		switch f.key {
		case 1<<3 | wireBytes:
			e.Name = f.bytes
		case 2<<3 | wireVarint:
			e.Delta = f.number
		case 3<<3 | wireVarint:
			e.Total = f.number
		}
	}
	return !f.bad
}

func (d *V2) timer(b []byte, e *metric.Envelope) bool {
	f := fields{message: b}
	for f.next() {
		switch f.key {
		case 1<<3 | wireBytes:
			e.Name = f.bytes
		case 2<<3 | wireVarint:
			e.Start = int64(f.number)
		case 3<<3 | wireVarint:
			e.Stop = int64(f.number)
		}
	}
	return !f.bad
}

func (d *V2) gauge(b []byte, e *metric.Envelope) bool {
	f := fields{message: b}
	for f.next() {
		if f.key != 1<<3|wireBytes {
			continue
		}
		var p metric.Point
		if !point(f.bytes, &p) {
			return false
		}
		e.Points = append(e.Points, p)
	}
	return !f.bad
}

// point reads an entry of map<string, GaugeValue>.
func point(entry []byte, p *metric.Point) bool {
	f := fields{message: entry}
	for f.next() {
		switch f.key {
		case 1<<3 | wireBytes:
			p.Name = f.bytes
		case 2<<3 | wireBytes:
			if !gaugeValue(f.bytes, p) {
				return false
			}
		}
	}
	return !f.bad
}

func gaugeValue(b []byte, p *metric.Point) bool {
	f := fields{message: b}
	for f.next() {
		switch f.key {
		case 1<<3 | wireBytes:
			p.Unit = f.bytes
		case 2<<3 | wireFixed64:
			p.Value = math.Float64frombits(f.number)
		}
	}
	return !f.bad
}

// allTags reads the tags of an envelope once more, the deprecated ones first.
func (d *V2) allTags(b []byte, e *metric.Envelope) bool {
	d.scratch = d.scratch[:0]
	e.Tags, e.TooManyTags = e.Tags[:0], false
	for f := (fields{message: b}); f.next(); {
		if f.key == v2DeprecatedTags && !d.deprecatedTag(f.bytes, e) {
			return false
		}
	}
	for f := (fields{message: b}); f.next(); {
		if f.key == v2Tags {
			key, value, _ := stringPair(f.bytes)
			e.AddTag(key, value)
		}
	}
	return true
}

// deprecatedTag reads an entry of map<string, Value{text | integer | decimal}>.
func (d *V2) deprecatedTag(entry []byte, e *metric.Envelope) bool {
	var key, value []byte
	f := fields{message: entry}
	for f.next() {
		switch f.key {
		case 1<<3 | wireBytes:
			key = f.bytes
		case 2<<3 | wireBytes:
			var ok bool
			if value, ok = d.tagValue(f.bytes, value); !ok {
				return false
			}
		}
	}
	e.AddTag(key, value)
	return !f.bad
}

// tagValue renders a Value as Loggregator does where it turns a deprecated tag into a preferred one; a Value without content keeps the text before it.
func (d *V2) tagValue(b, text []byte) ([]byte, bool) {
	f := fields{message: b}
	for f.next() {
		from := len(d.scratch)
		switch f.key {
		case 1<<3 | wireBytes:
			text = f.bytes
		case 2<<3 | wireVarint:
			d.scratch = strconv.AppendInt(d.scratch, int64(f.number), 10)
			text = d.scratch[from:]
		case 3<<3 | wireFixed64:
			d.scratch = strconv.AppendFloat(d.scratch, math.Float64frombits(f.number), 'f', 6, 64)
			text = d.scratch[from:]
		}
	}
	return text, !f.bad
}
