package bench

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/foundation"
)

// workloadTags is how many tags every envelope of the workload has.
const workloadTags = 9

// workload is what the figures of docs/performance.md stand on: the series of a foundation of VMs, a hundred gauges
// and counters each, as the RLP sends them, in wire bytes of batches of one VM. An envelope has nine tags, a source
// id and an instance id; the names of real components add what they hold. Of n VMs (1,000 at 100,000 series) the
// values are:
//
//	tag, field     values  such as
//	deployment     n/10+1  cf-1e3f5a7b9c0d2e4f6a8b for seven VMs of ten, else service-instance_ and a GUID, shared by three
//	job            8       diego-cell
//	index          n       a GUID
//	ip             n       10.0.3.231
//	origin         5n      gorouter, rep, ...: of some 60 components those whose metrics the VM has
//	product        1       elastic-runtime
//	system_domain  1       sys.cf.example.com
//	az             3       z2
//	placement_tag  4       isolation-segment-3
//	source id      as origin
//	instance id    n       the index once more
//
// A series is exposed with 13 to 16 labels in about 460 bytes.
func workload(tb testing.TB, series int) [][]byte {
	tb.Helper()
	batches, err := taggedBatches(series)
	if err != nil {
		tb.Fatal(err)
	}
	return batches
}

// taggedBatches is workload for processes that are no test.
func taggedBatches(series int) ([][]byte, error) {
	return batchesOf(series, func(_, _ int, name string) string { return name })
}

// batchesOf is taggedBatches with other names, where rename returns some.
func batchesOf(series int, rename func(vm, envelope int, name string) string) ([][]byte, error) {
	w, err := foundation.NewWorkload(series, 1, time.Now())
	if err != nil {
		return nil, err
	}
	batches, err := w.Batches()
	if err != nil {
		return nil, err
	}
	for vm, wire := range batches {
		if batches[vm], err = tagVM(wire, vm, rename); err != nil {
			return nil, err
		}
	}
	return batches, nil
}

// tagVM gives the envelopes of a VM, which have six tags, the tags that are missing, and other names.
func tagVM(wire []byte, vm int, rename func(vm, envelope int, name string) string) ([]byte, error) {
	var batch loggregator_v2.EnvelopeBatch
	if err := proto.Unmarshal(wire, &batch); err != nil {
		return nil, err
	}
	for i, e := range batch.GetBatch() {
		if c := e.GetCounter(); c != nil {
			c.Name = rename(vm, i, c.GetName())
		}
		for name, value := range e.GetGauge().GetMetrics() {
			delete(e.GetGauge().GetMetrics(), name)
			e.GetGauge().GetMetrics()[rename(vm, i, name)] = value
		}
		e.Tags["deployment"] = deploymentOf(vm)
		e.Tags["system_domain"] = "sys.cf.example.com"
		e.Tags["az"] = "z" + strconv.Itoa(1+vm%3)
		e.Tags["placement_tag"] = "isolation-segment-" + strconv.Itoa(1+vm/8%4)
		if len(e.Tags) != workloadTags {
			return nil, fmt.Errorf("an envelope has %d tags", len(e.Tags))
		}
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(&batch)
}

// deploymentOf is cf for the first seven of ten VMs; of the others three have one service instance.
func deploymentOf(vm int) string {
	if vm%10 < 7 {
		return "cf-1e3f5a7b9c0d2e4f6a8b"
	}
	return fmt.Sprintf("service-instance_%08x-4d21-4b7e-9f05-%012x", uint32(vm/10)*2654435761, vm/10)
}
