package nozzle

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/internal/wiretest"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/capture"
)

// TestRecorderSeesWhatSourcesReceive: every way in is recorded as it came, and nothing is changed for the sink.
func TestRecorderSeesWhatSourcesReceive(t *testing.T) {
	l, _ := newTestLedger(t)
	var out bytes.Buffer
	w, err := capture.NewWriter(&out, capture.Options{Header: capture.Header{Start: captureStart}})
	if err != nil {
		t.Fatal(err)
	}
	sink := &nullSink{}
	env := testEnv(l, func() Sink { return sink }, slog.New(slog.DiscardHandler))
	env.Recorder = w
	datagram, batch, one := wiretest.MarshalV1(t, wiretest.ValueV1()), wiretest.BatchOf(t, wiretest.EnvelopesV2()[:3]...),
		wiretest.BatchOf(t, wiretest.EnvelopesV2()[0])
	env.intake(l.Source("udp"), intakeOptions{}).V1(datagram, captureStart.Add(time.Second))
	ingress := env.intake(l.Source("ingress"), intakeOptions{})
	ingress.V2(batch, captureStart.Add(2*time.Second))
	ingress.V2Envelope(one[3:], captureStart.Add(3*time.Second))
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, got, err := readCapture(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	wiretest.RequireEqual(t, "records", got, []capture.Record{
		{Offset: time.Second, Source: "udp", Format: capture.V1, Message: datagram},
		{Offset: 2 * time.Second, Source: "ingress", Format: capture.V2, Message: batch},
		{Offset: 3 * time.Second, Source: "ingress", Format: capture.V2, Message: one},
	})
	if sink.envelopes != 5 {
		t.Fatalf("%d envelopes", sink.envelopes)
	}
}

// TestIntakeAllocatesNothing: the steady state costs no garbage, whatever the kind.
func TestIntakeAllocatesNothing(t *testing.T) {
	l, _ := newTestLedger(t)
	in := NewIntake(l.Source("udp"), &nullSink{})
	now := time.Unix(1795342433, 0)
	v2 := wiretest.EnvelopesV2()
	for name, b := range map[string][]byte{
		"gauge": wiretest.BatchOf(t, v2[0]), "counter": wiretest.BatchOf(t, v2[1]), "timer": wiretest.BatchOf(t, v2[2]),
		"log": wiretest.BatchOf(t, v2[3]), "deprecated tags": wiretest.BatchOf(t, v2[10]),
	} {
		if n := testing.AllocsPerRun(1000, func() { in.V2(b, now) }); n != 0 {
			t.Errorf("v2 %s: %v allocations", name, n)
		}
	}
	for name, b := range map[string][]byte{
		"gauge": wiretest.MarshalV1(t, wiretest.ValueV1()), "counter": wiretest.MarshalV1(t, wiretest.CounterV1()),
		"container": wiretest.MarshalV1(t, wiretest.ContainerV1()), "timer": wiretest.MarshalV1(t, wiretest.HTTPV1()),
	} {
		if n := testing.AllocsPerRun(1000, func() { in.V1(b, now) }); n != 0 {
			t.Errorf("v1 %s: %v allocations", name, n)
		}
	}
}

// arrivalSink notes when its envelopes arrived.
type arrivalSink struct{ arrived []int64 }

func (s *arrivalSink) Add(e *metric.Envelope, _ *metric.Tally) {
	s.arrived = append(s.arrived, e.Arrived)
}

func (*arrivalSink) Flush(*metric.Tally) {}

func TestIntakeSetsArrival(t *testing.T) {
	l, _ := newTestLedger(t)
	sink := &arrivalSink{}
	in := NewIntake(l.Source("udp"), sink)
	in.V1(wiretest.MarshalV1(t, wiretest.ValueV1()), time.Unix(1, 5))
	in.V2(wiretest.BatchOf(t, wiretest.EnvelopesV2()[0], wiretest.EnvelopesV2()[1]), time.Unix(2, 5))
	wiretest.RequireEqual(t, "arrivals", sink.arrived, []int64{1_000_000_005, 2_000_000_005, 2_000_000_005})
}

// TestIntakeForgetsHugeMessages: one envelope of a hundred thousand points must not hold its memory for ever.
func TestIntakeForgetsHugeMessages(t *testing.T) {
	l, _ := newTestLedger(t)
	in := NewIntake(l.Source("rlp"), &nullSink{})
	huge := wiretest.GaugeV2()
	for i := range 100_000 {
		huge.Gauge.Metrics[string(rune(i+1000))] = &loggregator_v2.GaugeValue{}
	}
	in.V2(wiretest.BatchOf(t, &loggregator_v2.Envelope{Message: huge}), time.Unix(1, 0))
	if n := cap(in.view.Points); n > maxKeptPoints {
		t.Fatalf("%d points kept", n)
	}
}

func TestIntakeJSON(t *testing.T) {
	good := string(wiretest.JSONBatch(t, wiretest.EnvelopesJSON()[0]))
	one := strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(good, " ", ""), `{"batch":[`), `]}`)
	for _, c := range []struct {
		batch                         string
		converted, ignored, malformed uint64
	}{
		{good, 1, 0, 0},
		{`{"batch":[]}`, 0, 0, 0},
		{`{"batch":null}`, 0, 0, 0},
		{`{}`, 0, 0, 0},
		{`{"other":[1],"batch":[` + one + `,` + one + `]}`, 2, 0, 0},
		{`{"batch":[{},{"log":{"payload":"aGVsbG8="}},{"gauge":{}}]}`, 0, 3, 0},
		// A wrong value harms its envelope only.
		{`{"batch":[` + one + `,{"timestamp":"x"},` + one + `,{"tags":[1]},7,` + one + `]}`, 3, 0, 3},
		// A mistake of syntax ends the batch.
		{`{"batch":[` + one + `,{"timestamp":` + `,` + one + `]}`, 1, 0, 1},
		{`{"batch":[` + one + `,` + one[:len(one)-5], 1, 0, 1},
		{good + "x", 1, 0, 1},
		{`{"batch":7}`, 0, 0, 1},
		{`[]`, 0, 0, 1},
		{``, 0, 0, 1},
	} {
		l, _ := newTestLedger(t)
		account := l.Source("gateway")
		in := NewIntake(account, &nullSink{})
		at := time.Unix(7, 0)
		if n := in.JSON([]byte(c.batch), at); n != int(c.malformed) {
			t.Errorf("%.80s: returned %d", c.batch, n)
		}
		got := [4]uint64{
			account.received.Load(), account.envelopes[converted].Load(), account.envelopes[ignored].Load(),
			account.envelopes[malformed].Load(),
		}
		if want := [4]uint64{c.converted + c.ignored + c.malformed, c.converted, c.ignored, c.malformed}; got != want {
			t.Errorf("%.80s: received, converted, ignored, malformed: %v, want %v", c.batch, got, want)
		}
		if last := account.LastHeard(); (last == at.UnixNano()) != (c.converted+c.ignored > 0) {
			t.Errorf("%.80s: last envelope at %d", c.batch, last)
		}
	}
}

func TestJSONAllocations(t *testing.T) {
	l, _ := newTestLedger(t)
	in := NewIntake(l.Source("gateway"), &nullSink{})
	original := wiretest.JSONBatch(t, wiretest.EnvelopesJSON()...)
	batch := make([]byte, len(original))
	allocs := testing.AllocsPerRun(1000, func() {
		copy(batch, original)
		if n := in.JSON(batch, time.Unix(1, 0)); n != 0 {
			t.Fatalf("%d malformed", n)
		}
	})
	if allocs != 0 {
		t.Fatalf("%v allocations a batch", allocs)
	}
}

// recordedBatches keeps what sources hand to a recorder.
type recordedBatches struct {
	batches []*loggregator_v2.EnvelopeBatch
	leftOut int
}

func (r *recordedBatches) LeaveOut(envelopes int) { r.leftOut += envelopes }

func (r *recordedBatches) RecordV1(string, []byte, time.Time) {}

func (r *recordedBatches) RecordV2(source string, batch []byte, _ time.Time) {
	var b loggregator_v2.EnvelopeBatch
	if err := proto.Unmarshal(batch, &b); err != nil || source != nameGateway {
		panic(err)
	}
	r.batches = append(r.batches, &b)
}

// TestIntakeJSONIsRecorded: as the batch that it stands for, although decoding overwrites the text.
func TestIntakeJSONIsRecorded(t *testing.T) {
	l, _ := newTestLedger(t)
	recorder := &recordedBatches{}
	sink := &nullSink{}
	env := testEnv(l, func() Sink { return sink }, slog.New(slog.DiscardHandler))
	env.Recorder = recorder
	in := env.intake(l.Source(nameGateway), intakeOptions{})
	sent := &loggregator_v2.Envelope{SourceId: "a\"b\n", Message: wiretest.GaugeV2("m")}
	if n := in.JSON(wiretest.JSONBatch(t, sent), time.Unix(1, 0)); n != 0 || sink.envelopes != 1 {
		t.Fatal(n, sink.envelopes)
	}
	in.JSON([]byte("{"), time.Unix(1, 0))
	if len(recorder.batches) != 1 || len(recorder.batches[0].GetBatch()) != 1 ||
		!proto.Equal(recorder.batches[0].GetBatch()[0], sent) {
		t.Errorf("%v", recorder.batches)
	}
	if recorder.leftOut != 1 {
		t.Errorf("%d left out, want the one that is no JSON", recorder.leftOut)
	}
}

// TestIntakeRecordsAroundBadJSON: an envelope that cannot be read costs itself, not its batch, and is counted.
func TestIntakeRecordsAroundBadJSON(t *testing.T) {
	l, _ := newTestLedger(t)
	recorder := &recordedBatches{}
	env := testEnv(l, func() Sink { return &nullSink{} }, slog.New(slog.DiscardHandler))
	env.Recorder = recorder
	in := env.intake(l.Source(nameGateway), intakeOptions{})
	in.JSON([]byte(`{"batch":[{"source_id":"a"},{"source_id":7},{"source_id":"b"},"c"]}`), time.Unix(1, 0))
	in.JSON([]byte(`{"batch":[{"timestamp":"late"}]}`), time.Unix(2, 0))
	want := &loggregator_v2.EnvelopeBatch{Batch: []*loggregator_v2.Envelope{{SourceId: "a"}, {SourceId: "b"}}}
	if len(recorder.batches) != 1 || !proto.Equal(recorder.batches[0], want) {
		t.Errorf("recorded %v, want only %v", recorder.batches, want)
	}
	if recorder.leftOut != 3 {
		t.Errorf("%d left out, want 3", recorder.leftOut)
	}
}
