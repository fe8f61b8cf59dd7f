package nozzle

import (
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/metric"
)

// TestIntakeAllocatesNothing: the steady state costs no garbage, whatever the kind.
func TestIntakeAllocatesNothing(t *testing.T) {
	l, _ := newTestLedger(t)
	in := NewIntake(l.Source("udp"), &nullSink{})
	now := time.Unix(1795342433, 0)
	v2 := envelopesV2()
	for name, b := range map[string][]byte{
		"gauge": batchOf(t, v2[0]), "counter": batchOf(t, v2[1]), "timer": batchOf(t, v2[2]), "log": batchOf(t, v2[3]), "deprecated tags": batchOf(t, v2[10]),
	} {
		if n := testing.AllocsPerRun(1000, func() { in.V2(b, now) }); n != 0 {
			t.Errorf("v2 %s: %v allocations", name, n)
		}
	}
	for name, b := range map[string][]byte{
		"gauge": marshalV1(t, valueV1()), "counter": marshalV1(t, counterV1()), "container": marshalV1(t, containerV1()), "timer": marshalV1(t, httpV1()),
	} {
		if n := testing.AllocsPerRun(1000, func() { in.V1(b, now) }); n != 0 {
			t.Errorf("v1 %s: %v allocations", name, n)
		}
	}
}

// arrivalSink notes when its envelopes arrived.
type arrivalSink struct{ arrived []int64 }

func (s *arrivalSink) Write(e *metric.Envelope, _ *metric.Tally) {
	s.arrived = append(s.arrived, e.Arrived)
}

func TestIntakeSetsArrival(t *testing.T) {
	l, _ := newTestLedger(t)
	sink := &arrivalSink{}
	in := NewIntake(l.Source("udp"), sink)
	in.V1(marshalV1(t, valueV1()), time.Unix(1, 5))
	in.V2(batchOf(t, envelopesV2()[0], envelopesV2()[1]), time.Unix(2, 5))
	requireEqual(t, "arrivals", sink.arrived, []int64{1_000_000_005, 2_000_000_005, 2_000_000_005})
}

// TestIntakeForgetsHugeMessages: one envelope of a hundred thousand points must not hold its memory for ever.
func TestIntakeForgetsHugeMessages(t *testing.T) {
	l, _ := newTestLedger(t)
	in := NewIntake(l.Source("rlp"), &nullSink{})
	huge := gaugeV2()
	for i := range 100_000 {
		huge.Gauge.Metrics[string(rune(i+1000))] = &loggregator_v2.GaugeValue{}
	}
	in.V2(batchOf(t, &loggregator_v2.Envelope{Message: huge}), time.Unix(1, 0))
	if n := cap(in.env.Points); n > maxKeptPoints {
		t.Fatalf("%d points kept", n)
	}
}
