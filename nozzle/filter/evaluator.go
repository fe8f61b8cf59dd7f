package filter

import (
	"loggregator_exporter/metric"
)

// Evaluator applies filters to the envelopes of one goroutine.
type Evaluator struct {
	list   *List // nil if there are no filters
	kinds  uint8 // the kinds that are wanted at all, one bit a metric.Kind
	values [numFields][]byte
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

// Pass reports whether anything of an envelope is to be stored. It removes the refused points of a gauge, and counts
// them, unless all are refused. It allocates nothing.
func (v *Evaluator) Pass(e *metric.Envelope, tally *metric.Tally) bool {
	if v.kinds&(1<<e.Kind) == 0 {
		return false
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
		if filters[i].names == nil {
			return filters[i].keep
		}
		// From this filter on the names of the metrics decide.
		if e.Kind != metric.KindGauge {
			return v.keeps(filters[i:], e.Kind, e.Name)
		}
		return v.points(filters[i:], e, tally)
	}
	return true
}

// points removes the refused points and keeps the order of the others: of two points of one name the last one counts.
func (v *Evaluator) points(filters []compiledFilter, e *metric.Envelope, tally *metric.Tally) bool {
	kept := e.Points[:0]
	for _, p := range e.Points {
		if v.keeps(filters, e.Kind, p.Name) {
			kept = append(kept, p)
		}
	}
	if len(kept) == 0 {
		return false
	}
	tally[metric.Filtered] += uint64(len(e.Points) - len(kept))
	e.Points = kept
	return true
}

// keeps reports whether one metric is kept.
func (v *Evaluator) keeps(filters []compiledFilter, kind metric.Kind, name []byte) bool {
	for i := range filters {
		if (filters[i].names == nil || filters[i].names.match(name)) && v.applies(&filters[i], kind) {
			return filters[i].keep
		}
	}
	return true
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
