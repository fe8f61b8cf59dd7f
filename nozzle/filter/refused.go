package filter

import "loggregator_exporter/metric"

// Refused is one metric that Evaluator.Pass has left out.
type Refused struct {
	Name, Unit []byte // as in the envelope
	By         int    // for Setting
}

// bySelectors is Refused.By of what nozzle.selectors leave out.
const bySelectors = -1

const selectorsKey = "nozzle.selectors"

// Setting returns the key of the setting that has left out a metric.
func Setting(by int) string {
	if by == bySelectors {
		return selectorsKey
	}
	return itemPath(filtersKey, by)
}

// RefusedBy returns the key of the setting that refuses an envelope of one metric, whose name is e.Name whatever its
// kind: nozzle.selectors, which list the kinds, or one of nozzle.filters. It returns "" if the metric is kept. A nil
// list has no filters.
func (l *List) RefusedBy(kinds []string, e *metric.Envelope) string {
	v := NewEvaluator(l, kinds)
	switch {
	case v == nil:
		return ""
	case v.kinds&(1<<e.Kind) == 0:
		return selectorsKey
	case l == nil:
		return ""
	}
	v.readFields(e)
	for i := range l.filters {
		f := &l.filters[i]
		if !v.applies(f, e.Kind) || f.names != nil && !f.names.match(e.Name) {
			continue
		}
		if f.keep {
			return ""
		}
		return Setting(i)
	}
	return ""
}
