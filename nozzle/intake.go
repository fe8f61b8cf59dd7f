package nozzle

import (
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/filter"
	"loggregator_exporter/nozzle/watch"
	"loggregator_exporter/nozzle/wire"
)

// maxKeptPoints is how much one message may leave behind as memory that is kept for the next.
const maxKeptPoints = 4096

// Intake is the way of one goroutine from received bytes to its sink: it decodes, hands over and accounts. It holds all memory
// that this takes, so that the steady state allocates nothing. A panic of the sink is not caught.
type Intake struct {
	account *SourceLedger
	sink    Sink

	recorder Recorder     // or nil
	clock    *replayTime  // or nil
	pulse    *watch.Pulse // or nil; of the stream that it reads
	filter   *filter.Run  // or nil

	v1   wire.V1
	v2   wire.V2
	json wire.JSON
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
	if in.recorder != nil {
		in.recorder.RecordV2(in.account.name, batch, arrived)
	}
	now := arrived.UnixNano()
	whole := in.v2.Batch(batch, &in.env, func(ok bool) { in.next(ok, now) })
	return in.batchEnds(whole, now)
}

// JSON takes one batch as the RLP gateway sends it, {"batch":[...]}, received at the time given, and returns how many envelopes in it
// were malformed. It overwrites the text. The ledger is written when it returns.
//
// An envelope with a value of the wrong type counts as malformed and harms no other of the batch. Where the text is no JSON, what stood
// before is kept, and the rest, whose number cannot be known, counts as one malformed envelope.
func (in *Intake) JSON(batch []byte, arrived time.Time) int {
	if in.recorder != nil {
		in.recordJSON(batch, arrived)
	}
	now := arrived.UnixNano()
	whole := in.json.Batch(batch, &in.env, func(ok bool) { in.next(ok, now) })
	return in.batchEnds(whole, now)
}

func (in *Intake) next(ok bool, now int64) {
	in.received++
	in.take(ok, now)
}

// batchEnds writes the ledger and returns how many envelopes were malformed.
func (in *Intake) batchEnds(whole bool, now int64) int {
	if !whole {
		in.received++
		in.envelopes[malformed]++
	}
	n := int(in.envelopes[malformed])
	in.flush(now)
	return n
}

// recordJSON hands a batch to the recorder in the form that it takes. What stock protobuf cannot read is not recorded.
func (in *Intake) recordJSON(batch []byte, arrived time.Time) {
	var b loggregator_v2.EnvelopeBatch
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(batch, &b); err != nil {
		return
	}
	if wire, err := proto.Marshal(&b); err == nil {
		in.recorder.RecordV2(in.account.name, wire, arrived)
	}
}

// Unreadable counts one message of which nothing can be read.
func (in *Intake) Unreadable(arrived time.Time) { in.batchEnds(false, arrived.UnixNano()) }

// V2Envelope takes one loggregator.v2 Envelope that came outside of a batch, received at the time given, and says whether it was well
// formed. The ledger is written when it returns.
func (in *Intake) V2Envelope(envelope []byte, arrived time.Time) bool {
	now := arrived.UnixNano()
	if in.recorder != nil {
		in.recorder.RecordV2(in.account.name, wire.AppendBatch(nil, envelope), arrived)
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
			in.pulse.Note(e)
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
		if in.filter != nil && !in.filter.Pass(e, &in.samples) {
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
		in.pulse.Took(in.received-min(in.received, in.envelopes[malformed]), in.steady)
	}
	in.steady = 0
	if in.received > 0 {
		in.account.received.Add(in.received)
		if in.received > in.envelopes[malformed] {
			in.account.Heard(now)
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
	if cap(in.env.Points) > maxKeptPoints {
		in.env = metric.Envelope{}
	}
	in.v1.Trim()
	in.v2.Trim()
	in.json.Trim()
}
