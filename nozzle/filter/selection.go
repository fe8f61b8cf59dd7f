package filter

import (
	"slices"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/metric"
)

// droppedName is the counter by which Loggregator's components tell what they lost.
const DroppedName = "dropped"

// maxSelectors bounds how many selectors a stream is asked for, since Loggregator compares every envelope with them. Beyond it whole kinds
// are asked for and filtered here.
const maxSelectors = 200

// selection is what a foundation-wide stream is asked for: what the filters would refuse anyway need not travel. No two selectors of it
// let the same envelope through, since Loggregator would deliver that twice.
type Selection struct {
	gauge, counter, timer bool
	// Only from these sources, where there are any. Counters are never asked for by source: the losses that Loggregator reports of
	// itself are among them, and a selector of their own would overlap.
	gaugeSources, timerSources []string
}

// newSelection makes the selection of some kinds; a nil filter keeps everything.
func NewSelection(kinds []string, filter *Filter) Selection {
	var s Selection
	for _, kind := range kinds {
		switch kind {
		case "gauge":
			s.gauge, s.gaugeSources = filter.wants(metric.KindGauge)
		case "counter":
			s.counter, _ = filter.wants(metric.KindCounter)
		case "timer":
			s.timer, s.timerSources = filter.wants(metric.KindTimer)
		}
	}
	if len(s.gaugeSources)+len(s.timerSources) > maxSelectors {
		s.gaugeSources, s.timerSources = nil, nil
	}
	return s
}

// wants says whether anything of a kind may be kept, and if so, whether only of certain sources.
func (f *Filter) wants(kind metric.Kind) (some bool, sources []string) {
	if f == nil {
		return true, nil
	}
	var only []string
	anySource := false
	for i := range f.rules {
		r := &f.rules[i]
		if r.kinds&(1<<kind) == 0 {
			continue
		}
		if !r.keep {
			if len(r.envs) > 0 || r.names != nil {
				continue
			}
			if anySource {
				return true, nil
			}
			slices.Sort(only)
			return len(only) > 0, slices.Compact(only)
		}
		exact := r.sources()
		anySource = anySource || exact == nil
		only = append(only, exact...)
	}
	return true, nil
}

// sources are the source ids that the rule names, if it names them all.
func (r *rule) sources() []string {
	for i := range r.envs {
		if m := &r.envs[i]; m.field == bySourceID && len(m.globs) == 0 {
			return m.exact
		}
	}
	return nil
}

// selectors are what the RLP is asked for. Where counters are not wanted, those of Loggregator's own losses still are.
func (s Selection) Selectors() (list []*loggregator_v2.Selector) {
	add := func(sources []string, ask func() *loggregator_v2.Selector) {
		if len(sources) == 0 {
			sources = []string{""}
		}
		for _, source := range sources {
			selector := ask()
			selector.SourceId = source
			list = append(list, selector)
		}
	}
	if s.gauge {
		add(s.gaugeSources, func() *loggregator_v2.Selector {
			return &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Gauge{Gauge: &loggregator_v2.GaugeSelector{}}}
		})
	}
	add(nil, func() *loggregator_v2.Selector {
		counter := &loggregator_v2.CounterSelector{}
		if !s.counter {
			counter.Name = DroppedName
		}
		return &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Counter{Counter: counter}}
	})
	if s.timer {
		add(s.timerSources, func() *loggregator_v2.Selector {
			return &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Timer{Timer: &loggregator_v2.TimerSelector{}}}
		})
	}
	return list
}

// query are the parameters by which the RLP gateway is asked for the same. A source id would hold for all kinds there, losses
// included, so none is given.
func (s Selection) Query() []string {
	var q []string
	if s.gauge {
		q = append(q, "gauge")
	}
	if s.counter {
		q = append(q, "counter")
	} else {
		q = append(q, "counter.name="+DroppedName)
	}
	if s.timer {
		q = append(q, "timer")
	}
	return q
}
