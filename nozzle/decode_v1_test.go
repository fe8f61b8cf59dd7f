package nozzle

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/conversion"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/metric"
)

// oracleV1 is what the agent and the public conversion make of an envelope, as a view. Before converting, the agent makes the origin the
// source id where there is none; where it fills in fields that were not sent, the exporter leaves them out.
func oracleV1(e *events.Envelope) plain {
	sent := map[string]bool{"deployment": e.Deployment != nil, "job": e.Job != nil, "index": e.Index != nil, "ip": e.Ip != nil}
	tags := map[string]string{}
	maps.Copy(tags, e.Tags)
	if e.Tags == nil {
		e.Tags = map[string]string{}
	}
	if _, ok := e.Tags["source_id"]; !ok {
		e.Tags["source_id"] = e.GetOrigin()
	}
	p := oracleV2(conversion.ToV2(e, true))
	for name, is := range sent {
		if !is {
			delete(p.Tags, name)
			if v, ok := tags[name]; ok {
				p.Tags[name] = v
			}
		}
	}
	return p
}

func compareV1(t *testing.T, d *V1, view *metric.Envelope, b []byte) {
	t.Helper()
	var stock events.Envelope
	err := proto.Unmarshal(b, &stock)
	ok := d.Decode(b, view)
	if ok != (err == nil) {
		t.Fatalf("accepted: %v, stock says: %v: %x", ok, err, b)
	}
	if !ok {
		return
	}
	got, want := plainOf(view), oracleV1(&stock)
	if view.TooManyTags {
		got.Tags, want.Tags = nil, nil
	}
	if got.Kind == metric.KindLog {
		// Of logs only the envelope is decoded.
		got.SourceID, got.InstanceID, want.SourceID, want.InstanceID = "", "", "", ""
		for _, tag := range []string{"source_type", "source", "code"} {
			delete(got.Tags, tag)
			delete(want.Tags, tag)
		}
	}
	requireEqual(t, fmt.Sprintf("envelope %x", b), got, want)
}

func eventV1(eventType events.Envelope_EventType) *events.Envelope {
	return &events.Envelope{
		Origin: new("router__0"), EventType: eventType.Enum(), Timestamp: new(int64(1795342433316702720)),
		Deployment: new("cf"), Job: new("router"), Index: new("9b4c2f3e-8d0a-4e4f-9a63-0a7e3cf0c2f1"), Ip: new("10.0.0.5"),
	}
}

func valueV1() *events.Envelope {
	e := eventV1(events.Envelope_ValueMetric)
	e.ValueMetric = &events.ValueMetric{Name: new("memoryStats.numBytesAllocated"), Value: new(1048576.0), Unit: new("count")}
	return e
}

func counterV1() *events.Envelope {
	e := eventV1(events.Envelope_CounterEvent)
	e.CounterEvent = &events.CounterEvent{Name: new("total_requests"), Delta: new(uint64(5)), Total: new(uint64(math.MaxUint64))}
	return e
}

func containerV1() *events.Envelope {
	e := eventV1(events.Envelope_ContainerMetric)
	e.ContainerMetric = &events.ContainerMetric{
		ApplicationId: new("8a5c1c33-0d4e-4f55-9a4b-6c7d8e9f0a1b"), InstanceIndex: new(int32(2)), CpuPercentage: new(12.5),
		MemoryBytes: new(uint64(1 << 40)), DiskBytes: new(uint64(2)), MemoryBytesQuota: new(uint64(3)), DiskBytesQuota: new(uint64(math.MaxUint64)),
	}
	return e
}

func httpV1() *events.Envelope {
	e := eventV1(events.Envelope_HttpStartStop)
	e.HttpStartStop = &events.HttpStartStop{
		StartTimestamp: new(int64(1795342433316702720)), StopTimestamp: new(int64(1795342433417702720)),
		RequestId: &events.UUID{Low: new(uint64(0x0123456789abcdef)), High: new(uint64(0x00000000000000ff))},
		PeerType:  events.PeerType_Server.Enum(), Method: events.Method_POST.Enum(), Uri: new("https://app.example.com/x?y=\n"),
		RemoteAddress: new("10.1.1.1:4321"), UserAgent: new("agent"), StatusCode: new(int32(404)), ContentLength: new(int64(-1)),
		ApplicationId: &events.UUID{Low: new(uint64(0xfedcba9876543210)), High: new(uint64(1))}, InstanceIndex: new(int32(3)),
		InstanceId: new("instance"), Forwarded: []string{"10.9.9.9", "10.8.8.8"},
	}
	return e
}

// envelopesV1 are samples of everything that components send; they seed the fuzzing.
func envelopesV1() []*events.Envelope {
	with := func(e *events.Envelope, change func(*events.Envelope)) *events.Envelope {
		change(e)
		return e
	}
	tags := map[string]string{"source_id": "the-source", "instance_id": "7", "origin": "not this", "job": "nor this", "a": "b", "": ""}
	bare := func(e *events.Envelope) { e.Deployment, e.Job, e.Index, e.Ip, e.Timestamp = nil, nil, nil, nil, nil }
	return []*events.Envelope{
		valueV1(), counterV1(), containerV1(), httpV1(),
		with(valueV1(), func(e *events.Envelope) { e.Tags = tags }),
		with(counterV1(), func(e *events.Envelope) { e.Tags = tags }),
		with(containerV1(), func(e *events.Envelope) { e.Tags = tags }),
		with(httpV1(), func(e *events.Envelope) { e.Tags = tags }),
		with(valueV1(), func(e *events.Envelope) { bare(e); e.Tags = tags }),
		with(valueV1(), func(e *events.Envelope) { bare(e); e.Job = new("") }),
		with(valueV1(), func(e *events.Envelope) { e.ValueMetric.Value = new(math.NaN()) }),
		with(valueV1(), func(e *events.Envelope) { e.ValueMetric.Name = new("a \xff/\x00") }),
		with(counterV1(), func(e *events.Envelope) { e.CounterEvent.Total = nil }),
		with(containerV1(), func(e *events.Envelope) {
			e.ContainerMetric.MemoryBytesQuota, e.ContainerMetric.DiskBytesQuota = nil, nil
		}),
		with(containerV1(), func(e *events.Envelope) {
			e.ContainerMetric.ApplicationId, e.ContainerMetric.InstanceIndex = new(""), new(int32(-1))
		}),
		with(httpV1(), func(e *events.Envelope) {
			e.HttpStartStop.ApplicationId, e.HttpStartStop.InstanceIndex, e.HttpStartStop.InstanceId, e.HttpStartStop.Forwarded = nil, nil, nil, nil
		}),
		with(httpV1(), func(e *events.Envelope) {
			e.HttpStartStop.Forwarded, e.HttpStartStop.Method, e.HttpStartStop.PeerType = []string{"one"}, events.Method(99).Enum(), events.PeerType(-2).Enum()
		}),
		with(httpV1(), func(e *events.Envelope) { e.HttpStartStop = nil }),
		with(valueV1(), func(e *events.Envelope) { e.ValueMetric = nil }),
		with(counterV1(), func(e *events.Envelope) { e.CounterEvent = nil }),
		with(containerV1(), func(e *events.Envelope) { e.ContainerMetric = nil }),
		with(valueV1(), func(e *events.Envelope) { e.EventType = events.Envelope_CounterEvent.Enum() }),
		with(eventV1(events.Envelope_LogMessage), func(e *events.Envelope) {
			e.LogMessage = &events.LogMessage{Message: []byte("m"), MessageType: events.LogMessage_OUT.Enum(), Timestamp: new(int64(1)), AppId: new("app")}
		}),
		with(eventV1(events.Envelope_Error), func(e *events.Envelope) {
			e.Error = &events.Error{Source: new("s"), Code: new(int32(1)), Message: new("m")}
		}),
		eventV1(events.Envelope_EventType(77)), eventV1(events.Envelope_EventType(-1)),
	}
}

// partialV1 are envelopes that lack required fields.
func partialV1() []*events.Envelope {
	var all []*events.Envelope
	lacking := func(e *events.Envelope, strip func(*events.Envelope)) {
		strip(e)
		all = append(all, e)
	}
	lacking(valueV1(), func(e *events.Envelope) { e.Origin = nil })
	lacking(valueV1(), func(e *events.Envelope) { e.EventType = nil })
	lacking(valueV1(), func(e *events.Envelope) { e.ValueMetric.Name = nil })
	lacking(valueV1(), func(e *events.Envelope) { e.ValueMetric.Value = nil })
	lacking(valueV1(), func(e *events.Envelope) { e.ValueMetric.Unit = nil })
	lacking(counterV1(), func(e *events.Envelope) { e.CounterEvent.Name = nil })
	lacking(counterV1(), func(e *events.Envelope) { e.CounterEvent.Delta = nil })
	lacking(containerV1(), func(e *events.Envelope) { e.ContainerMetric.ApplicationId = nil })
	lacking(containerV1(), func(e *events.Envelope) { e.ContainerMetric.DiskBytes = nil })
	lacking(httpV1(), func(e *events.Envelope) { e.HttpStartStop.RequestId = nil })
	lacking(httpV1(), func(e *events.Envelope) { e.HttpStartStop.RequestId.High = nil })
	lacking(httpV1(), func(e *events.Envelope) { e.HttpStartStop.ApplicationId.Low = nil })
	lacking(httpV1(), func(e *events.Envelope) { e.HttpStartStop.ContentLength = nil })
	lacking(httpV1(), func(e *events.Envelope) { e.HttpStartStop.StartTimestamp = nil })
	lacking(eventV1(events.Envelope_LogMessage), func(e *events.Envelope) { e.LogMessage = &events.LogMessage{Message: []byte("m")} })
	lacking(eventV1(events.Envelope_Error), func(e *events.Envelope) { e.Error = &events.Error{Code: new(int32(1))} })
	lacking(valueV1(), func(e *events.Envelope) { e.Error = &events.Error{} })
	return all
}

func marshalV1(tb testing.TB, e *events.Envelope) []byte {
	tb.Helper()
	b, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(e)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// oddV1 are envelopes that no encoder writes: parts that come twice, in another order, broken.
func oddV1(tb testing.TB) [][]byte {
	tb.Helper()
	var odd [][]byte
	all := append(envelopesV1(), partialV1()...)
	for i, e := range all {
		next := marshalV1(tb, all[(i+1)%len(all)])
		odd = append(odd, append(marshalV1(tb, e), next...))
	}
	tail := marshalV1(tb, &events.Envelope{Tags: map[string]string{"a": "b", "source_id": "s"}})
	twoHalves := append(marshalV1(tb, &events.Envelope{ValueMetric: &events.ValueMetric{Name: new("n"), Unit: new("u")}}),
		marshalV1(tb, &events.Envelope{ValueMetric: &events.ValueMetric{Value: new(1.0)}})...)
	odd = append(odd, append(bytes.Clone(tail), marshalV1(tb, valueV1())...), append(twoHalves, marshalV1(tb, eventV1(events.Envelope_ValueMetric))...))
	return append(odd, nil, []byte("garbage"), []byte{0x0a, 0x7f}, bytes.Repeat([]byte{0xff}, 100))
}

func TestV1(t *testing.T) {
	var d V1
	var view metric.Envelope
	for _, e := range append(envelopesV1(), partialV1()...) {
		b := marshalV1(t, e)
		compareV1(t, &d, &view, b)
		for cut := range b {
			compareV1(t, &d, &view, b[:cut])
		}
	}
	for _, b := range oddV1(t) {
		compareV1(t, &d, &view, b)
	}
}

// TestV1HTTP fixes the shape that was seen behind a real agent, ids included.
func TestV1HTTP(t *testing.T) {
	var d V1
	var view metric.Envelope
	if !d.Decode(marshalV1(t, httpV1()), &view) {
		t.Fatal("refused")
	}
	requireEqual(t, "view", plainOf(&view), plain{
		Kind: metric.KindTimer, Name: "http", Timestamp: 1795342433316702720, Start: 1795342433316702720, Stop: 1795342433417702720,
		SourceID: "10325476-98ba-dcfe-0100-000000000000", InstanceID: "3", Points: map[string]plainPoint{},
		Tags: map[string]string{
			"origin": "router__0", "deployment": "cf", "job": "router", "index": "9b4c2f3e-8d0a-4e4f-9a63-0a7e3cf0c2f1", "ip": "10.0.0.5", "__v1_type": "HttpStartStop",
			"request_id": "efcdab89-6745-2301-ff00-000000000000", "peer_type": "Server", "method": "POST", "uri": "https://app.example.com/x?y=\n",
			"remote_address": "10.1.1.1:4321", "user_agent": "agent", "status_code": "404", "content_length": "-1", "routing_instance_id": "instance",
			"forwarded": "10.9.9.9\n10.8.8.8",
		},
	})
}

func TestV1TooManyTags(t *testing.T) {
	e := valueV1()
	e.Tags = map[string]string{}
	for i := range 10_000 {
		e.Tags[fmt.Sprint(i)] = "v"
	}
	e.ValueMetric.Name = new(strings.Repeat("n", 100_000))
	var d V1
	var view metric.Envelope
	if !d.Decode(marshalV1(t, e), &view) || !view.TooManyTags || len(view.Tags) != metric.MaxTags || len(view.Points) != 1 {
		t.Fatalf("too many %v, %d tags, %d points", view.TooManyTags, len(view.Tags), len(view.Points))
	}
}

// FuzzV1 compares with sonde-go and the public conversion. One decoder serves two envelopes, so that nothing of the first may show in the second.
func FuzzV1(f *testing.F) {
	for _, e := range append(envelopesV1(), partialV1()...) {
		f.Add(marshalV1(f, httpV1()), marshalV1(f, e))
	}
	for _, b := range oddV1(f) {
		f.Add(marshalV1(f, containerV1()), b)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var d V1
		var view metric.Envelope
		compareV1(t, &d, &view, first)
		compareV1(t, &d, &view, second)
	})
}
