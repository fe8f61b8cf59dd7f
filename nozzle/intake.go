package nozzle

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"loggregator_exporter/metric"
)

// What one message may leave behind as memory that is kept for the next.
const (
	maxKeptPoints  = 4096
	maxKeptScratch = 64 << 10
)

// Intake is the way of one goroutine from received bytes to its sink: it decodes, hands over and accounts. It holds all memory
// that this takes, so that the steady state allocates nothing. A panic of the sink is not caught.
type Intake struct {
	account *SourceLedger
	sink    Sink

	recorder Recorder    // or nil
	clock    *replayTime // or nil
	pulse    *pulse      // or nil; of the stream that it reads
	filter   *filterRun  // or nil

	v1   V1
	v2   V2
	json JSON
	env  metric.Envelope

	// What happened since the last flush.
	received  uint64
	steady    uint64 // gauges and counters
	envelopes [numEnvelopeOutcomes]uint64
	samples   metric.Tally
}

// NewIntake returns an intake that accounts to a source's ledger. The sink is the intake's alone.
func NewIntake(account *SourceLedger, sink Sink) *Intake {
	return &Intake{account: account, sink: sink, recorder: account.ledger.recorder, filter: account.filterRun()}
}

// V1 takes one dropsonde envelope, received at the time given, and says whether it was well formed. The ledger is written when it returns.
func (in *Intake) V1(envelope []byte, arrived time.Time) bool {
	now := arrived.UnixNano()
	if in.recorder != nil {
		in.recorder.RecordV1(in.account.name, envelope, arrived)
	}
	in.received++
	ok := in.v1.Decode(envelope, &in.env)
	in.take(ok, now)
	in.flush(now)
	return ok
}

// V2 takes one loggregator.v2 EnvelopeBatch, received at the time given, and returns how many envelopes in it were malformed. The
// ledger is written when it returns.
//
// An envelope whose own bytes are broken counts as malformed and harms no other of the batch. Where the batch itself is broken, what
// stood before is kept, and the rest, whose number cannot be known, counts as one malformed envelope.
func (in *Intake) V2(batch []byte, arrived time.Time) int {
	now := arrived.UnixNano()
	if in.recorder != nil {
		in.recorder.RecordV2(in.account.name, batch, arrived)
	}
	before := in.envelopes[malformed]
	f := fields{message: batch}
	for f.next() {
		if f.key == 1<<3|wireBytes {
			in.received++
			in.take(in.v2.Decode(f.bytes, &in.env), now)
		}
	}
	if f.bad {
		in.received++
		in.envelopes[malformed]++
	}
	n := int(in.envelopes[malformed] - before)
	in.flush(now)
	return n
}

// V2Envelope takes one loggregator.v2 Envelope that came outside of a batch, received at the time given, and says whether it was well
// formed. The ledger is written when it returns.
func (in *Intake) V2Envelope(envelope []byte, arrived time.Time) bool {
	now := arrived.UnixNano()
	if in.recorder != nil {
		in.recorder.RecordV2(in.account.name, protowire.AppendBytes([]byte{1<<3 | byte(wireBytes)}, envelope), arrived)
	}
	in.received++
	ok := in.v2.Decode(envelope, &in.env)
	in.take(ok, now)
	in.flush(now)
	return ok
}

// take hands a decoded envelope over.
func (in *Intake) take(ok bool, now int64) {
	e := &in.env
	if e.Kind == metric.KindGauge || e.Kind == metric.KindCounter {
		in.steady++
		if in.pulse != nil && ok {
			in.pulse.names.add(e)
		}
	}
	switch {
	case !ok:
		in.envelopes[malformed]++
	case e.Samples() == 0:
		in.envelopes[ignored]++
	default:
		e.Arrived = now
		if in.clock != nil {
			in.clock.shift(e)
		}
		if e.Kind == metric.KindCounter {
			in.account.ledger.upstream.note(e)
		}
		if in.filter != nil && !in.filter.pass(e, &in.samples) {
			in.envelopes[filtered]++
			return
		}
		in.sink.Write(e, &in.samples)
		in.envelopes[converted]++
	}
}

// flush adds what happened to the ledger. Most entries are 0 at most times, and cost nothing then.
func (in *Intake) flush(now int64) {
	if in.pulse != nil {
		in.pulse.took(in.received-min(in.received, in.envelopes[malformed]), in.steady)
	}
	in.steady = 0
	if in.received > 0 {
		in.account.received.Add(in.received)
		if in.received > in.envelopes[malformed] {
			in.account.last.Store(now)
		}
		in.received = 0
	}
	for i, n := range in.envelopes {
		if n > 0 {
			in.account.envelopes[i].Add(n)
			in.envelopes[i] = 0
		}
	}
	for i, n := range in.samples {
		if n > 0 {
			in.account.samples[i].Add(n)
			in.samples[i] = 0
		}
	}
	if cap(in.env.Points) > maxKeptPoints || cap(in.v1.scratch) > maxKeptScratch || cap(in.v2.scratch) > maxKeptScratch || cap(in.json.scratch) > maxKeptScratch || cap(in.v1.http.forwarded) > maxKeptPoints {
		in.env, in.v1, in.v2, in.json = metric.Envelope{}, V1{}, V2{}, JSON{}
	}
}
