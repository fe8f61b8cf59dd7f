package exposition

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	dto "github.com/prometheus/client_model/go"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

const (
	nameParameter  = "name[]"
	matchParameter = "match[]"
	// maxMatchBytes bounds all selectors of a scrape together, as expressions take many times their length once compiled.
	maxMatchBytes = 8 << 10
)

// selection is what a partial scrape asks for: a family is written where names has it, and its series where one of the
// selectors matches. Nil stands for everything.
type selection struct {
	names     map[string]struct{}
	selectors []*Selector
}

// newSelection reads a scrape's query. It is nil where the whole page is asked for. An error is the client's.
func newSelection(u *url.URL) (*selection, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("the query of the address cannot be read: %w: percent-encode what follows ?", err)
	}
	names, matches := query[nameParameter], query[matchParameter]
	if len(names)+len(matches) == 0 {
		return nil, nil
	}
	s := &selection{}
	if len(names) > 0 {
		s.names = make(map[string]struct{}, len(names))
	}
	for _, n := range names {
		s.names[n] = struct{}{}
	}
	size, weight := 0, 0
	for _, text := range matches {
		if size += len(text); size > maxMatchBytes {
			return nil, fmt.Errorf("%s: all selectors together are longer than %d bytes: scrape in several parts", matchParameter, maxMatchBytes)
		}
		selector, err := ParseSelector(text)
		if err == nil {
			err = selector.check()
		}
		if err == nil {
			if weight += selector.weight; weight > maxWeight {
				err = errTooHeavy
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", matchParameter, err)
		}
		s.selectors = append(s.selectors, selector)
	}
	return s, nil
}

// check refuses what would choose some series of a histogram or summary, and not others.
func (s *Selector) check() error {
	for _, m := range s.labels {
		if m.label == "le" || m.label == "quantile" {
			return errors.New("histograms and summaries are selected whole: leave out the matcher of " + m.label)
		}
	}
	return nil
}

// live appends the selectors that may choose series of a family whose series have the names given. All says that one of
// them chooses all.
func (s *selection) live(dst []*Selector, names []string) (live []*Selector, all bool) {
	if len(s.selectors) == 0 {
		return dst, true
	}
	for _, selector := range s.selectors {
		if slices.ContainsFunc(names, selector.matchesName) {
			if len(selector.labels) == 0 {
				return dst, true
			}
			dst = append(dst, selector)
		}
	}
	return dst, false
}

func (s *selection) named(names ...string) bool {
	if s.names == nil {
		return true
	}
	return slices.ContainsFunc(names, func(n string) bool {
		_, ok := s.names[n]
		return ok
	})
}

// seriesNames are those of the series that a family is taken apart into, and its own.
func seriesNames(name string, t metric.Type) []string {
	switch t {
	case metric.TypeHistogram:
		return []string{name, name + "_bucket", name + "_sum", name + "_count"}
	case metric.TypeSummary:
		return []string{name, name + "_sum", name + "_count"}
	default:
		return []string{name}
	}
}

// own chooses among the exporter's own metrics. What was gathered is not changed.
func (s *selection) own(mfs []*dto.MetricFamily) []*dto.MetricFamily {
	var out []*dto.MetricFamily
	for _, mf := range mfs {
		if !s.named(mf.GetName()) {
			continue
		}
		live, all := s.live(nil, seriesNames(mf.GetName(), ownType(mf.GetType())))
		if all {
			out = append(out, mf)
			continue
		}
		part := &dto.MetricFamily{Name: mf.Name, Help: mf.Help, Type: mf.Type, Unit: mf.Unit}
		for _, m := range mf.GetMetric() {
			pairs := make([]metric.Label, 0, len(m.GetLabel()))
			for _, l := range m.GetLabel() {
				pairs = append(pairs, metric.Label{Name: l.GetName(), Value: l.GetValue()})
			}
			if chosen(live, metric.RenderLabels(pairs)) {
				part.Metric = append(part.Metric, m)
			}
		}
		if len(part.Metric) > 0 {
			out = append(out, part)
		}
	}
	return out
}

func chosen(selectors []*Selector, ls metric.Labels) bool {
	return slices.ContainsFunc(selectors, func(s *Selector) bool { return s.matchesLabels(ls) })
}

// selected reads what a selection leaves of a family.
type selected struct {
	Reader
	selection *selection
	stop      func() error // asked before every series, as what is left out never comes to the page, and expressions take time

	live []*Selector
	all  bool
	kept []store.Sample
}

// enter says whether anything of a family may be selected, and makes the reader ready for it.
func (s *selected) enter(f *store.Family, n names) bool {
	if !s.selection.named(f.Name, n.sample, n.family) {
		return false
	}
	if s.all = len(s.selection.selectors) == 0; s.all {
		return true
	}
	s.live, s.all = s.selection.live(s.live[:0], seriesNames(n.sample, f.Type))
	return s.all || len(s.live) > 0
}

// Next returns what is selected of the next chunks that hold any of it.
func (s *selected) Next() []store.Sample {
	if s.all {
		return s.Reader.Next()
	}
	s.kept = s.kept[:0]
	for len(s.kept) == 0 {
		samples := s.Reader.Next()
		if len(samples) == 0 {
			break
		}
		for i := range samples {
			if s.stop() != nil {
				return nil
			}
			if chosen(s.live, samples[i].Labels) {
				s.kept = append(s.kept, samples[i])
			}
		}
	}
	return s.kept
}
