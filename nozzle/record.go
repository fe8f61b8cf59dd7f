package nozzle

import (
	"encoding/json"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/metric"
)

// recordJSON hands the envelopes of a batch to the recorder as protobuf. Envelopes that protojson cannot read are
// counted.
func (in *Intake) recordJSON(text []byte, arrived time.Time) {
	read := protojson.UnmarshalOptions{DiscardUnknown: true}
	var batch loggregator_v2.EnvelopeBatch
	if read.Unmarshal(text, &batch) != nil { // one envelope at a time, since one that is bad spoils the whole
		batch.Reset()
		var envelopes struct{ Batch []json.RawMessage }
		if json.Unmarshal(text, &envelopes) != nil {
			in.recorder.LeaveOut(1)
			return
		}
		for _, text := range envelopes.Batch {
			var e loggregator_v2.Envelope
			if read.Unmarshal(text, &e) == nil {
				batch.Batch = append(batch.Batch, &e)
			}
		}
		in.recorder.LeaveOut(len(envelopes.Batch) - len(batch.Batch))
		if len(batch.Batch) == 0 {
			return
		}
	}
	if bytes, err := proto.Marshal(&batch); err == nil {
		in.recorder.RecordV2(in.account.name, bytes, arrived)
	}
}

// recordView hands the envelope that was decoded last to the recorder, as Loggregator's v2, unless its message was
// malformed or has no such form. A log or event is recorded without what it says.
func (in *Intake) recordView(ok bool, arrived time.Time) {
	if ok && !in.view.TooManyTags { // which its replay would take without the others
		if e := v2Of(&in.view); e != nil {
			batch := &loggregator_v2.EnvelopeBatch{Batch: []*loggregator_v2.Envelope{e}}
			if bytes, err := proto.Marshal(batch); err == nil {
				in.recorder.RecordV2(in.account.name, bytes, arrived)
				return
			}
		}
	}
	in.recorder.LeaveOut(1)
}

// v2Of copies a view into an envelope of Loggregator's v2; nil where v2 has no message for its kind.
func v2Of(view *metric.Envelope) *loggregator_v2.Envelope {
	e := &loggregator_v2.Envelope{
		Timestamp: view.Timestamp, SourceId: string(view.SourceID), InstanceId: string(view.InstanceID),
		Tags: make(map[string]string, len(view.Tags)),
	}
	for _, t := range view.Tags {
		e.Tags[string(t.Key)] = string(t.Value)
	}
	switch view.Kind {
	case metric.KindGauge:
		points := make(map[string]*loggregator_v2.GaugeValue, len(view.Points))
		for _, p := range view.Points {
			points[string(p.Name)] = &loggregator_v2.GaugeValue{Unit: string(p.Unit), Value: p.Value}
		}
		e.Message = &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{Metrics: points}}
	case metric.KindCounter:
		if view.Fractional {
			return nil // its counters are whole numbers
		}
		e.Message = &loggregator_v2.Envelope_Counter{Counter: &loggregator_v2.Counter{
			Name: string(view.Name), Delta: view.Delta, Total: view.Total,
		}}
	case metric.KindTimer:
		e.Message = &loggregator_v2.Envelope_Timer{Timer: &loggregator_v2.Timer{
			Name: string(view.Name), Start: view.Start, Stop: view.Stop,
		}}
	case metric.KindLog:
		e.Message = &loggregator_v2.Envelope_Log{Log: &loggregator_v2.Log{}}
	case metric.KindEvent:
		e.Message = &loggregator_v2.Envelope_Event{Event: &loggregator_v2.Event{}}
	default:
		return nil
	}
	return e
}
