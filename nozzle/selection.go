package nozzle

import (
	"slices"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/metric"
)

// maxSelectors bounds how many selectors a stream is asked for, since Loggregator compares every envelope with them. Beyond it whole kinds
// are asked for and filtered here.
const maxSelectors = 200

// selection is what a foundation-wide stream is asked for: what the filters would refuse anyway need not travel. No two selectors of it
// let the same envelope through, since Loggregator would deliver that twice.
type selection struct {
	gauge, counter, timer bool
	// Only from these sources, where there are any. Counters are never asked for by source: the losses that Loggregator reports of
	// itself are among them, and a selector of their own would overlap.
	gaugeSources, timerSources []string
}

func (o StreamOptions) selection() selection {
	filter, err := NewFilter(o.Filters)
	if err != nil {
		filter = nil // Validate says so
	}
	var s selection
	for _, kind := range o.Selectors {
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
func (r *filterRule) sources() []string {
	for i := range r.envs {
		if m := &r.envs[i]; m.field == bySourceID && len(m.globs) == 0 {
			return m.exact
		}
	}
	return nil
}

// request is what the RLP is asked for. Where counters are not wanted, those of Loggregator's own losses still are.
func (o StreamOptions) request() *loggregator_v2.EgressBatchRequest {
	s := o.selection()
	r := &loggregator_v2.EgressBatchRequest{ShardId: o.ShardID, DeterministicName: o.DeterministicName, UsePreferredTags: true}
	add := func(sources []string, ask func() *loggregator_v2.Selector) {
		if len(sources) == 0 {
			sources = []string{""}
		}
		for _, source := range sources {
			selector := ask()
			selector.SourceId = source
			r.Selectors = append(r.Selectors, selector)
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
			counter.Name = droppedName
		}
		return &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Counter{Counter: counter}}
	})
	if s.timer {
		add(s.timerSources, func() *loggregator_v2.Selector {
			return &loggregator_v2.Selector{Message: &loggregator_v2.Selector_Timer{Timer: &loggregator_v2.TimerSelector{}}}
		})
	}
	return r
}

// gatewaySelectors are the parameters by which the RLP gateway is asked for the same. A source id would hold for all kinds there, losses
// included, so none is given.
func (o StreamOptions) gatewaySelectors() []string {
	s := o.selection()
	var q []string
	if s.gauge {
		q = append(q, "gauge")
	}
	if s.counter {
		q = append(q, "counter")
	} else {
		q = append(q, "counter.name="+droppedName)
	}
	if s.timer {
		q = append(q, "timer")
	}
	return q
}

// FilterBy makes everything that sources receive pass a filter, nil for none. Of the sources that are asked for kinds only what was asked for
// gets through: the firehose sends everything, and Loggregator's own losses are asked for in any case. It is called before any source runs.
func (l *Ledger) FilterBy(filter *Filter, selectors []string) {
	l.filter, l.selected = filter, 0
	for _, s := range selectors {
		if kind, ok := metric.ParseKind(s); ok {
			l.selected |= 1 << kind
		}
	}
}

// filterRun returns a filter for one goroutine of a source, or nil where nothing is refused.
func (s *SourceLedger) filterRun() *filterRun {
	selected := uint8(everyKind)
	switch s.name {
	case nameRLP, nameGateway, nameFirehose:
		if s.ledger.selected != 0 {
			selected = s.ledger.selected
		}
	}
	if s.ledger.filter == nil && selected == everyKind {
		return nil
	}
	return &filterRun{filter: s.ledger.filter, selected: selected}
}
