package wire

import (
	"strconv"

	"github.com/cloudfoundry/sonde-go/events"

	"loggregator_exporter/metric"
)

// Tags of the fields of events.Envelope:
//
//	required string origin = 1; required EventType eventType = 2; optional int64 timestamp = 6;
//	optional HttpStartStop httpStartStop = 7; optional LogMessage logMessage = 8; optional ValueMetric valueMetric = 9;
//	optional CounterEvent counterEvent = 10; optional Error error = 11; optional ContainerMetric containerMetric = 12;
//	optional string deployment = 13, job = 14, index = 15, ip = 16; map<string, string> tags = 17;
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

// V1 decodes dropsonde envelopes (events.Envelope of sonde-go) by walking their bytes, and gives them the shape of v2
// as Loggregator's agent does when it receives a datagram:
//
//   - source_id is the tag of that name, which is removed from the tags, else the origin;
//   - instance_id is the tag of that name for value and counter metrics; a counter loses the tag;
//   - origin, deployment, job, index and ip, where sent, become tags and win over tags of these names;
//   - the tag __v1_type is the type;
//   - a container metric is a gauge of five points, with the app's id and instance;
//   - an HttpStartStop is a timer named http, with the app's id and instance (the origin and "0" where there is no
//     app) and the request in tags;
//   - log messages and errors are of KindLog, without their content.
//
// A message that lacks a required field is malformed, as it is to sonde-go. The zero value is ready; it serves one
// goroutine.
type V1 struct {
	scratch []byte // rendered numbers and ids of the current envelope: the view points into it

	seen      uint64 // the sub-messages of the current envelope, one bit a field number
	value     v1Value
	counter   v1Counter
	container v1Container
	http      v1HTTP
	log, err  v1Skipped
}

// What one message may leave allocated for the next one.
const (
	maxKeptForwarded = 4096
	maxKeptScratch   = 64 << 10
)

// Trim frees memory that one large message left behind.
func (d *V1) Trim() {
	if cap(d.scratch) > maxKeptScratch || cap(d.http.forwarded) > maxKeptForwarded {
		*d = V1{}
	}
}

// v1Header holds the fields of the envelope itself.
type v1Header struct {
	origin, deployment, job, index, ip, sourceID, instanceID []byte

	eventType                                       int32
	hasOrigin, hasType, hasSourceID, tagsInstanceID bool
}

// Decode fills the view from the bytes of one envelope and reports whether they were well formed; if not, the content
// of the view is undefined. Arrived is left to the caller. The view points into the bytes and into memory of the
// decoder, both until the next call. In the steady state it allocates nothing.
func (d *V1) Decode(b []byte, e *metric.Envelope) bool {
	e.Reset()
	d.seen, d.scratch = 0, d.scratch[:0]
	var h v1Header
	f := Fields{Message: b}
	for f.Next() {
		ok := true
		switch f.Tag {
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
			ok = h.readTag(f.Bytes, e)
		case v1HTTPStartStop, v1LogMessage, v1ValueMetric, v1CounterEvent, v1Error, v1ContainerMetric:
			ok = d.readMessage(f.Tag, f.Bytes)
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

// readTag reads an entry of tags. The tag source_id is not added to the view.
func (h *v1Header) readTag(entry []byte, e *metric.Envelope) bool {
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

// readMessage reads a sub-message; one that comes twice is merged.
func (d *V1) readMessage(tag uint64, b []byte) bool {
	if !d.has(tag) {
		d.clear(tag)
		d.seen |= 1 << (tag >> 3)
	}
	switch tag {
	case v1ValueMetric:
		return d.value.read(b)
	case v1CounterEvent:
		return d.counter.read(b)
	case v1ContainerMetric:
		return d.container.read(b)
	case v1HTTPStartStop:
		return d.http.read(b)
	case v1LogMessage:
		return d.log.read(b, logRequired)
	default:
		return d.err.read(b, errorRequired)
	}
}

// has reports whether the current envelope holds a sub-message.
func (d *V1) has(tag uint64) bool { return d.seen&(1<<(tag>>3)) != 0 }

// clear resets what is kept of a sub-message of an earlier envelope.
func (d *V1) clear(tag uint64) {
	switch tag {
	case v1ValueMetric:
		d.value = v1Value{}
	case v1CounterEvent:
		d.counter = v1Counter{}
	case v1ContainerMetric:
		d.container = v1Container{}
	case v1HTTPStartStop:
		d.http.reset()
	case v1LogMessage:
		d.log = 0
	case v1Error:
		d.err = 0
	}
}

// complete reports whether every sub-message that is there has its required fields, also those that the type does not
// name.
func (d *V1) complete() bool {
	return (!d.has(v1ValueMetric) || d.value.required == 1<<3-1) &&
		(!d.has(v1CounterEvent) || d.counter.required == 1<<2-1) &&
		(!d.has(v1ContainerMetric) || d.container.required == 1<<5-1) &&
		(!d.has(v1HTTPStartStop) || d.http.complete()) &&
		(!d.has(v1LogMessage) || d.log == 1<<3-1) &&
		(!d.has(v1Error) || d.err == 1<<3-1)
}

// convert gives the envelope the shape of v2. A message that the type names and that is not there is an empty one.
func (d *V1) convert(h *v1Header, e *metric.Envelope) {
	e.SourceID = h.origin
	if h.hasSourceID {
		e.SourceID = h.sourceID
	}
	eventType := events.Envelope_EventType(h.eventType)
	switch eventType {
	case events.Envelope_ValueMetric:
		d.clearMissing(v1ValueMetric)
		e.InstanceID = h.instanceID
		d.value.convert(e)
	case events.Envelope_CounterEvent:
		d.clearMissing(v1CounterEvent)
		if h.tagsInstanceID {
			e.InstanceID = h.instanceID
			removeTag(e, "instance_id")
		}
		d.counter.convert(e)
	case events.Envelope_ContainerMetric:
		d.clearMissing(v1ContainerMetric)
		d.container.convert(e, &d.scratch)
	case events.Envelope_LogMessage, events.Envelope_Error:
		e.Kind = metric.KindLog
	case events.Envelope_HttpStartStop: // reads tags that addTags adds
	}
	h.addTags(e, &d.scratch)
	if eventType == events.Envelope_HttpStartStop {
		d.clearMissing(v1HTTPStartStop)
		d.http.convert(e, &d.scratch)
	}
}

func (d *V1) clearMissing(tag uint64) {
	if !d.has(tag) {
		d.clear(tag)
	}
}

// addTags adds the fields of the envelope after the tags that it has, so that the fields win.
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

// removeTag keeps the order of the other tags, which decides between equal keys.
func removeTag(e *metric.Envelope, key string) {
	kept := e.Tags[:0]
	for _, t := range e.Tags {
		if string(t.Key) != key {
			kept = append(kept, t)
		}
	}
	e.Tags = kept
}

// enumName returns the name of a value of a sonde-go enumeration, or its number where it has none.
func enumName(names [][]byte, value int32, scratch *[]byte) []byte {
	if value >= 0 && int(value) < len(names) && names[value] != nil {
		return names[value]
	}
	return appendInt(scratch, int64(value))
}

// appendInt renders a number at the end of the scratch memory. If that has to grow, what was rendered before stays
// valid in the old memory.
func appendInt(scratch *[]byte, v int64) []byte {
	from := len(*scratch)
	*scratch = strconv.AppendInt(*scratch, v, 10)
	return (*scratch)[from:]
}
