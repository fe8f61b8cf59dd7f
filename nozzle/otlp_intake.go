package nozzle

import (
	"time"

	"loggregator_exporter/nozzle/wire"
)

// otlpRefused counts the points of a request that cannot be taken, by reason.
type otlpRefused [wire.NumRefusals]uint64

// otlpIntake is what an intake needs for a request. It is memory of the intake, so that a request allocates nothing.
type otlpIntake struct {
	wire.OTLP
	each    func(wire.Refusal) // takes one point
	arrived time.Time
	refused otlpRefused
}

// OTLP takes one ExportMetricsServiceRequest, received at the time given, and returns how many of its points were
// refused, each of which counts as a malformed envelope. ok is false where nothing of it can be read. The ledger is
// written when it returns.
func (in *Intake) OTLP(request []byte, arrived time.Time) (refused otlpRefused, ok bool) {
	now := in.begin(arrived)
	in.otlp.arrived, in.otlp.refused = arrived, otlpRefused{}
	if in.otlp.each == nil {
		in.otlp.each = in.otlpPoint
	}
	if ok = in.otlp.Request(request, &in.view, in.otlp.each); !ok {
		in.unreadable()
	}
	in.complain(in.end(now), len(request), arrived)
	return in.otlp.refused, ok
}

func (in *Intake) otlpPoint(r wire.Refusal) {
	if in.recorder != nil {
		in.recordView(r == wire.Taken, in.otlp.arrived)
	}
	if r != wire.Taken {
		in.otlp.refused[r]++
	}
	in.take(r == wire.Taken, in.otlp.arrived.UnixNano())
}

// IgnoredOTLP counts the records of a request of traces or logs, and reports whether it was well formed.
func (in *Intake) IgnoredOTLP(request []byte, arrived time.Time) (ok bool) {
	records, ok := wire.OTLPRecords(request)
	in.ignore(records, ok, arrived)
	return ok
}

// ignore counts envelopes that hold no metric, and one that is malformed unless ok is set.
func (in *Intake) ignore(envelopes int, ok bool, arrived time.Time) {
	now := in.begin(arrived)
	in.received += uint64(envelopes)
	in.envelopes[ignored] += uint64(envelopes)
	if in.recorder != nil && envelopes > 0 {
		in.recorder.LeaveOut(envelopes)
	}
	if !ok {
		in.unreadable()
	}
	in.end(now)
}
