package wire

import (
	"strconv"

	"github.com/cloudfoundry/sonde-go/events"

	"loggregator_exporter/metric"
)

// Fields of events.Envelope, as key on the wire.
const (
	v1Origin          = 1<<3 | Bytes
	v1EventType       = 2<<3 | Varint
	v1Timestamp       = 6<<3 | Varint
	v1HTTPStartStop   = 7<<3 | Bytes
	v1LogMessage      = 8<<3 | Bytes
	v1ValueMetric     = 9<<3 | Bytes
	v1CounterEvent    = 10<<3 | Bytes
	v1Error           = 11<<3 | Bytes
	v1ContainerMetric = 12<<3 | Bytes
	v1Deployment      = 13<<3 | Bytes
	v1Job             = 14<<3 | Bytes
	v1Index           = 15<<3 | Bytes
	v1IP              = 16<<3 | Bytes
	v1Tags            = 17<<3 | Bytes
)

// V1 decodes dropsonde envelopes (events.Envelope of sonde-go) by walking their bytes, and brings them into the shape of v2 as
// Loggregator's agent does when a datagram reaches it:
//
//   - source_id is the tag of that name, which is taken out of the tags, else the origin;
//   - instance_id is the tag of that name for value and counter metrics; a counter loses the tag;
//   - origin, deployment, job, index and ip, where sent, become tags and win over tags of these names; __v1_type tells the type;
//   - a container metric is a gauge of five points, of the app's id and instance;
//   - an HttpStartStop is a timer named http, of the app's id and instance (the origin and "0" where there is no app), with
//     the request in tags;
//   - log messages and errors are of KindLog; what they say is not decoded.
//
// A message that lacks a required field is malformed, as it is to sonde-go. The zero value is ready; it serves one goroutine.
type V1 struct {
	Scratch []byte // rendered numbers and ids of the envelope at hand: the view points into it

	seen      uint64 // the sub-messages of the envelope at hand, one bit a field number
	value     v1Value
	counter   v1Counter
	container v1Container
	http      v1HTTP
	other     [2]uint64 // required fields seen of LogMessage and Error
}

// What one message may leave behind as memory that is kept for the next.
const (
	maxKeptForwarded = 4096
	maxKeptScratch   = 64 << 10
)

// Trim frees memory that one large message left behind.
func (d *V1) Trim() {
	if cap(d.Scratch) > maxKeptScratch || cap(d.http.forwarded) > maxKeptForwarded {
		*d = V1{}
	}
}

// v1Header is what stands in the envelope itself.
type v1Header struct {
	origin, deployment, job, index, ip, sourceID, instanceID []byte

	eventType                                       int32
	hasOrigin, hasType, hasSourceID, tagsInstanceID bool
}

// Decode fills the view from the bytes of one envelope and says whether they were well formed; if not, the view holds
// nothing of use. Arrived is left to the caller. The view points into the bytes and into memory of the decoder, both until the
// next call. In the steady state it allocates nothing.
func (d *V1) Decode(b []byte, e *metric.Envelope) bool {
	e.Reset()
	d.seen, d.Scratch = 0, d.Scratch[:0]
	var h v1Header
	f := Fields{Message: b}
	for f.Next() {
		ok := true
		switch f.Key {
		case v1Origin:
			h.origin, h.hasOrigin = f.Bytes, true
		case v1EventType:
			h.eventType, h.hasType = int32(f.Number), true
		case v1Timestamp:
			e.Timestamp = int64(f.Number)
		case v1Deployment:
			h.deployment = f.Bytes
		case v1Job:
			h.job = f.Bytes
		case v1Index:
			h.index = f.Bytes
		case v1IP:
			h.ip = f.Bytes
		case v1Tags:
			ok = h.tag(f.Bytes, e)
		case v1HTTPStartStop, v1LogMessage, v1ValueMetric, v1CounterEvent, v1Error, v1ContainerMetric:
			ok = d.message(f.Key, f.Bytes)
		}
		if !ok {
			return false
		}
	}
	if f.Bad || !h.hasOrigin || !h.hasType || !d.complete() {
		return false
	}
	d.convert(&h, e)
	return true
}

// tag reads an entry of the tags. Those that name the source and the instance are noted; a view without the tag source_id results.
func (h *v1Header) tag(entry []byte, e *metric.Envelope) bool {
	key, value, ok := stringPair(entry)
	switch string(key) {
	case "source_id":
		h.sourceID, h.hasSourceID = value, true
		return ok
	case "instance_id":
		h.instanceID, h.tagsInstanceID = value, true
	}
	e.AddTag(key, value)
	return ok
}

// message reads a sub-message; one that comes twice is merged.
func (d *V1) message(key uint64, b []byte) bool {
	bit := uint64(1) << (key >> 3)
	first := d.seen&bit == 0
	d.seen |= bit
	switch key {
	case v1ValueMetric:
		if first {
			d.value = v1Value{}
		}
		return d.value.read(b)
	case v1CounterEvent:
		if first {
			d.counter = v1Counter{}
		}
		return d.counter.read(b)
	case v1ContainerMetric:
		if first {
			d.container = v1Container{}
		}
		return d.container.read(b)
	case v1HTTPStartStop:
		if first {
			d.http.reset()
		}
		return d.http.read(b)
	case v1LogMessage:
		return d.unread(0, first, b, 1<<3|Bytes, 2<<3|Varint, 3<<3|Varint)
	default:
		return d.unread(1, first, b, 1<<3|Bytes, 2<<3|Varint, 3<<3|Bytes)
	}
}

// unread steps through a message that carries no metric and notes which of its three required fields are there.
func (d *V1) unread(i int, first bool, b []byte, required ...uint64) bool {
	if first {
		d.other[i] = 0
	}
	f := Fields{Message: b}
	for f.Next() {
		for n, key := range required {
			if f.Key == key {
				d.other[i] |= 1 << n
			}
		}
	}
	return !f.Bad
}

// complete says whether every sub-message that is there has its required fields, whether it is the one that the type names or not.
func (d *V1) complete() bool {
	has := func(key uint64) bool { return d.seen&(1<<(key>>3)) != 0 }
	return (!has(v1ValueMetric) || d.value.required == 1<<3-1) &&
		(!has(v1CounterEvent) || d.counter.required == 1<<2-1) &&
		(!has(v1ContainerMetric) || d.container.required == 1<<5-1) &&
		(!has(v1HTTPStartStop) || d.http.complete()) &&
		(!has(v1LogMessage) || d.other[0] == 1<<3-1) &&
		(!has(v1Error) || d.other[1] == 1<<3-1)
}

// convert brings the envelope into the shape of v2. A message that the type names and that is not there is an empty one.
func (d *V1) convert(h *v1Header, e *metric.Envelope) {
	e.SourceID = h.origin
	if h.hasSourceID {
		e.SourceID = h.sourceID
	}
	eventType := events.Envelope_EventType(h.eventType)
	empty := func(key uint64) bool { return d.seen&(1<<(key>>3)) == 0 }
	switch eventType {
	case events.Envelope_ValueMetric:
		if empty(v1ValueMetric) {
			d.value = v1Value{}
		}
		e.InstanceID = h.instanceID
		d.value.convert(e)
	case events.Envelope_CounterEvent:
		if empty(v1CounterEvent) {
			d.counter = v1Counter{}
		}
		if h.tagsInstanceID {
			e.InstanceID = h.instanceID
			removeTag(e, "instance_id")
		}
		d.counter.convert(e)
	case events.Envelope_ContainerMetric:
		if empty(v1ContainerMetric) {
			d.container = v1Container{}
		}
		d.container.convert(e, &d.Scratch)
	case events.Envelope_HttpStartStop:
		if empty(v1HTTPStartStop) {
			d.http.reset()
		}
	case events.Envelope_LogMessage, events.Envelope_Error:
		e.Kind = metric.KindLog
	}
	h.addTags(e, &d.Scratch)
	if eventType == events.Envelope_HttpStartStop {
		d.http.convert(e, &d.Scratch)
	}
}

// addTags adds the fields of the envelope to the tags, behind the tags that it has, so that the fields win.
func (h *v1Header) addTags(e *metric.Envelope, scratch *[]byte) {
	e.AddTag(keyOrigin, h.origin)
	if h.deployment != nil {
		e.AddTag(keyDeployment, h.deployment)
	}
	if h.job != nil {
		e.AddTag(keyJob, h.job)
	}
	if h.index != nil {
		e.AddTag(keyIndex, h.index)
	}
	if h.ip != nil {
		e.AddTag(keyIP, h.ip)
	}
	e.AddTag(keyV1Type, enumName(eventTypes, h.eventType, scratch))
}

// removeTag takes a tag out and keeps the order of the others, which decides between equal keys.
func removeTag(e *metric.Envelope, key string) {
	kept := e.Tags[:0]
	for _, t := range e.Tags {
		if string(t.Key) != key {
			kept = append(kept, t)
		}
	}
	e.Tags = kept
}

// enumName is the name of a value of a sonde-go enumeration, or its number where it has none.
func enumName(names [][]byte, value int32, scratch *[]byte) []byte {
	if value >= 0 && int(value) < len(names) && names[value] != nil {
		return names[value]
	}
	return appendInt(scratch, int64(value))
}

// appendInt renders a number into the scratch memory. Should that grow, what was rendered before stays where it was, and valid.
func appendInt(scratch *[]byte, v int64) []byte {
	from := len(*scratch)
	*scratch = strconv.AppendInt(*scratch, v, 10)
	return (*scratch)[from:]
}
