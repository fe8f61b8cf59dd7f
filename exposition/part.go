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
	// maxMatchBytes bounds all selectors of a scrape together, since expressions take many times their length once
	// compiled.
	maxMatchBytes = 8 << 10
)

// part is the part of the page that a scrape asks for: families whose name is in families, or all of them if it is
// nil, and of those the series that one of the selectors matches, or all of them if there is none. A nil part is the
// whole page.
type part struct {
	families  map[string]struct{}
	selectors []*Selector
}

// parsePart reads the query of a scrape. It returns nil if the whole page is asked for. An error is the client's.
func parsePart(u *url.URL) (*part, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("the query of the address cannot be read: %w: percent-encode what follows ?", err)
	}
	names, matches := query[nameParameter], query[matchParameter]
	if len(names)+len(matches) == 0 {
		return nil, nil
	}
	p := &part{}
	if len(names) > 0 {
		p.families = make(map[string]struct{}, len(names))
	}
	for _, n := range names {
		p.families[n] = struct{}{}
	}
	size, weight := 0, 0
	for _, text := range matches {
		if size += len(text); size > maxMatchBytes {
			return nil, fmt.Errorf("%s: all selectors together are longer than %d bytes: scrape in several parts",
				matchParameter, maxMatchBytes)
		}
		selector, err := ParseSelector(text)
		if err == nil {
			err = selector.checkWhole()
		}
		if err == nil {
			if weight += selector.weight; weight > maxWeight {
				err = errTooHeavy
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", matchParameter, err)
		}
		p.selectors = append(p.selectors, selector)
	}
	return p, nil
}

// checkWhole rejects a selector that would choose some series of a histogram or summary and not others.
func (s *Selector) checkWhole() error {
	for _, m := range s.labels {
		if m.Label == "le" || m.Label == "quantile" {
			return errors.New("histograms and summaries are selected whole: leave out the matcher of " + m.Label)
		}
	}
	return nil
}

// family returns the selectors that may choose series of a family, appended to dst; all is true if one of them, or the
// lack of any, chooses all its series. It is not called for a nil part.
func (p *part) family(dst []*Selector, name string, t metric.Type) (selectors []*Selector, all bool) {
	if len(p.selectors) == 0 {
		return dst, true
	}
	series := seriesNames(name, t)
	for _, s := range p.selectors {
		if slices.ContainsFunc(series, s.MatchesName) {
			if len(s.labels) == 0 {
				return dst, true
			}
			dst = append(dst, s)
		}
	}
	return dst, false
}

// hasFamily reports whether one of a family's names is asked for.
func (p *part) hasFamily(names ...string) bool {
	return p.families == nil || slices.ContainsFunc(names, func(n string) bool {
		_, ok := p.families[n]
		return ok
	})
}

// seriesNames are the name of a family and those of the series that readers make of it.
func seriesNames(name string, t metric.Type) []string {
	all := []string{name}
	for i, suffix := range familySuffixes {
		if textSuffixes(t)&(1<<i) != 0 {
			all = append(all, name+suffix)
		}
	}
	return all
}

// ofOwn returns the part of the exporter's own metrics. What was gathered is not changed.
func (p *part) ofOwn(mfs []*dto.MetricFamily) []*dto.MetricFamily {
	if p == nil {
		return mfs
	}
	var out []*dto.MetricFamily
	for _, mf := range mfs {
		if !p.hasFamily(mf.GetName()) {
			continue
		}
		selectors, all := p.family(nil, mf.GetName(), metric.TypeOf(mf.GetType()))
		if all {
			out = append(out, mf)
			continue
		}
		partial := &dto.MetricFamily{Name: mf.Name, Help: mf.Help, Type: mf.Type, Unit: mf.Unit}
		for _, m := range mf.GetMetric() {
			pairs := make([]metric.Label, 0, len(m.GetLabel()))
			for _, l := range m.GetLabel() {
				pairs = append(pairs, metric.Label{Name: l.GetName(), Value: l.GetValue()})
			}
			if anyMatches(selectors, metric.RenderLabels(pairs)) {
				partial.Metric = append(partial.Metric, m)
			}
		}
		if len(partial.Metric) > 0 {
			out = append(out, partial)
		}
	}
	return out
}

func anyMatches(selectors []*Selector, ls metric.Labels) bool {
	return slices.ContainsFunc(selectors, func(s *Selector) bool { return s.matchesLabels(ls) })
}

// partReader reads the series of a family that belong to the part.
type partReader struct {
	Reader
	part *part
	stop func() error // called before every series: those left out never reach the page, and expressions take time

	selectors []*Selector // of the family
	all       bool
	matched   []store.Sample
}

// enter prepares the reader for a family. It returns false if none of its series can belong to the part.
func (r *partReader) enter(f *store.Family, n names) bool {
	if r.all = r.part == nil; r.all {
		return true
	}
	if !r.part.hasFamily(f.Name, n.sample, n.family) {
		return false
	}
	r.selectors, r.all = r.part.family(r.selectors[:0], n.sample, f.Type)
	return r.all || len(r.selectors) > 0
}

// Next returns the matching samples of the next chunk that has any.
func (r *partReader) Next() []store.Sample {
	if r.all {
		return r.Reader.Next()
	}
	r.matched = r.matched[:0]
	for len(r.matched) == 0 {
		samples := r.Reader.Next()
		if len(samples) == 0 {
			break
		}
		for i := range samples {
			if r.stop() != nil {
				return nil
			}
			if anyMatches(r.selectors, samples[i].Labels) {
				r.matched = append(r.matched, samples[i])
			}
		}
	}
	return r.matched
}
