package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/web/live"
)

// ownPrefix begins the names of the exporter's own metrics.
const ownPrefix = "loggregator_exporter_"

// maxWords is how many words of an expression are looked up: each costs a walk over all names.
const maxWords = 50

// metricNames returns what of a text may be the name of a metric: all of it or, if it is a selector or an expression, each
// of its first words.
func metricNames(text string) []string {
	if !strings.ContainsAny(text, "{([") {
		return []string{text}
	}
	words := strings.FieldsFunc(text, func(r rune) bool {
		return r != '_' && r != ':' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	return words[:min(len(words), maxWords)]
}

// metric reports whether a text is about a metric, not a name that a component sends.
func (p *Presence) metric(a *API, s *live.Snapshot, text string) bool {
	for _, name := range metricNames(text) {
		if strings.HasPrefix(name, ownPrefix) {
			p.State, p.Link = "own", "/docs?page=metrics"
			p.Sentence = "The exporter's own metrics have names that begin so: no component sends them."
			p.Remedy = "The documentation of the metrics says what each means."
			return true
		}
		if leads := leadsTo(s, name); leads > 0 {
			p.ofMetric(name, "This is the name of a metric, not one that a component sends.", leads)
			return true
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			family, ok := strings.CutSuffix(name, suffix)
			if leads := leadsTo(s, family); ok && leads > 0 && a.hasParts(family) {
				p.ofMetric(family, fmt.Sprintf("This is a series of the histogram or summary %s, not a name that a component sends.", family), leads)
				return true
			}
		}
	}
	return false
}

// ofMetric fills in what is said of a metric.
func (p *Presence) ofMetric(name, sentence string, leads int) {
	p.State, p.Link = "metric", "/names?"+url.Values{"metric": {name}}.Encode()
	p.Sentence = fmt.Sprintf("%s Raw names that lead to it: %d.", sentence, leads)
	p.Remedy = "Explain one of those."
}

// leadsTo counts the names that lead to a metric.
func leadsTo(s *live.Snapshot, name string) (n int) {
	at := slices.Index(s.Texts, name)
	for i := range s.Names {
		if at >= 0 && slices.Contains(s.Names[i].Metrics, uint32(at)) {
			n++
		}
	}
	return n
}

// hasParts reports whether a metric is a histogram or summary.
func (a *API) hasParts(name string) bool {
	f, ok := a.options.Store.FamilyLabelSets(name, 1, func([]store.LabelSet) bool { return false })
	return ok && (f.Type == metric.TypeHistogram || f.Type == metric.TypeSummary)
}
