package nozzle

import (
	"log/slog"
	"time"

	"loggregator_exporter/internal/throttle"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/filter"
	"loggregator_exporter/nozzle/leftout"
	"loggregator_exporter/nozzle/watch"
	"loggregator_exporter/nozzle/wire"
)

// maxKeptPoints is how many points of a large envelope may stay allocated for the next one.
const maxKeptPoints = 4096

// Intake decodes the messages that one goroutine receives, hands their envelopes to its sink and accounts for them. It
// holds all memory that this takes, so that the steady state allocates nothing. A panic of the sink is not caught.
type Intake struct {
	account  *SourceLedger
	sink     Sink
	recorder Recorder          // or nil
	filter   *filter.Evaluator // nil keeps everything
	intakeOptions

	v1     wire.V1
	v2     wire.V2
	json   wire.JSON
	syslog wire.Syslog
	otlp   otlpIntake
	view   metric.Envelope

	// What happened since the last flush.
	received  uint64
	envelopes [numEnvelopeOutcomes]uint64
	samples   metric.Tally
	kinds     kindCounts
	events    leftout.EventCounts

	broken throttle.Throttle // messages with malformed envelopes
}

// intakeOptions are what sources need of an intake beyond decoding.
type intakeOptions struct {
	kinds  []string                 // the kinds that are stored; nil for all
	pulse  *watch.Pulse             // of the stream that is read; nil where there is no keeper
	retime func(e *metric.Envelope) // changes the timestamps; nil where they stay
	log    *slog.Logger             // for malformed envelopes; nil where the source logs them itself, or nobody does
	from   func() string            // where the message comes from; nil where only its envelopes say that
}

// otlpRefused counts the points of a request that cannot be taken, by reason.
type otlpRefused [wire.NumRefusals]uint64

// otlpIntake is what an intake needs for a request. It is memory of the intake, so that a request allocates nothing.
type otlpIntake struct {
	wire.OTLP
	each    func(wire.Refusal) // takes one point
	arrived time.Time
	refused otlpRefused
}

// NewIntake returns an intake that keeps everything and records nothing. The sink is the intake's alone.
func NewIntake(account *SourceLedger, sink Sink) *Intake {
	return &Intake{account: account, sink: sink}
}

// intake returns the intake of one goroutine of a source.
func (env *Env) intake(account *SourceLedger, o intakeOptions) *Intake {
	in := NewIntake(account, env.NewSink())
	in.recorder, in.filter, in.intakeOptions = env.Recorder, filter.NewEvaluator(env.filters, o.kinds), o
	return in
}

// V1 takes one dropsonde envelope, received at the time given, and reports whether it was well formed. The ledger is
// written when it returns.
func (in *Intake) V1(envelope []byte, arrived time.Time) bool {
	return in.V1Batch([][]byte{envelope}, arrived) == 0
}

// V1Batch takes dropsonde envelopes that came by one read, received at the time given, and returns how many of them
// were malformed. The ledger is written when it returns.
func (in *Intake) V1Batch(envelopes [][]byte, arrived time.Time) int {
	now, bytes := in.begin(arrived), 0
	for _, envelope := range envelopes {
		in.takeV1(envelope, now, arrived)
		bytes += len(envelope)
	}
	return in.complain(in.end(now), bytes, arrived)
}

// Datagram takes one dropsonde envelope, received at the time given, and reports whether it was well formed. Flush
// writes the ledger: many datagrams are read in a row.
func (in *Intake) Datagram(envelope []byte, arrived time.Time) bool {
	return in.takeV1(envelope, in.begin(arrived), arrived)
}

func (in *Intake) takeV1(envelope []byte, now int64, arrived time.Time) (ok bool) {
	if in.recorder != nil {
		in.recorder.RecordV1(in.account.name, envelope, arrived)
	}
	if ok = in.v1.Decode(envelope, &in.view); !ok {
		in.fault(leftout.Malformed{Why: wire.WhyV1, Message: envelope}, now)
	}
	in.take(ok, now)
	return ok
}

// V2 takes one loggregator.v2 EnvelopeBatch, received at the time given, and returns how many envelopes in it were
// malformed. The ledger is written when it returns.
//
// An envelope whose own bytes are broken counts as malformed and harms no other of the batch. Where the batch itself
// is broken, the envelopes before are kept, and the remainder, of unknown number, counts as one malformed envelope.
func (in *Intake) V2(batch []byte, arrived time.Time) int {
	if in.recorder != nil {
		in.recorder.RecordV2(in.account.name, batch, arrived)
	}
	now := in.begin(arrived)
	each := func(ok bool) {
		if !ok {
			in.brokenV2(now)
		}
		in.take(ok, now)
	}
	if !in.v2.Batch(batch, &in.view, each) {
		in.unreadable(leftout.Malformed{Error: "a batch that cannot be told into envelopes", Message: batch}, now)
	}
	return in.complain(in.end(now), len(batch), arrived)
}

// JSON takes one batch as the RLP gateway sends it, {"batch":[...]}, received at the time given, and returns how many
// envelopes in it were malformed, counted as for V2. It overwrites the text. The ledger is written when it returns.
func (in *Intake) JSON(batch []byte, arrived time.Time) int {
	if in.recorder != nil {
		in.recordJSON(batch, arrived)
	}
	now := in.begin(arrived)
	each := func(ok bool) {
		if !ok {
			in.brokenJSON(now)
		}
		in.take(ok, now)
	}
	if !in.json.Batch(batch, &in.view, each) {
		why := "a batch that is no JSON, or cannot be told into envelopes"
		in.unreadable(leftout.Malformed{Error: why, Message: batch}, now)
	}
	return in.complain(in.end(now), len(batch), arrived)
}

// V2Envelope takes one loggregator.v2 Envelope that came outside of a batch, received at the time given, and returns
// how many envelopes, 0 or 1, were malformed. The ledger is written when it returns.
func (in *Intake) V2Envelope(envelope []byte, arrived time.Time) int {
	if in.recorder != nil {
		in.recorder.RecordV2(in.account.name, wire.AppendBatch(nil, envelope), arrived)
	}
	now := in.begin(arrived)
	ok := in.v2.Decode(envelope, &in.view)
	if !ok {
		in.brokenV2(now)
	}
	in.take(ok, now)
	return in.complain(in.end(now), len(envelope), arrived)
}

// Syslog takes one message of a syslog agent, received at the time given, and reports whether it was well formed. It
// overwrites the message. Flush writes the ledger: many messages come by one read, and each is one envelope only.
func (in *Intake) Syslog(message []byte, arrived time.Time) bool {
	now := in.begin(arrived)
	ok := in.syslog.Decode(message, &in.view)
	if in.recorder != nil {
		in.recordView(ok, arrived)
	}
	if !ok {
		in.fault(leftout.Malformed{Error: wire.WhySyslog(&in.view), Message: message}, now)
	}
	in.take(ok, now)
	return ok
}

// Flush writes what Syslog and Datagram have counted to the ledger. The last of it was received at the time given.
func (in *Intake) Flush(arrived time.Time) { in.end(arrived.UnixNano()) }

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
		in.unreadable(leftout.Malformed{Error: noOTLP, Message: request}, now)
	}
	in.complain(in.end(now), len(request), arrived)
	return in.otlp.refused, ok
}

func (in *Intake) otlpPoint(r wire.Refusal) {
	if in.recorder != nil {
		in.recordView(r == wire.Taken, in.otlp.arrived)
	}
	now := in.otlp.arrived.UnixNano()
	if r != wire.Taken {
		in.otlp.refused[r]++
		fault := leftout.Malformed{Error: pointFaults[r]}
		if r != wire.Malformed {
			fault.Message = in.view.Name
		}
		in.fault(fault, now)
	}
	in.take(r == wire.Taken, now)
}

// begin tells the keeper that a message is being taken.
func (in *Intake) begin(arrived time.Time) (now int64) {
	if in.pulse != nil {
		in.pulse.Begin()
	}
	return arrived.UnixNano()
}

// take counts a decoded envelope, and hands it to the sink unless it is filtered, malformed or holds no metric.
func (in *Intake) take(ok bool, now int64) {
	in.received++
	e := &in.view
	if in.pulse != nil && ok && (e.Kind == metric.KindGauge || e.Kind == metric.KindCounter) {
		in.pulse.Note(e)
	}
	switch {
	case !ok:
		in.envelopes[malformed]++
	case e.Samples() == 0:
		as := leftout.EventOf(e)
		in.envelopes[ignored]++
		in.events[as]++
		in.account.events.Note(as, e, now)
	default:
		e.Arrived = now
		if in.retime != nil {
			in.retime(e)
		}
		if e.Kind == metric.KindCounter {
			in.account.ledger.upstream.note(e)
		}
		if in.filter != nil && !in.filter.Pass(e, &in.samples) {
			in.envelopes[filtered]++
			in.account.ledger.filtered.Add(e, in.filter.Refused(), true)
			return
		}
		if in.filter != nil && len(in.filter.Refused()) > 0 {
			in.account.ledger.filtered.Add(e, in.filter.Refused(), false)
		}
		duplicates := in.samples[metric.Duplicate]
		in.sink.Add(e, &in.samples)
		if e.Kind != metric.KindTimer || in.samples[metric.Duplicate] == duplicates {
			in.kinds.add(e) // the outcome of a duplicate timer is known at once
		}
		in.envelopes[converted]++
	}
}

// end adds what happened to the ledger and the pulse, and returns how many envelopes were malformed. Entries that are
// 0, as most are, cost no atomic operation.
func (in *Intake) end(now int64) int {
	in.sink.Flush(&in.samples)
	bad := in.envelopes[malformed]
	if in.pulse != nil {
		in.pulse.Took(in.received-bad, now)
	}
	if in.received > 0 {
		in.account.received.Add(in.received)
		if in.received > bad {
			in.account.Heard(now)
			if bad == 0 {
				in.account.clock.note(&in.view, now)
			}
		}
		in.received = 0
	}
	for i, n := range in.envelopes {
		if n == 0 {
			continue
		}
		if i == ignored {
			in.account.events.Flush(&in.events, now)
		}
		in.account.envelopes[i].Add(n)
		in.envelopes[i] = 0
	}
	for i, n := range in.samples {
		if n > 0 {
			in.account.samples[i].Add(n)
			in.samples[i] = 0
		}
	}
	in.account.ledger.kinds.flush(&in.kinds, now)
	if cap(in.view.Points) > maxKeptPoints {
		in.view = metric.Envelope{}
	}
	in.v1.Trim()
	in.v2.Trim()
	in.otlp.Trim()
	return int(bad)
}

// complain logs malformed envelopes, at most once a minute. It returns their number.
func (in *Intake) complain(bad, bytes int, arrived time.Time) int {
	if bad == 0 || in.log == nil {
		return bad
	}
	if messages, due := in.broken.Add(arrived); due {
		in.log.Warn("malformed envelopes", "malformed", bad, "bytes", bytes, "such_messages_since_last_report", messages)
	}
	return bad
}
