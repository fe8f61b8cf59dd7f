package foundation

import (
	"bytes"
	"slices"
	"testing"

	"code.cloudfoundry.org/go-loggregator/v10/conversion"
	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"
)

// Benchmarks divide by the number of series: it must be exact, and the same for both protocols.
func TestWorkload(t *testing.T) {
	const series = 2550
	w, err := NewWorkload(series, 1, testTime)
	if err != nil {
		t.Fatal(err)
	}
	batches, err := w.Batches()
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := w.Datagrams()
	if err != nil {
		t.Fatal(err)
	}
	if w.Series() != series || len(batches) != 26 || len(datagrams) != series {
		t.Fatalf("%d series, %d batches, %d datagrams", w.Series(), len(batches), len(datagrams))
	}
	seen := make(map[string]bool)
	counters, at := 0, 0
	for _, wire := range batches {
		var batch loggregator_v2.EnvelopeBatch
		if err := proto.Unmarshal(wire, &batch); err != nil {
			t.Fatal(err)
		}
		for _, e := range batch.GetBatch() {
			name := e.GetCounter().GetName()
			for metric := range e.GetGauge().GetMetrics() {
				name = metric
			}
			if e.GetCounter() != nil {
				counters++
			}
			if len(e.GetTags()) != 6 || e.GetTimestamp() != testTime.UnixNano() {
				t.Fatalf("envelope %v", e)
			}
			seen[name+"\x00"+canonical(e.GetTags())] = true

			var v1 events.Envelope
			if err := proto.Unmarshal(datagrams[at], &v1); err != nil {
				t.Fatal(err)
			}
			at++
			same := conversion.ToV2(&v1, true)
			delete(same.Tags, "__v1_type")
			same.SourceId, same.InstanceId = e.GetSourceId(), e.GetInstanceId()
			if same.GetCounter() != nil {
				same.GetCounter().Total = e.GetCounter().GetTotal()
			}
			if !proto.Equal(same, e) {
				t.Fatalf("by UDP %v\nby RLP %v", same, e)
			}
		}
	}
	if len(seen) != series || at != series {
		t.Errorf("%d different series of %d", len(seen), at)
	}
	if counters < series/10 || counters > series*6/10 {
		t.Errorf("%d of %d are counters", counters, series)
	}

	again, err := NewWorkload(series, 1, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := again.Batches(); err != nil || !slices.EqualFunc(batches, same, bytes.Equal) {
		t.Errorf("an equal workload has other batches (%v)", err)
	}
	if _, err := NewWorkload(0, 1, testTime); err == nil {
		t.Error("a workload without series")
	}
}
