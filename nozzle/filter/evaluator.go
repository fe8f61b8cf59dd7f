package filter

import (
	"loggregator_exporter/metric"
)

// Evaluator applies filters to the envelopes of one goroutine.
type Evaluator struct {
	list   *List // nil if there are no filters
	kinds  uint8 // the kinds that are wanted at all, one bit a metric.Kind
	values [numFields][]byte

	refused []Refused
}

// NewEvaluator returns nil if nothing is refused: without filters, when all kinds are wanted or none is given.
func NewEvaluator(list *List, kinds []string) *Evaluator {
	wanted := uint8(0)
	for _, name := range kinds {
		if kind, ok := metric.ParseKind(name); ok {
			wanted |= 1 << kind
		}
	}
	if wanted == 0 {
		wanted = everyKind
	}
	wanted |= unselected
	if list == nil && wanted == everyKind {
		return nil
	}
	return &Evaluator{list: list, kinds: wanted}
}

// maxKeptRefused is how many entries stay allocated for the next envelope.
const maxKeptRefused = 4096

// Pass reports whether anything of an envelope is to be stored. It removes the refused points of a gauge, and counts
// them, unless all are refused. Refused lists what is not stored. It allocates nothing.
func (v *Evaluator) Pass(e *metric.Envelope, tally *metric.Tally) bool {
	if cap(v.refused) > maxKeptRefused {
		v.refused = nil
	}
	v.refused = v.refused[:0]
	if v.kinds&(1<<e.Kind) == 0 {
		return v.refuse(e, bySelectors)
	}
	if v.list == nil {
		return true
	}
	v.readFields(e)
	filters := v.list.filters
	for i := range filters {
		if !v.applies(&filters[i], e.Kind) {
			continue
		}
		if filters[i].names != nil { // from this filter on the names of the metrics decide
			if e.Kind == metric.KindGauge {
				return v.points(i, e, tally)
			}
			by, keep := v.decide(i, e.Kind, e.Name)
			return keep || v.refuse(e, by)
		}
		return filters[i].keep || v.refuse(e, i)
	}
	return true
}

// Refused returns what the last Pass has left out, in the order of the envelope. It is valid until the next one.
func (v *Evaluator) Refused() []Refused { return v.refused }

// refuse leaves out all of an envelope, and returns false.
func (v *Evaluator) refuse(e *metric.Envelope, by int) bool {
	if e.Kind != metric.KindGauge {
		v.refused = append(v.refused, Refused{e.Name, e.Unit, by})
		return false
	}
	for i := range e.Points {
		v.refused = append(v.refused, Refused{e.Points[i].Name, e.Points[i].Unit, by})
	}
	return false
}

// points removes the refused points and keeps the order of the others: of two points of one name the last one counts.
// The filters before the first one say nothing of them.
func (v *Evaluator) points(first int, e *metric.Envelope, tally *metric.Tally) bool {
	kept := e.Points[:0]
	for _, p := range e.Points {
		if by, keep := v.decide(first, e.Kind, p.Name); keep {
			kept = append(kept, p)
		} else {
			v.refused = append(v.refused, Refused{p.Name, p.Unit, by})
		}
	}
	if len(kept) == 0 {
		return false
	}
	tally[metric.Filtered] += uint64(len(v.refused))
	e.Points = kept
	return true
}

// decide reports whether one metric is kept, and which filter decides.
func (v *Evaluator) decide(first int, kind metric.Kind, name []byte) (by int, keep bool) {
	filters := v.list.filters
	for i := first; i < len(filters); i++ {
		if (filters[i].names == nil || filters[i].names.match(name)) && v.applies(&filters[i], kind) {
			return i, filters[i].keep
		}
	}
	return 0, true
}

// applies reports whether a filter matches in all but the metric's name.
func (v *Evaluator) applies(f *compiledFilter, kind metric.Kind) bool {
	if f.kinds&(1<<kind) == 0 {
		return false
	}
	for i := range f.fields {
		if m := &f.fields[i]; !m.match(v.values[m.field]) {
			return false
		}
	}
	return true
}

// readFields reads the fields that the filters look at. Of a tag that was sent twice the last one counts.
func (v *Evaluator) readFields(e *metric.Envelope) {
	v.values = [numFields][]byte{bySourceID: e.SourceID}
	if !v.list.readsTags {
		return
	}
	for i := range e.Tags {
		t := &e.Tags[i]
		switch string(t.Key) {
		case "origin":
			v.values[byOrigin] = t.Value
		case "deployment":
			v.values[byDeployment] = t.Value
		case "app_id":
			v.values[byAppID] = t.Value
		case "app_name":
			v.values[byAppName] = t.Value
		case "organization_name":
			v.values[byOrg] = t.Value
		case "space_name":
			v.values[bySpace] = t.Value
		}
	}
	if len(v.values[byAppID]) == 0 && metric.IsGUID(e.SourceID) {
		v.values[byAppID] = e.SourceID
	}
}
