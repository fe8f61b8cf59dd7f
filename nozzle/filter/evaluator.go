package filter

import (
	"loggregator_exporter/metric"
)

// Run applies a filter on one goroutine.
type Run struct {
	filter *Filter // or nil
	kinds  uint8   // the kinds that are wanted at all, one bit a metric.Kind
	values [numFields][]byte
}

// NewRun returns nil where nothing is refused: without a filter, and where all kinds are wanted, as with no kinds
// given.
func NewRun(f *Filter, kinds []string) *Run {
	wanted := uint8(0)
	for _, name := range kinds {
		if kind, ok := metric.ParseKind(name); ok {
			wanted |= 1 << kind
		}
	}
	if wanted == 0 {
		wanted = everyKind
	}
	if f == nil && wanted == everyKind {
		return nil
	}
	return &Run{filter: f, kinds: wanted}
}

// Pass reports whether anything of an envelope is to be stored. It removes the refused points of a gauge, and counts
// them, unless all are refused. It allocates nothing.
func (r *Run) Pass(e *metric.Envelope, tally *metric.Tally) bool {
	if r.kinds&(1<<e.Kind) == 0 {
		return false
	}
	if r.filter == nil {
		return true
	}
	r.readFields(e)
	rules := r.filter.rules
	for i := range rules {
		if !r.applies(&rules[i], e.Kind) {
			continue
		}
		if rules[i].names == nil {
			return rules[i].keep
		}
		// From this rule on the names of the metrics decide.
		if e.Kind != metric.KindGauge {
			return r.keeps(rules[i:], e.Kind, e.Name)
		}
		return r.points(rules[i:], e, tally)
	}
	return true
}

// points removes the refused points and keeps the order of the others: of two points of one name the last one counts.
func (r *Run) points(rules []rule, e *metric.Envelope, tally *metric.Tally) bool {
	kept := e.Points[:0]
	for _, p := range e.Points {
		if r.keeps(rules, e.Kind, p.Name) {
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
func (r *Run) keeps(rules []rule, kind metric.Kind, name []byte) bool {
	for i := range rules {
		if (rules[i].names == nil || rules[i].names.match(name)) && r.applies(&rules[i], kind) {
			return rules[i].keep
		}
	}
	return true
}

// applies reports whether a rule matches in all but the metric's name.
func (r *Run) applies(rule *rule, kind metric.Kind) bool {
	if rule.kinds&(1<<kind) == 0 {
		return false
	}
	for i := range rule.envs {
		if m := &rule.envs[i]; !m.match(r.values[m.field]) {
			return false
		}
	}
	return true
}

// readFields reads the fields that the rules look at. Of a tag that is there twice the last one counts.
func (r *Run) readFields(e *metric.Envelope) {
	r.values = [numFields][]byte{bySourceID: e.SourceID}
	if !r.filter.tags {
		return
	}
	for i := range e.Tags {
		t := &e.Tags[i]
		switch string(t.Key) {
		case "origin":
			r.values[byOrigin] = t.Value
		case "deployment":
			r.values[byDeployment] = t.Value
		case "app_id":
			r.values[byAppID] = t.Value
		case "app_name":
			r.values[byAppName] = t.Value
		case "organization_name":
			r.values[byOrg] = t.Value
		case "space_name":
			r.values[bySpace] = t.Value
		}
	}
	if len(r.values[byAppID]) == 0 && metric.IsGUID(e.SourceID) {
		r.values[byAppID] = e.SourceID
	}
}
