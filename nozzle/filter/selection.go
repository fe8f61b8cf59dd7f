package filter

import (
	"slices"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"

	"loggregator_exporter/metric"
)

// DroppedName is the counter in which Loggregator's components report what they lost.
const DroppedName = "dropped"

// maxSelectors bounds the selectors of a stream, since Loggregator compares every envelope with them. Beyond it whole
// kinds are asked for and filtered here.
const maxSelectors = 200

// Selection is what a stream is asked for, so that what the filters refuse need not be sent. No two selectors of it
// match the same envelope, since Loggregator would deliver that twice.
type Selection struct {
	gauge, counter, timer bool
	// The source ids to ask for; none means all. Counters are always asked for from all sources: the losses that
	// Loggregator reports are among them, and a selector for these would overlap.
	gaugeSources, timerSources []string
}

// NewSelection returns the selection of some kinds; a nil list keeps everything.
func NewSelection(kinds []string, list *List) Selection {
	var s Selection
	for _, kind := range kinds {
		switch kind {
		case "gauge":
			s.gauge, s.gaugeSources = list.wants(metric.KindGauge)
		case "counter":
			s.counter, _ = list.wants(metric.KindCounter)
		case "timer":
			s.timer, s.timerSources = list.wants(metric.KindTimer)
		}
	}
	if len(s.gaugeSources)+len(s.timerSources) > maxSelectors {
		s.gaugeSources, s.timerSources = nil, nil
	}
	return s
}

// wants reports whether anything of a kind may be kept, and the source ids that it must have; none means any.
func (l *List) wants(kind metric.Kind) (some bool, sources []string) {
	if l == nil {
		return true, nil
	}
	var only []string
	anySource := false
	for i := range l.filters {
		f := &l.filters[i]
		if f.kinds&(1<<kind) == 0 {
			continue
		}
		if !f.keep {
			if len(f.fields) > 0 || f.names != nil {
				continue
			}
			if anySource {
				return true, nil
			}
			slices.Sort(only)
			return len(only) > 0, slices.Compact(only)
		}
		exact := f.sources()
		anySource = anySource || exact == nil
		only = append(only, exact...)
	}
	return true, nil
}

// sources returns the source ids that the filter is limited to; none means that it is limited to none, or to
// patterns of them.
func (f *compiledFilter) sources() []string {
	for i := range f.fields {
		if m := &f.fields[i]; m.field == bySourceID && len(m.globs) == 0 {
			return m.exact
		}
	}
	return nil
}

// Selectors returns the selection for the RLP. Where counters are not wanted, those of Loggregator's own losses still
// are.
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

// Query returns the selection as parameters for the RLP gateway. A source id would hold for all kinds there, losses
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
