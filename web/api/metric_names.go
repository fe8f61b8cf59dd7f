package api

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

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
	names := metricNames(text)
	ownMetrics := a.ownOf(names)
	for _, name := range names {
		if own := ownMetrics[name]; own != nil {
			p.State, p.Link, p.Own = "own", "/docs?page=metrics", own
			p.Sentence = "This is a metric of the exporter itself, not a name that a component sends: " + own.Help
			p.Remedy = "The documentation has all of them."
			return true
		}
		if leads := leadsTo(s, name); len(leads) > 0 {
			p.ofMetric(name, "This is the name of a metric, not one that a component sends.", leads)
			return true
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			family, ok := strings.CutSuffix(name, suffix)
			if leads := leadsTo(s, family); ok && len(leads) > 0 && a.hasParts(family) {
				p.ofMetric(family, fmt.Sprintf("This is a series of the histogram or summary %s, not a name that a component sends.", family), leads)
				return true
			}
		}
	}
	return false
}

// notExposed reports whether a text is about a metric that is not there: it is an expression, or begins as the names of
// metrics do, and nothing else is said of it.
func (p *Presence) notExposed(ctx context.Context, a *API, s *live.Snapshot, q *ExplainQuery) (bool, error) {
	if q.Origin+q.Kind+q.Unit+q.SourceID != "" || !a.isMetric(q.Name) {
		return false, nil
	}
	p.State, p.Link = "no_metric", "/names"
	p.Sentence = "No metric of this name is exposed, and no component sends a name like this."
	p.Remedy = "A metric is there from the first sample of a raw name that leads to it until metrics.expiration after the last: " +
		"search Names for a word of it."
	if strings.HasPrefix(q.Name, ownPrefix) {
		p.Link = "/docs?page=metrics"
		p.Sentence = "The exporter has no metric of this name now."
		p.Remedy = "Some of its metrics are there only where what they count is switched on, or has happened. The documentation has all of them."
	}
	var err error
	for _, name := range metricNames(q.Name) {
		if !strings.Contains(name, "_") {
			continue // a function, or a label
		}
		if p.NearNames, p.NearMetrics, err = near(ctx, s, name); err != nil || len(p.NearMetrics) > 0 {
			break
		}
	}
	p.NearNames = []string{}
	return true, err
}

// metricForm matches the name of a metric, and a selector or function of PromQL.
var metricForm = regexp.MustCompile(`(?s)^[A-Za-z_:][A-Za-z0-9_:]*(\s*[({[].*)?$`)

// isMetric reports whether a text has the form of a metric's name, or of an expression with one.
func (a *API) isMetric(text string) bool {
	form := metricForm.FindStringSubmatch(text)
	if form == nil {
		return false
	}
	e, err := a.explainer()
	return form[1] != "" || strings.HasPrefix(text, ownPrefix) ||
		err == nil && e.Options().Naming.Namespace != "" && strings.HasPrefix(text, e.Options().Naming.Namespace+"_")
}

// ofMetric fills in what is said of a metric.
func (p *Presence) ofMetric(name, sentence string, leads []string) {
	p.State, p.Link = "metric", "/names?"+url.Values{"metric": {name}}.Encode()
	p.Sentence = fmt.Sprintf("%s Raw names that lead to it: %s.", sentence, overview.Number(float64(len(leads))))
	p.Remedy = "Explain one of those."
	p.NearNames = leads[:min(len(leads), maxNear)]
}

// leadsTo lists the names that lead to a metric.
func leadsTo(s *live.Snapshot, name string) (names []string) {
	at := slices.Index(s.Texts, name)
	for i := range s.Names {
		n := &s.Names[i]
		if at >= 0 && slices.Contains(n.Metrics, uint32(at)) && (len(names) == 0 || names[len(names)-1] != n.Name) {
			names = append(names, n.Name)
		}
	}
	return names
}

// hasParts reports whether a metric is a histogram or summary.
func (a *API) hasParts(name string) bool {
	f, ok := a.options.Store.FamilyLabelSets(name, 1, func([]store.LabelSet) bool { return false })
	return ok && (f.Type == metric.TypeHistogram || f.Type == metric.TypeSummary)
}
