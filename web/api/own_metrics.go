package api

import (
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// ownPrefix begins the names of the exporter's own metrics, beside those of its runtime.
const ownPrefix = "loggregator_exporter_"

const (
	maxOwnMetrics = 10
	maxOwnSeries  = 50
)

// OwnMetric is one of the exporter's own metrics.
type OwnMetric struct {
	Metric string `json:"metric"`
	Type   string `json:"type"`
	Help   string `json:"help"`
	// Series are the first 50 as they are now, SeriesCount is the number of all.
	Series      []OwnSeries `json:"series"`
	SeriesCount int         `json:"series_count"`
}

// OwnSeries is a series of an own metric.
type OwnSeries struct {
	Labels map[string]string `json:"labels"`
	// Value is as Prometheus' API writes it; of a histogram or summary the number of observations.
	Value string `json:"value"`
}

// ownMetrics returns the first of the own metrics whose names match.
func (a *API) ownMetrics(matches func(name string) bool) []OwnMetric {
	found := []OwnMetric{}
	if a.options.Own == nil {
		return found
	}
	families, _ := a.options.Own.Gather() // scrapes report what cannot be gathered
	for _, f := range families {
		if len(found) == maxOwnMetrics || !matches(f.GetName()) {
			continue
		}
		m := OwnMetric{
			Metric: f.GetName(), Type: strings.ToLower(f.GetType().String()), Help: f.GetHelp(), Series: []OwnSeries{},
			SeriesCount: len(f.GetMetric()),
		}
		for _, s := range f.GetMetric()[:min(len(f.GetMetric()), maxOwnSeries)] {
			m.Series = append(m.Series, ownSeries(s))
		}
		found = append(found, m)
	}
	return found
}

func ownSeries(s *dto.Metric) OwnSeries {
	out := OwnSeries{Labels: map[string]string{}}
	for _, l := range s.GetLabel() {
		out.Labels[l.GetName()] = l.GetValue()
	}
	switch {
	case s.GetHistogram() != nil:
		out.Value = strconv.FormatUint(s.GetHistogram().GetSampleCount(), 10)
	case s.GetSummary() != nil:
		out.Value = strconv.FormatUint(s.GetSummary().GetSampleCount(), 10)
	default:
		value := s.GetGauge().GetValue() + s.GetCounter().GetValue() + s.GetUntyped().GetValue() // one of them is there
		out.Value = strconv.FormatFloat(value, 'f', -1, 64)
	}
	return out
}

// ownOf returns the own metrics that have some names, or are histograms of which these are series, by those names.
func (a *API) ownOf(names []string) map[string]*OwnMetric {
	of := map[string]string{} // a wanted name, by the name of the metric
	for _, name := range slices.Backward(names) {
		of[name] = name
		for _, suffix := range [...]string{"_bucket", "_sum", "_count"} {
			if family, ok := strings.CutSuffix(name, suffix); ok {
				of[family] = name
			}
		}
	}
	found := map[string]*OwnMetric{}
	list := a.ownMetrics(func(name string) bool { return of[name] != "" })
	for i := range list {
		found[of[list[i].Metric]] = &list[i]
	}
	return found
}

// searchOwn returns the own metrics whose names have all words of a search.
func (a *API) searchOwn(search string) []OwnMetric {
	words := strings.Fields(strings.ToLower(search))
	if len(words) == 0 {
		return []OwnMetric{}
	}
	return a.ownMetrics(func(name string) bool {
		return strings.HasPrefix(name, ownPrefix) &&
			!slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(name, w) })
	})
}
