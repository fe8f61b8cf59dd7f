package wire

import (
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/cloudfoundry/sonde-go/events"

	"loggregator_exporter/metric"
)

// Texts of a converted envelope that are not in the message. They are never written to.
var (
	keyOrigin, keyDeployment, keyJob, keyIndex, keyIP = []byte("origin"), []byte("deployment"), []byte("job"),
		[]byte("index"), []byte("ip")

	keyV1Type = []byte("__v1_type")

	keyRequestID, keyPeerType, keyMethod, keyURI = []byte("request_id"), []byte("peer_type"), []byte("method"),
		[]byte("uri")
	keyRemoteAddress, keyUserAgent     = []byte("remote_address"), []byte("user_agent")
	keyStatusCode, keyContentLength    = []byte("status_code"), []byte("content_length")
	keyRoutingInstanceID, keyForwarded = []byte("routing_instance_id"), []byte("forwarded")

	nameHTTP                                                      = []byte("http")
	nameCPU, nameMemory, nameDisk, nameMemoryQuota, nameDiskQuota = []byte("cpu"), []byte("memory"), []byte("disk"),
		[]byte("memory_quota"), []byte("disk_quota")
	unitPercentage, unitBytes = []byte("percentage"), []byte("bytes")

	eventTypes = enumNames(events.Envelope_EventType_name)
	peerTypes  = enumNames(events.PeerType_name)
	methods    = enumNames(events.Method_name)
)

func enumNames(byValue map[int32]string) [][]byte {
	var names [][]byte
	for value, name := range byValue {
		for int(value) >= len(names) {
			names = append(names, nil)
		}
		names[value] = []byte(name)
	}
	return names
}

// Tags of the fields of events.ValueMetric:
//
//	required string name = 1; required double value = 2; required string unit = 3;
const (
	valueName  = 1<<3 | Bytes
	valueValue = 2<<3 | Fixed64
	valueUnit  = 3<<3 | Bytes
)

type v1Value struct {
	name, unit []byte
	value      float64
	required   uint64 // one bit for each required field that was there, here and below
}

func (m *v1Value) read(b []byte) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case valueName:
			m.name = f.Bytes
			m.required |= 1 << 0
		case valueValue:
			m.value = math.Float64frombits(f.Number)
			m.required |= 1 << 1
		case valueUnit:
			m.unit = f.Bytes
			m.required |= 1 << 2
		}
	}
	return !f.Bad
}

func (m *v1Value) convert(e *metric.Envelope) {
	e.Kind = metric.KindGauge
	e.Points = append(e.Points, metric.Point{Name: m.name, Unit: m.unit, Value: m.value})
}

// Tags of the fields of events.CounterEvent:
//
//	required string name = 1; required uint64 delta = 2; optional uint64 total = 3;
const (
	counterEventName  = 1<<3 | Bytes
	counterEventDelta = 2<<3 | Varint
	counterEventTotal = 3<<3 | Varint
)

type v1Counter struct {
	name         []byte
	delta, total uint64
	required     uint64
}

func (m *v1Counter) read(b []byte) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case counterEventName:
			m.name = f.Bytes
			m.required |= 1 << 0
		case counterEventDelta:
			m.delta = f.Number
			m.required |= 1 << 1
		case counterEventTotal:
			m.total = f.Number
		}
	}
	return !f.Bad
}

func (m *v1Counter) convert(e *metric.Envelope) {
	e.Kind, e.Name, e.Delta, e.Total = metric.KindCounter, m.name, m.delta, m.total
}

// Tags of the fields of events.ContainerMetric:
//
//	required string applicationId = 1; required int32 instanceIndex = 2; required double cpuPercentage = 3;
//	required uint64 memoryBytes = 4, diskBytes = 5; optional uint64 memoryBytesQuota = 6, diskBytesQuota = 7;
const (
	containerApp         = 1<<3 | Bytes
	containerInstance    = 2<<3 | Varint
	containerCPU         = 3<<3 | Fixed64
	containerMemory      = 4<<3 | Varint
	containerDisk        = 5<<3 | Varint
	containerMemoryQuota = 6<<3 | Varint
	containerDiskQuota   = 7<<3 | Varint
)

type v1Container struct {
	app                                  []byte
	instance                             int32
	cpu                                  float64
	memory, disk, memoryQuota, diskQuota uint64
	required                             uint64
	hasMemoryQuota, hasDiskQuota         bool
}

func (m *v1Container) read(b []byte) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case containerApp:
			m.app = f.Bytes
		case containerInstance:
			m.instance = int32(f.Number)
		case containerCPU:
			m.cpu = math.Float64frombits(f.Number)
		case containerMemory:
			m.memory = f.Number
		case containerDisk:
			m.disk = f.Number
		case containerMemoryQuota:
			m.memoryQuota, m.hasMemoryQuota = f.Number, true
		case containerDiskQuota:
			m.diskQuota, m.hasDiskQuota = f.Number, true
		default:
			continue
		}
		// The required fields are those numbered 1 to 5.
		if number := f.Tag >> 3; number <= 5 {
			m.required |= 1 << (number - 1)
		}
	}
	return !f.Bad
}

func (m *v1Container) convert(e *metric.Envelope, scratch *[]byte) {
	e.Kind = metric.KindGauge
	if len(m.app) > 0 {
		e.SourceID = m.app
	}
	e.InstanceID = appendInt(scratch, int64(m.instance))
	e.Points = append(e.Points,
		metric.Point{Name: nameCPU, Unit: unitPercentage, Value: m.cpu},
		metric.Point{Name: nameMemory, Unit: unitBytes, Value: float64(m.memory)},
		metric.Point{Name: nameDisk, Unit: unitBytes, Value: float64(m.disk)},
	)
	if m.hasMemoryQuota {
		e.Points = append(e.Points, metric.Point{Name: nameMemoryQuota, Unit: unitBytes, Value: float64(m.memoryQuota)})
	}
	if m.hasDiskQuota {
		e.Points = append(e.Points, metric.Point{Name: nameDiskQuota, Unit: unitBytes, Value: float64(m.diskQuota)})
	}
}

// Tags of the fields of events.UUID: required uint64 low = 1, high = 2;
const (
	uuidLow  = 1<<3 | Varint
	uuidHigh = 2<<3 | Varint
)

type v1UUID struct {
	low, high uint64
	present   bool
	required  uint64
}

func (u *v1UUID) read(b []byte) bool {
	u.present = true
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case uuidLow:
			u.low = f.Number
			u.required |= 1 << 0
		case uuidHigh:
			u.high = f.Number
			u.required |= 1 << 1
		}
	}
	return !f.Bad
}

// render writes the id in the form 8-4-4-4-12. The two halves hold its bytes in little-endian order.
func (u *v1UUID) render(scratch *[]byte) []byte {
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:8], u.low)
	binary.LittleEndian.PutUint64(id[8:], u.high)
	from := len(*scratch)
	b := *scratch
	for i, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	*scratch = b
	return b[from:]
}

// Tags of the fields of events.HttpStartStop:
//
//	required int64 startTimestamp = 1, stopTimestamp = 2; required UUID requestId = 3; required PeerType peerType = 4;
//	required Method method = 5; required string uri = 6, remoteAddress = 7, userAgent = 8;
//	required int32 statusCode = 9; required int64 contentLength = 10; optional UUID applicationId = 12;
//	optional int32 instanceIndex = 13; optional string instanceId = 14; repeated string forwarded = 15;
const (
	httpStart         = 1<<3 | Varint
	httpStop          = 2<<3 | Varint
	httpRequestID     = 3<<3 | Bytes
	httpPeerType      = 4<<3 | Varint
	httpMethod        = 5<<3 | Varint
	httpURI           = 6<<3 | Bytes
	httpRemoteAddress = 7<<3 | Bytes
	httpUserAgent     = 8<<3 | Bytes
	httpStatusCode    = 9<<3 | Varint
	httpContentLength = 10<<3 | Varint
	httpApp           = 12<<3 | Bytes
	httpInstance      = 13<<3 | Varint
	httpInstanceID    = 14<<3 | Bytes
	httpForwarded     = 15<<3 | Bytes
)

type v1HTTP struct {
	start, stop, length                 int64
	peer, method, status, instance      int32
	request, app                        v1UUID
	uri, remote, userAgent, routingName []byte
	forwarded                           [][]byte // memory is kept
	required                            uint64
}

// reset empties the message. The defaults of the two enumerations are their first values, as in sonde-go.
func (m *v1HTTP) reset() {
	*m = v1HTTP{forwarded: m.forwarded[:0], peer: int32(events.PeerType_Client), method: int32(events.Method_GET)}
}

func (m *v1HTTP) complete() bool {
	return m.required == 1<<10-1 && m.request.required == 1<<2-1 && (!m.app.present || m.app.required == 1<<2-1)
}

func (m *v1HTTP) read(b []byte) bool {
	f := Fields{Message: b}
	for f.Next() {
		ok := true
		switch f.Tag {
		case httpStart:
			m.start = int64(f.Number)
		case httpStop:
			m.stop = int64(f.Number)
		case httpRequestID:
			ok = m.request.read(f.Bytes)
		case httpPeerType:
			m.peer = int32(f.Number)
		case httpMethod:
			m.method = int32(f.Number)
		case httpURI:
			m.uri = f.Bytes
		case httpRemoteAddress:
			m.remote = f.Bytes
		case httpUserAgent:
			m.userAgent = f.Bytes
		case httpStatusCode:
			m.status = int32(f.Number)
		case httpContentLength:
			m.length = int64(f.Number)
		case httpApp:
			ok = m.app.read(f.Bytes)
		case httpInstance:
			m.instance = int32(f.Number)
		case httpInstanceID:
			m.routingName = f.Bytes
		case httpForwarded:
			m.forwarded = append(m.forwarded, f.Bytes)
		default:
			continue
		}
		if !ok {
			return false
		}
		// The required fields are those numbered 1 to 10.
		if number := f.Tag >> 3; number <= 10 {
			m.required |= 1 << (number - 1)
		}
	}
	return !f.Bad
}

func (m *v1HTTP) convert(e *metric.Envelope, scratch *[]byte) {
	e.Kind, e.Name, e.Start, e.Stop = metric.KindTimer, nameHTTP, m.start, m.stop
	if m.app.low != 0 || m.app.high != 0 {
		e.SourceID = m.app.render(scratch)
	}
	e.InstanceID = appendInt(scratch, int64(m.instance))
	e.AddTag(keyRequestID, m.request.render(scratch))
	e.AddTag(keyPeerType, enumName(peerTypes, m.peer, scratch))
	e.AddTag(keyMethod, enumName(methods, m.method, scratch))
	e.AddTag(keyURI, m.uri)
	e.AddTag(keyRemoteAddress, m.remote)
	e.AddTag(keyUserAgent, m.userAgent)
	e.AddTag(keyStatusCode, appendInt(scratch, int64(m.status)))
	e.AddTag(keyContentLength, appendInt(scratch, m.length))
	e.AddTag(keyRoutingInstanceID, m.routingName)
	e.AddTag(keyForwarded, m.forwardedTag(scratch))
}

// forwardedTag joins the addresses with newlines.
func (m *v1HTTP) forwardedTag(scratch *[]byte) []byte {
	switch len(m.forwarded) {
	case 0:
		return nil
	case 1:
		return m.forwarded[0]
	}
	from := len(*scratch)
	for i, address := range m.forwarded {
		if i > 0 {
			*scratch = append(*scratch, '\n')
		}
		*scratch = append(*scratch, address...)
	}
	return (*scratch)[from:]
}

// v1Skipped tells which of the three required fields of a LogMessage or Error were there, one bit each. What they say
// is not read.
type v1Skipped uint8

// Tags of the required fields.
var (
	logRequired = [3]uint64{
		1<<3 | Bytes, 2<<3 | Varint,
		3<<3 | Varint,
	} // bytes message; MessageType message_type; int64 timestamp
	errorRequired = [3]uint64{1<<3 | Bytes, 2<<3 | Varint, 3<<3 | Bytes} // string source; int32 code; string message
)

func (m *v1Skipped) read(b []byte, required [3]uint64) bool {
	f := Fields{Message: b}
	for f.Next() {
		for i, tag := range required {
			if f.Tag == tag {
				*m |= 1 << i
			}
		}
	}
	return !f.Bad
}
