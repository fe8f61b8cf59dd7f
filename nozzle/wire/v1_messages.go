package wire

import (
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/cloudfoundry/sonde-go/events"

	"loggregator_exporter/metric"
)

// The words that a converted envelope holds beside those of the message; never written to.
var (
	keyOrigin, keyDeployment, keyJob, keyIndex, keyIP = []byte("origin"), []byte("deployment"), []byte("job"), []byte("index"), []byte("ip")

	keyV1Type = []byte("__v1_type")

	keyRequestID, keyPeerType, keyMethod, keyURI = []byte("request_id"), []byte("peer_type"), []byte("method"), []byte("uri")
	keyRemoteAddress, keyUserAgent               = []byte("remote_address"), []byte("user_agent")
	keyStatusCode, keyContentLength              = []byte("status_code"), []byte("content_length")
	keyRoutingInstanceID, keyForwarded           = []byte("routing_instance_id"), []byte("forwarded")

	nameHTTP                                                      = []byte("http")
	nameCPU, nameMemory, nameDisk, nameMemoryQuota, nameDiskQuota = []byte("cpu"), []byte("memory"), []byte("disk"), []byte("memory_quota"), []byte("disk_quota")
	unitPercentage, unitBytes                                     = []byte("percentage"), []byte("bytes")

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

type v1Value struct {
	name, unit []byte
	value      float64
	required   uint64 // one bit for each required field that was there, here and below
}

func (m *v1Value) read(b []byte) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Key {
		case 1<<3 | Bytes:
			m.name = f.Bytes
			m.required |= 1 << 0
		case 2<<3 | Fixed64:
			m.value = math.Float64frombits(f.Number)
			m.required |= 1 << 1
		case 3<<3 | Bytes:
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

type v1Counter struct {
	name         []byte
	delta, total uint64
	required     uint64
}

func (m *v1Counter) read(b []byte) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Key {
		case 1<<3 | Bytes:
			m.name = f.Bytes
			m.required |= 1 << 0
		case 2<<3 | Varint:
			m.delta = f.Number
			m.required |= 1 << 1
		case 3<<3 | Varint:
			m.total = f.Number
		}
	}
	return !f.Bad
}

func (m *v1Counter) convert(e *metric.Envelope) {
	e.Kind, e.Name, e.Delta, e.Total = metric.KindCounter, m.name, m.delta, m.total
}

type v1Container struct {
	app                                  []byte
	instance                             int32
	cpu                                  float64
	memory, disk, memoryQuota, diskQuota uint64
	required                             uint64
}

func (m *v1Container) read(b []byte) bool {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Key {
		case 1<<3 | Bytes:
			m.app = f.Bytes
			m.required |= 1 << 0
		case 2<<3 | Varint:
			m.instance = int32(f.Number)
			m.required |= 1 << 1
		case 3<<3 | Fixed64:
			m.cpu = math.Float64frombits(f.Number)
			m.required |= 1 << 2
		case 4<<3 | Varint:
			m.memory = f.Number
			m.required |= 1 << 3
		case 5<<3 | Varint:
			m.disk = f.Number
			m.required |= 1 << 4
		case 6<<3 | Varint:
			m.memoryQuota = f.Number
		case 7<<3 | Varint:
			m.diskQuota = f.Number
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
		metric.Point{Name: nameMemoryQuota, Unit: unitBytes, Value: float64(m.memoryQuota)},
		metric.Point{Name: nameDiskQuota, Unit: unitBytes, Value: float64(m.diskQuota)},
	)
}

type V1UUID struct {
	Low, High uint64
	present   bool
	required  uint64
}

func (u *V1UUID) read(b []byte) bool {
	u.present = true
	f := Fields{Message: b}
	for f.Next() {
		switch f.Key {
		case 1<<3 | Varint:
			u.Low = f.Number
			u.required |= 1 << 0
		case 2<<3 | Varint:
			u.High = f.Number
			u.required |= 1 << 1
		}
	}
	return !f.Bad
}

// render writes the id in its usual form. The two halves hold its bytes in little-endian order.
func (u *V1UUID) Render(scratch *[]byte) []byte {
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:8], u.Low)
	binary.LittleEndian.PutUint64(id[8:], u.High)
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

type v1HTTP struct {
	start, stop, length                 int64
	peer, method, status, instance      int32
	request, app                        V1UUID
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
		switch f.Key {
		case 1<<3 | Varint:
			m.start = int64(f.Number)
		case 2<<3 | Varint:
			m.stop = int64(f.Number)
		case 3<<3 | Bytes:
			ok = m.request.read(f.Bytes)
		case 4<<3 | Varint:
			m.peer = int32(f.Number)
		case 5<<3 | Varint:
			m.method = int32(f.Number)
		case 6<<3 | Bytes:
			m.uri = f.Bytes
		case 7<<3 | Bytes:
			m.remote = f.Bytes
		case 8<<3 | Bytes:
			m.userAgent = f.Bytes
		case 9<<3 | Varint:
			m.status = int32(f.Number)
		case 10<<3 | Varint:
			m.length = int64(f.Number)
		case 12<<3 | Bytes:
			ok = m.app.read(f.Bytes)
		case 13<<3 | Varint:
			m.instance = int32(f.Number)
		case 14<<3 | Bytes:
			m.routingName = f.Bytes
		case 15<<3 | Bytes:
			m.forwarded = append(m.forwarded, f.Bytes)
		default:
			continue
		}
		if !ok {
			return false
		}
		// The required fields are those numbered 1 to 10.
		if number := f.Key >> 3; number <= 10 {
			m.required |= 1 << (number - 1)
		}
	}
	return !f.Bad
}

func (m *v1HTTP) convert(e *metric.Envelope, scratch *[]byte) {
	e.Kind, e.Name, e.Start, e.Stop = metric.KindTimer, nameHTTP, m.start, m.stop
	if m.app.Low != 0 || m.app.High != 0 {
		e.SourceID = m.app.Render(scratch)
	}
	e.InstanceID = appendInt(scratch, int64(m.instance))
	e.AddTag(keyRequestID, m.request.Render(scratch))
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
