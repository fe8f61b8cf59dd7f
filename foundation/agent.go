package foundation

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"code.cloudfoundry.org/go-loggregator/v10/conversion"
	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"github.com/cloudfoundry/sonde-go/events"
)

// agent is Loggregator's agent on a VM: it brings v1 envelopes into the shape of v2 and adds up the deltas of
// counters, up to a number of them.
type agent struct {
	// totals are keyed by name, source id and tags, but not by instance id: instances of one source share a total.
	totals   map[string]uint64
	limit    int  // of the totals; 0: as measured; negative: none
	keepIdle bool // see AgentOptions.KeepIdle

	burst []*loggregator_v2.Envelope // held back by bursts
}

func newAgent(o AgentOptions) agent { return agent{limit: o.Totals, keepIdle: o.KeepIdle} }

// convert returns the v2 shape of a v1 envelope whose tags are not nil. Its source id is the tag of that name, else
// the origin. The conversion copies all that it takes, so that the envelope can be changed and sent again.
func (a *agent) convert(e *events.Envelope) *loggregator_v2.Envelope {
	if _, ok := e.Tags["source_id"]; !ok {
		e.Tags["source_id"] = e.GetOrigin()
		defer delete(e.Tags, "source_id")
	}
	v2 := conversion.ToV2(e, true)
	a.total(v2)
	return v2
}

// total fills in the running total of a counter that has none. An envelope with neither delta nor total sets the
// running total to 0, as Loggregator's own idle counters do.
func (a *agent) total(e *loggregator_v2.Envelope) {
	counter := e.GetCounter()
	if counter == nil || counter.Total != 0 {
		return
	}
	if a.totals == nil {
		a.totals = make(map[string]uint64)
	}
	key := counter.Name + "\x00" + e.SourceId + "\x00" + canonical(e.Tags)
	if _, known := a.totals[key]; !known && a.limit >= 0 && len(a.totals) >= cmp.Or(a.limit, agentTotals) {
		clear(a.totals)
	}
	if counter.Delta == 0 && !a.keepIdle {
		a.totals[key] = 0
	}
	a.totals[key] += counter.Delta
	counter.Total = a.totals[key]
}

// canonical writes tags in sorted order, so that equal tags give equal strings. Neither keys nor values hold NUL here.
func canonical(tags map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		b.WriteString(key)
		b.WriteByte(0)
		b.WriteString(tags[key])
		b.WriteByte(0)
	}
	return b.String()
}
