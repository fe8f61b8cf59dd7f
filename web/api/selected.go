package api

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"loggregator_exporter/exposition"
	"loggregator_exporter/internal/suggest"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

const (
	// maxMatched bounds the series of a metric that are looked at: each takes about a microsecond.
	maxMatched = 100_000
	// maxSelected is how many series that match are shown, maxValues how many values of a label of those that do not.
	maxSelected = 20
	maxValues   = 5
	maxLabels   = 100 // of the metric, that are known by name
)

// Selected says which series of a metric a selector of PromQL chooses.
type Selected struct {
	// Selector is that of the query.
	Selector string `json:"selector"`
	// Series is how many series were looked at, the first 100,000 of the metric, and Matching how many of them match.
	Series   int `json:"series"`
	Matching int `json:"matching"`
	// Labels are those of the first 20 series that match.
	Labels []map[string]string `json:"labels"`
	// Matchers are those of labels, each by itself.
	Matchers []Matched `json:"matchers"`
	// Withheld are the first 20 names of which a series would match, but is dropped, filtered or refused.
	Withheld []Withheld `json:"withheld"`
}

// Matched says of a label matcher which series match it by itself.
type Matched struct {
	Matcher string `json:"matcher"`
	// Ignored says why it is not looked at; empty if it is.
	Ignored string `json:"ignored,omitempty"`
	// Matching is how many series match, Labelled how many have the label, and Values are the first 5 values of it.
	Matching int      `json:"matching"`
	Labelled int      `json:"labelled"`
	Values   []string `json:"values"`
	// Meant is a label of the metric with a similar name, where no series has the one of the matcher.
	Meant string `json:"meant,omitempty"`
}

// selection looks at the series of a metric with a selector.
type selection struct {
	*Selected

	matchers []exposition.Matcher
	labels   []string // of the metric, of the first series
}

// variable matches what stands for a variable of a dashboard.
var variable = regexp.MustCompile(`\$\{?[A-Za-z_]|\[\[`)

// ignored says why a matcher cannot be looked at here, or "".
func ignored(m *exposition.Matcher, t metric.Type, has func(label string) bool) string {
	switch {
	case has(m.Label):
	case m.Label == "job" || m.Label == "instance":
		return "Prometheus sets it when it scrapes"
	case m.Label == "le" && t == metric.TypeHistogram || m.Label == "quantile" && t == metric.TypeSummary:
		return "histograms and summaries are looked at whole"
	}
	if variable.MatchString(m.Value) {
		return "it names a variable of a dashboard: put a value in its place"
	}
	return ""
}

// selecting is a selector, the metric whose series it chooses, and the names that lead to that.
type selecting struct {
	text, family string
	leads        []lead
}

// selectSeries fills in which series of a metric a selector chooses.
func (p *Presence) selectSeries(ctx context.Context, a *API, in *live.Snapshot, q selecting) {
	of, err := exposition.ParseSelector(q.text)
	switch {
	case err != nil && strings.Contains(q.text, "{"):
		p.Sentence += " Its label matchers are not looked at: these are the names of all its series. " + err.Error() + "."
		fallthrough
	case err != nil || len(of.Matchers()) == 0:
		return
	}
	s := selection{
		Selected: &Selected{Selector: q.text, Labels: []map[string]string{}, Matchers: []Matched{}, Withheld: []Withheld{}},
		matchers: of.Matchers(),
	}
	s.withheldOf(ctx, a, in, q.family, q.leads)
	if s.exposed(ctx, a, q.family); s.Series == 0 {
		if len(s.Withheld) == 0 {
			p.Sentence += " None of them would match the label matchers of the selector."
			p.onlyFirst(q.leads)
			return
		}
		p.Selected = s.Selected
		p.lead(s.Selected)
		return
	}
	p.Selected = s.Selected
	p.Sentence += " " + s.sentence()
	if s.Matching == 0 && s.Series < maxMatched && len(s.Withheld) == 0 { // else one of the others may match
		p.State, p.Link = "no_match", "/cardinality?"+url.Values{"metric": {q.family}}.Encode()
		p.Remedy = "A panel or alert that asks for it gets nothing: correct the selector, by the labels that the metric has."
		p.onlyFirst(q.leads)
	}
	p.lead(s.Selected)
}

// exposed looks at the series that a metric has.
func (s *selection) exposed(ctx context.Context, a *API, family string) {
	has := func(label string) bool { return slices.Contains(s.labels, label) }
	size, ok := a.options.Store.FamilyLabelSets(family, 1, func(first []store.LabelSet) bool {
		for i := range first {
			for label := range first[i].Labels.All() {
				if len(s.labels) < maxLabels && !has(label) {
					s.labels = append(s.labels, strings.Clone(label))
				}
			}
		}
		return false
	})
	if !ok || size.Series == 0 {
		return
	}
	for i := range s.matchers {
		m := &s.matchers[i]
		s.Matchers = append(s.Matchers, Matched{Matcher: m.String(), Ignored: ignored(m, size.Type, has), Values: []string{}})
	}
	a.options.Store.FamilyLabelSets(family, 1, func(chunk []store.LabelSet) bool {
		for i := range chunk {
			if s.Series == maxMatched || ctx.Err() != nil {
				return false
			}
			s.look(chunk[i].Labels)
		}
		return true
	})
	for i := range s.Matchers {
		if m := &s.Matchers[i]; m.Ignored == "" && m.Labelled == 0 {
			m.Meant = suggest.Nearest(s.matchers[i].Label, s.labels)
		}
	}
}

// look matches one series.
func (s *selection) look(labels metric.Labels) {
	s.Series++
	matches := true
	for i := range s.matchers {
		m, of := &s.matchers[i], &s.Matchers[i]
		value := labels.Value(m.Label)
		if value != "" {
			of.Labelled++
			if shown := cut(value); len(of.Values) < maxValues && !slices.Contains(of.Values, shown) {
				of.Values = append(of.Values, strings.Clone(shown))
			}
		}
		if m.Matches(value) {
			of.Matching++
		} else if of.Ignored == "" {
			matches = false
		}
	}
	if !matches {
		return
	}
	if s.Matching++; len(s.Labels) < maxSelected {
		shown := map[string]string{}
		for name, value := range labels.All() {
			shown[strings.Clone(name)] = strings.Clone(value)
		}
		s.Labels = append(s.Labels, shown)
	}
}

// sentence says how many series match, and of none why.
func (s *Selected) sentence() string {
	all := overview.Number(float64(s.Series)) + " series"
	if s.Series == maxMatched {
		all = "first " + all
	}
	text := fmt.Sprintf("Of its %s %s match the selector.", all, overview.Number(float64(s.Matching)))
	switch s.Matching {
	case 0:
		text = fmt.Sprintf("None of its %s matches the selector: %s.", all, s.why())
	case 1:
		text = fmt.Sprintf("Of its %s 1 matches the selector.", all)
	}
	for i := range s.Matchers {
		if m := &s.Matchers[i]; m.Ignored != "" {
			text += fmt.Sprintf(" Not looked at is %s: %s.", m.Matcher, m.Ignored)
		}
	}
	return text
}

// why says why no series matches.
func (s *Selected) why() string {
	var reasons []string
	for i := range s.Matchers {
		m := &s.Matchers[i]
		switch {
		case m.Ignored != "" || m.Matching > 0:
		case m.Labelled == 0:
			label := m.Matcher[:strings.IndexAny(m.Matcher, "=!")]
			reason := "none has the label " + label + ", unless the scrape job adds it"
			if m.Meant != "" {
				reason += " (did you mean " + m.Meant + "?)"
			}
			reasons = append(reasons, reason)
		default:
			values := strings.Join(m.Values, ", ")
			if len(m.Values) == maxValues {
				values += " and so on"
			}
			reasons = append(reasons, fmt.Sprintf("%s fits none, the values are %s", m.Matcher, values))
		}
	}
	if len(reasons) == 0 {
		return "each matcher fits some of them, but none all"
	}
	return strings.Join(reasons, "; ")
}
