package nozzle

import (
	"time"

	"loggregator_exporter/nozzle/leftout"
	"loggregator_exporter/nozzle/wire"
)

// IgnoredOTLP counts the records of a request of traces or logs, and reports whether it was well formed.
func (in *Intake) IgnoredOTLP(request []byte, as leftout.Event, arrived time.Time) (ok bool) {
	records, ok := wire.OTLPRecords(request)
	in.ignore(records, as, arrived)
	if !ok {
		now := in.begin(arrived)
		in.unreadable(leftout.Malformed{Error: noOTLP, Message: request}, now)
		in.end(now)
	}
	return ok
}

const noOTLP = "a request that is no OTLP in protobuf"

// Unreadable counts one message of which nothing can be read, and why.
func (in *Intake) Unreadable(why string, arrived time.Time) {
	now := in.begin(arrived)
	in.unreadable(leftout.Malformed{Error: why}, now)
	in.end(now)
}

// ignore counts envelopes that hold no metric.
func (in *Intake) ignore(envelopes int, as leftout.Event, arrived time.Time) {
	now := in.begin(arrived)
	in.received += uint64(envelopes)
	in.envelopes[ignored] += uint64(envelopes)
	in.events[as] += uint64(envelopes)
	if in.recorder != nil && envelopes > 0 {
		in.recorder.LeaveOut(envelopes)
	}
	in.end(now)
}

// unreadable counts a part of a message that cannot be told into envelopes.
func (in *Intake) unreadable(m leftout.Malformed, now int64) {
	in.fault(m, now)
	in.received++
	in.envelopes[malformed]++
}

// fault notes what is wrong with an envelope, or with a part of a message.
func (in *Intake) fault(m leftout.Malformed, now int64) {
	m.Sender = in.from
	in.account.faults.Add(m, now)
}

// brokenV2 notes what is wrong with the envelope that the decoder of v2 could not read.
func (in *Intake) brokenV2(now int64) {
	in.fault(leftout.Malformed{Why: wire.WhyV2, Message: in.v2.Broken}, now)
}

// brokenJSON does so for an envelope of the gateway.
func (in *Intake) brokenJSON(now int64) {
	in.fault(leftout.Malformed{
		Error: "an envelope in JSON of which a field is none, or not of its type", Message: in.json.Broken,
	}, now)
}

// pointFaults say what is wrong with data points.
var pointFaults = func() (faults [wire.NumRefusals]string) {
	for r := range wire.Refusal(wire.NumRefusals) {
		faults[r] = "data point: " + r.String()
	}
	return faults
}()
