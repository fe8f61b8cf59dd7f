package nozzle

import (
	"time"

	"loggregator_exporter/nozzle/wire"
)

// otlpRefused counts the points of a request that cannot be taken, by reason.
type otlpRefused [wire.NumRefusals]uint64

// OTLP takes one ExportMetricsServiceRequest, received at the time given, and returns how many of its points were
// refused, each of which counts as a malformed envelope. ok is false where nothing of it can be read. The ledger is
// written when it returns.
func (in *Intake) OTLP(request []byte, arrived time.Time) (refused otlpRefused, ok bool) {
	now := in.begin(arrived)
	ok = in.otlp.Request(request, &in.view, func(r wire.Refusal) {
		if in.recorder != nil {
			in.recordView(r == wire.Taken, arrived)
		}
		if r != wire.Taken {
			refused[r]++
		}
		in.take(r == wire.Taken, now)
	})
	if !ok {
		in.unreadable()
	}
	in.complain(in.end(now), len(request), arrived)
	return refused, ok
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
