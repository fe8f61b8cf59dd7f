package api

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// defaultSizes is the length of the lists where none is asked for.
const defaultSizes = 20

// CardinalityQuery says what to count.
type CardinalityQuery struct {
	// Metric asks for the labels and values of one metric only. Label and Value ask for the metrics that have series
	// with that value of that label.
	Metric       string
	Label, Value string
	// Search keeps rows that contain each of its words, whatever their case: a metric's name, a label with its value,
	// an owner or the names of its app, space and organization.
	Search string
	// Owners keeps the owners that are apps, or components; empty keeps both.
	Owners string
	// List asks for one list only, page by page: metrics, owners, labels, label_values, grown or refused. Sort is what it
	// is sorted by: name, or one of the numbers of its rows; without it those with most come first.
	List       string
	Sort       string
	Descending bool
	// Limit is the length of each list, 1 to 1000; 0 is 20. Cursor is Next or Previous of another page of the list.
	Limit  int
	Cursor string
}

// Cardinality says what makes most series.
type Cardinality struct {
	Time time.Time `json:"time"`
	// Series and Families are those of the store, or of the metric that is asked for.
	// A histogram or summary with one set of labels is one series, as limits count it.
	Series   int `json:"series"`
	Families int `json:"families"`
	// Lines is how many lines the series make on a page, which is how many series Prometheus has of them: a histogram
	// makes one for each bucket, +Inf included, one for its sum and one for its count, a summary one for each quantile and
	// these two. Where senders count, series are taken to have as many buckets as the one of the metric that had most.
	Lines int `json:"lines"`
	// Each list has those with most series first, but Labels those with most values.
	Metrics     []MetricSize     `json:"metrics"`
	Labels      []LabelSize      `json:"labels"`
	LabelValues []LabelValueSize `json:"label_values"`
	Owners      []OwnerSize      `json:"owners"`
	// Grown are the metrics that got most series since GrownSince, which is an hour ago, or the start.
	Grown      []MetricSize `json:"grown"`
	GrownSince time.Time    `json:"grown_since,omitzero"`
	Limits     []Limit      `json:"limits"`
	// Refused is what limits refused, and what is invalid, by name, the most samples first.
	Refused []RefusedName `json:"refused"`
	// Share is the part of the label sets that labels and their values were counted in, 0 to 1; counts are estimates
	// where it is below 1.
	Share float64 `json:"share"`
	// Totals are how many rows each list has in all, of those that are searched for.
	Totals map[string]int `json:"totals"`
	// From is the number of the first row of the page, from 0, Next and Previous are the cursors of the pages around it,
	// where one list is asked for.
	From     int    `json:"from"`
	Next     string `json:"next,omitempty"`
	Previous string `json:"previous,omitempty"`
}

// MetricSize is a metric and its series.
type MetricSize struct {
	Metric string `json:"metric"`
	Type   string `json:"type"`
	Series int    `json:"series"`
	// Lines is how many lines the series make on a page, as in all.
	Lines int `json:"lines"`
	// Grown is how many series it got since GrownSince; below 0 where it lost some.
	Grown int `json:"grown"`
	// Label is the label with most values, of which it has Values; both are set for the ten largest metrics only.
	Label  string `json:"label,omitempty"`
	Values int    `json:"values,omitempty"`
}

// LabelSize is a label name: the number of series that have it, and of its values.
type LabelSize struct {
	Label  string `json:"label"`
	Series int    `json:"series"`
	Values int    `json:"values"`
}

// LabelValueSize is a label with a value.
type LabelValueSize struct {
	Label  string `json:"label"`
	Value  string `json:"value"`
	Series int    `json:"series"`
}

// OwnerSize is whose series metrics.series_owner counts together: a source id, an app or a space.
type OwnerSize struct {
	// Owner is what identifies it, and what NamesQuery.Owner takes.
	Owner string `json:"owner"`
	// Label is the label that has the owner as its value, unless a setting or rule takes it away.
	Label string `json:"label"`
	// App, Space and Organization are its names, where envelopes say them.
	App          string `json:"app,omitempty"`
	Space        string `json:"space,omitempty"`
	Organization string `json:"organization,omitempty"`
	Series       int    `json:"series"`
	// Names is how many raw names it emits; 0 beyond the first 100 owners.
	Names int `json:"names"`
}

// Limit is a limit on series.
type Limit struct {
	// Setting is its key in the configuration.
	Setting string `json:"setting"`
	// Limit is 0 where there is none.
	Limit int `json:"limit"`
	// Highest is the most that anything has that it limits, and Of what that is. Full is how many are at the limit,
	// or above it: series that were there when it was lowered stay.
	Highest int    `json:"highest"`
	Of      string `json:"of,omitempty"`
	Full    int    `json:"full"`
}

// RefusedName is a name whose samples were refused. Name is empty where names beyond the first 100 are counted
// together.
type RefusedName struct {
	Name    string `json:"name"`
	Metric  string `json:"metric"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
	// Samples is the number since the start.
	Samples uint64 `json:"samples"`
}

// Cardinality says what makes most series, as it was when that was counted last; see Cardinality.Time.
func (a *API) Cardinality(ctx context.Context, q CardinalityQuery) (*Cardinality, error) {
	s, err := shared(ctx, a.surveys.Get)
	if err != nil {
		return nil, canceled(ctx)
	}
	out := &Cardinality{
		Time: s.taken.UTC(), Series: s.series, Families: s.families, Lines: s.lines, Metrics: []MetricSize{},
		Owners: []OwnerSize{}, Grown: []MetricSize{}, Limits: a.limits(s), Refused: []RefusedName{},
		Share: s.labels.share, Totals: map[string]int{},
	}
	g, ok := a.growth.first()
	if ok {
		out.GrownSince = g.at.UTC()
	}
	switch {
	case q.Metric != "":
		return out, a.oneMetric(ctx, &q, out, &g)
	case q.Label != "":
		return out, a.oneValue(ctx, &q, s, out)
	}
	var all []MetricSize
	if q.List == "" || q.List == metricList.name || q.List == grownList.name {
		all = make([]MetricSize, len(s.metrics))
		for i := range s.metrics {
			all[i] = metricSize(&s.metrics[i], &g)
		}
	}
	errs := make([]error, 6)
	out.Metrics, errs[0] = metricList.show(all, &q, out)
	out.Grown, errs[1] = grownList.show(grown(all), &q, out)
	out.Owners, errs[2] = ownerList.show(ownersOf(s.owners, q.Owners), &q, out)
	out.Labels, errs[3] = labelList.show(s.labels.sorted, &q, out)
	out.LabelValues, errs[4] = valueList.show(s.labels.top, &q, out)
	out.Refused, errs[5] = refusedList.show(a.refused(), &q, out)
	a.addLargestLabels(out)
	return out, cmp.Or(errs...)
}

// Values of CardinalityQuery.Owners.
const (
	OwnersApps       = "apps"
	OwnersComponents = "components"
)

// ownersOf returns the owners of a kind, in the same order.
func ownersOf(owners []OwnerSize, kind string) []OwnerSize {
	if kind == "" {
		return owners
	}
	var kept []OwnerSize
	for i := range owners {
		if owners[i].IsApp() == (kind == OwnersApps) {
			kept = append(kept, owners[i])
		}
	}
	return kept
}

// IsApp says whether it is an app, or a space of apps: a GUID, or something that an app is named of.
func (o *OwnerSize) IsApp() bool { return o.App != "" || metric.IsGUID(o.Owner) }

func metricSize(m *store.FamilySize, g *growthPoint) MetricSize {
	return MetricSize{Metric: m.Name, Type: m.Type.String(), Series: m.Series, Lines: m.Lines, Grown: g.since(m)}
}

// grown lists the metrics that got series, the most first.
func grown(all []MetricSize) []MetricSize {
	var more []MetricSize
	for i := range all {
		if all[i].Grown > 0 {
			more = append(more, all[i])
		}
	}
	slices.SortStableFunc(more, func(x, y MetricSize) int { return cmp.Compare(y.Grown, x.Grown) })
	return more
}

// addLargestLabels says which label of the largest metrics has most values.
func (a *API) addLargestLabels(out *Cardinality) {
	for _, o := range a.options.Store.Offenders().Metrics {
		for i := range out.Metrics {
			if m := &out.Metrics[i]; m.Metric == o.Metric {
				m.Label, m.Values = o.Label, o.Values
			}
		}
	}
}

// oneMetric counts the labels of one metric.
func (a *API) oneMetric(ctx context.Context, q *CardinalityQuery, out *Cardinality, g *growthPoint) error {
	size, ok := a.options.Store.FamilyLabelSets(q.Metric, 1, func([]store.LabelSet) bool { return false })
	if !ok {
		return a.noMetric(ctx, q.Metric)
	}
	stride := 1 + size.Series/maxLabelSets
	var labels labelCount
	labels.begin()
	a.options.Store.FamilyLabelSets(q.Metric, stride, func(chunk []store.LabelSet) bool {
		labels.add(chunk, stride)
		return ctx.Err() == nil
	})
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	labels.finish(stride)
	out.Time, out.Series, out.Families, out.Share = time.Now().UTC(), size.Series, 1, labels.share
	out.Lines, out.Metrics = size.Lines, append(out.Metrics, metricSize(&size, g))
	var errs [2]error
	out.Labels, errs[0] = labelList.show(labels.sorted, q, out)
	out.LabelValues, errs[1] = valueList.show(labels.top, q, out)
	return cmp.Or(errs[0], errs[1])
}

// noMetric says that a metric does not exist, and which ones resemble it.
func (a *API) noMetric(ctx context.Context, name string) error {
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	names, metrics, err := near(ctx, s, name)
	if err != nil {
		return err
	}
	out := &Error{
		Type: ErrorNotFound, Text: "no metric is exposed that is called " + quote(name), NearNames: names,
		NearMetrics: metrics,
	}
	if len(metrics) > 0 {
		out.Text += ": did you mean " + strings.Join(metrics, ", ") + "?"
	}
	return out
}

func first[T any](list []T, limit int) []T {
	return append([]T{}, list[:min(len(list), limit)]...)
}

// limits returns the limits in force and how far they are used.
func (a *API) limits(s *sizes) []Limit {
	state := a.options.Store.LimitState()
	all := []Limit{
		{Setting: "metrics.max_series", Limit: state.MaxSeries, Highest: state.Series},
		{Setting: "metrics.max_series_per_metric", Limit: state.PerMetric},
		{
			Setting: "metrics.max_series_per_owner", Limit: state.PerOwner, Highest: s.largestOwner.Series,
			Of: s.largestOwner.Name,
		},
	}
	if len(s.metrics) > 0 {
		all[1].Highest, all[1].Of = s.metrics[0].Series, s.metrics[0].Name
	}
	all[0].count(state.Series)
	for i := range s.metrics {
		all[1].count(s.metrics[i].Series)
	}
	for i := range s.owners {
		all[2].count(s.owners[i].Series)
	}
	return all
}

// count counts something that has some series, if that is as many as it may have.
func (l *Limit) count(series int) {
	if l.Limit > 0 && series >= l.Limit {
		l.Full++
	}
}

// refused lists what limits refused, and what is invalid.
func (a *API) refused() []RefusedName {
	var all []RefusedName
	for _, r := range a.options.Store.Refusals() {
		if r.Outcome == metric.OverLimit || r.Outcome == metric.Invalid {
			all = append(all, RefusedName{
				Name: r.RawName, Metric: r.Metric, Outcome: r.Outcome.String(), Reason: r.Reason, Samples: r.Count,
			})
		}
	}
	slices.SortStableFunc(all, func(x, y RefusedName) int { return cmp.Compare(y.Samples, x.Samples) })
	return all
}
