package wiretest

import (
	"bytes"
	"math"
	"testing"

	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"
)

// EventV1 is an envelope of a type, without its message.
func EventV1(eventType events.Envelope_EventType) *events.Envelope {
	return &events.Envelope{
		Origin: new("router__0"), EventType: eventType.Enum(), Timestamp: new(int64(1795342433316702720)),
		Deployment: new("cf"), Job: new("router"), Index: new("9b4c2f3e-8d0a-4e4f-9a63-0a7e3cf0c2f1"), Ip: new("10.0.0.5"),
	}
}

// ValueV1 is a value metric.
func ValueV1() *events.Envelope {
	e := EventV1(events.Envelope_ValueMetric)
	e.ValueMetric = &events.ValueMetric{
		Name: new("memoryStats.numBytesAllocated"), Value: new(1048576.0),
		Unit: new("count"),
	}
	return e
}

// CounterV1 is a counter event.
func CounterV1() *events.Envelope {
	e := EventV1(events.Envelope_CounterEvent)
	e.CounterEvent = &events.CounterEvent{
		Name: new("total_requests"), Delta: new(uint64(5)),
		Total: new(uint64(math.MaxUint64)),
	}
	return e
}

// ContainerV1 is a container metric.
func ContainerV1() *events.Envelope {
	e := EventV1(events.Envelope_ContainerMetric)
	e.ContainerMetric = &events.ContainerMetric{
		ApplicationId: new("8a5c1c33-0d4e-4f55-9a4b-6c7d8e9f0a1b"), InstanceIndex: new(int32(2)), CpuPercentage: new(12.5),
		MemoryBytes: new(uint64(1 << 40)), DiskBytes: new(uint64(2)), MemoryBytesQuota: new(uint64(3)),
		DiskBytesQuota: new(uint64(math.MaxUint64)),
	}
	return e
}

// HTTPV1 is an HttpStartStop.
func HTTPV1() *events.Envelope {
	e := EventV1(events.Envelope_HttpStartStop)
	e.HttpStartStop = &events.HttpStartStop{
		StartTimestamp: new(int64(1795342433316702720)), StopTimestamp: new(int64(1795342433417702720)),
		RequestId: &events.UUID{Low: new(uint64(0x0123456789abcdef)), High: new(uint64(0x00000000000000ff))},
		PeerType:  events.PeerType_Server.Enum(), Method: events.Method_POST.Enum(),
		Uri:           new("https://app.example.com/x?y=\n"),
		RemoteAddress: new("10.1.1.1:4321"), UserAgent: new("agent"), StatusCode: new(int32(404)),
		ContentLength: new(int64(-1)),
		ApplicationId: &events.UUID{Low: new(uint64(0xfedcba9876543210)), High: new(uint64(1))},
		InstanceIndex: new(int32(3)),
		InstanceId:    new("instance"), Forwarded: []string{"10.9.9.9", "10.8.8.8"},
	}
	return e
}

// EnvelopesV1 are samples of everything that components send; they seed the fuzzing.
func EnvelopesV1() []*events.Envelope {
	with := func(e *events.Envelope, change func(*events.Envelope)) *events.Envelope {
		change(e)
		return e
	}
	tags := map[string]string{
		"source_id": "the-source", "instance_id": "7", "origin": "not this", "job": "nor this",
		"a": "b", "": "",
	}
	bare := func(e *events.Envelope) { e.Deployment, e.Job, e.Index, e.Ip, e.Timestamp = nil, nil, nil, nil, nil }
	return []*events.Envelope{
		ValueV1(), CounterV1(), ContainerV1(), HTTPV1(),
		with(ValueV1(), func(e *events.Envelope) { e.Tags = tags }),
		with(CounterV1(), func(e *events.Envelope) { e.Tags = tags }),
		with(ContainerV1(), func(e *events.Envelope) { e.Tags = tags }),
		with(HTTPV1(), func(e *events.Envelope) { e.Tags = tags }),
		with(ValueV1(), func(e *events.Envelope) { bare(e); e.Tags = tags }),
		with(ValueV1(), func(e *events.Envelope) { bare(e); e.Job = new("") }),
		with(ValueV1(), func(e *events.Envelope) { e.ValueMetric.Value = new(math.NaN()) }),
		with(ValueV1(), func(e *events.Envelope) { e.ValueMetric.Name = new("a \xff/\x00") }),
		with(CounterV1(), func(e *events.Envelope) { e.CounterEvent.Total = nil }),
		with(ContainerV1(), func(e *events.Envelope) {
			e.ContainerMetric.MemoryBytesQuota, e.ContainerMetric.DiskBytesQuota = nil, nil
		}),
		with(ContainerV1(), func(e *events.Envelope) {
			e.ContainerMetric.ApplicationId, e.ContainerMetric.InstanceIndex = new(""), new(int32(-1))
		}),
		with(HTTPV1(), func(e *events.Envelope) {
			e.HttpStartStop.ApplicationId, e.HttpStartStop.InstanceIndex, e.HttpStartStop.InstanceId,
				e.HttpStartStop.Forwarded = nil, nil, nil, nil
		}),
		with(HTTPV1(), func(e *events.Envelope) {
			e.HttpStartStop.Forwarded, e.HttpStartStop.Method, e.HttpStartStop.PeerType = []string{"one"},
				events.Method(99).Enum(), events.PeerType(-2).Enum()
		}),
		with(HTTPV1(), func(e *events.Envelope) { e.HttpStartStop = nil }),
		with(ValueV1(), func(e *events.Envelope) { e.ValueMetric = nil }),
		with(CounterV1(), func(e *events.Envelope) { e.CounterEvent = nil }),
		with(ContainerV1(), func(e *events.Envelope) { e.ContainerMetric = nil }),
		with(ValueV1(), func(e *events.Envelope) { e.EventType = events.Envelope_CounterEvent.Enum() }),
		with(EventV1(events.Envelope_LogMessage), func(e *events.Envelope) {
			e.LogMessage = &events.LogMessage{
				Message: []byte("m"), MessageType: events.LogMessage_OUT.Enum(),
				Timestamp: new(int64(1)), AppId: new("app"),
			}
		}),
		with(EventV1(events.Envelope_Error), func(e *events.Envelope) {
			e.Error = &events.Error{Source: new("s"), Code: new(int32(1)), Message: new("m")}
		}),
		EventV1(events.Envelope_EventType(77)), EventV1(events.Envelope_EventType(-1)),
	}
}

// PartialV1 are envelopes that lack required fields.
func PartialV1() []*events.Envelope {
	var all []*events.Envelope
	lacking := func(e *events.Envelope, strip func(*events.Envelope)) {
		strip(e)
		all = append(all, e)
	}
	lacking(ValueV1(), func(e *events.Envelope) { e.Origin = nil })
	lacking(ValueV1(), func(e *events.Envelope) { e.EventType = nil })
	lacking(ValueV1(), func(e *events.Envelope) { e.ValueMetric.Name = nil })
	lacking(ValueV1(), func(e *events.Envelope) { e.ValueMetric.Value = nil })
	lacking(ValueV1(), func(e *events.Envelope) { e.ValueMetric.Unit = nil })
	lacking(CounterV1(), func(e *events.Envelope) { e.CounterEvent.Name = nil })
	lacking(CounterV1(), func(e *events.Envelope) { e.CounterEvent.Delta = nil })
	lacking(ContainerV1(), func(e *events.Envelope) { e.ContainerMetric.ApplicationId = nil })
	lacking(ContainerV1(), func(e *events.Envelope) { e.ContainerMetric.DiskBytes = nil })
	lacking(HTTPV1(), func(e *events.Envelope) { e.HttpStartStop.RequestId = nil })
	lacking(HTTPV1(), func(e *events.Envelope) { e.HttpStartStop.RequestId.High = nil })
	lacking(HTTPV1(), func(e *events.Envelope) { e.HttpStartStop.ApplicationId.Low = nil })
	lacking(HTTPV1(), func(e *events.Envelope) { e.HttpStartStop.ContentLength = nil })
	lacking(HTTPV1(), func(e *events.Envelope) { e.HttpStartStop.StartTimestamp = nil })
	lacking(EventV1(events.Envelope_LogMessage),
		func(e *events.Envelope) { e.LogMessage = &events.LogMessage{Message: []byte("m")} })
	lacking(EventV1(events.Envelope_Error), func(e *events.Envelope) { e.Error = &events.Error{Code: new(int32(1))} })
	lacking(ValueV1(), func(e *events.Envelope) { e.Error = &events.Error{} })
	return all
}

// MarshalV1 marshals an envelope, also one that lacks required fields.
func MarshalV1(tb testing.TB, e *events.Envelope) []byte {
	tb.Helper()
	b, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(e)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// OddV1 are envelopes that no encoder writes: parts that come twice, in another order, broken.
func OddV1(tb testing.TB) [][]byte {
	tb.Helper()
	var odd [][]byte
	all := append(EnvelopesV1(), PartialV1()...)
	for i, e := range all {
		next := MarshalV1(tb, all[(i+1)%len(all)])
		odd = append(odd, append(MarshalV1(tb, e), next...))
	}
	tail := MarshalV1(tb, &events.Envelope{Tags: map[string]string{"a": "b", "source_id": "s"}})
	twoHalves := append(MarshalV1(tb, &events.Envelope{ValueMetric: &events.ValueMetric{Name: new("n"), Unit: new("u")}}),
		MarshalV1(tb, &events.Envelope{ValueMetric: &events.ValueMetric{Value: new(1.0)}})...)
	odd = append(odd, append(bytes.Clone(tail), MarshalV1(tb, ValueV1())...),
		append(twoHalves, MarshalV1(tb, EventV1(events.Envelope_ValueMetric))...))
	return append(odd, nil, []byte("garbage"), []byte{0x0a, 0x7f}, bytes.Repeat([]byte{0xff}, 100))
}
