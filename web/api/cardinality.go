package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// defaultSizes is the length of the lists where none is asked for.
const defaultSizes = 20

// CardinalityQuery says what to count.
type CardinalityQuery struct {
	// Metric asks for the labels and values of one metric only.
	Metric string
	// Limit is the length of each list, 1 to 1000; 0 is 20.
	Limit int
}

// Cardinality says what makes most series.
type Cardinality struct {
	Time time.Time `json:"time"`
	// Series and Families are those of the store, or of the metric that is asked for.
	Series   int `json:"series"`
	Families int `json:"families"`
	// Each list has those with most series first, but Labels those with most values.
	Metrics     []MetricSize     `json:"metrics"`
	Labels      []LabelSize      `json:"labels"`
	LabelValues []LabelValueSize `json:"label_values"`
	Owners      []OwnerSize      `json:"owners"`
	// Grown are the metrics that got most series since GrownSince, which is an hour ago, or the start.
	Grown      []MetricSize `json:"grown"`
	GrownSince time.Time    `json:"grown_since,omitzero"`
	Limits     []Limit      `json:"limits"`
	// Refused is what limits refused, by name, the most samples first.
	Refused []RefusedName `json:"refused"`
	// Share is the part of the label sets that labels and their values were counted in, 0 to 1; counts are estimates
	// where it is below 1.
	Share float64 `json:"share"`
}

// MetricSize is a metric and its series.
type MetricSize struct {
	Metric string `json:"metric"`
	Type   string `json:"type"`
	Series int    `json:"series"`
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
	// Highest is the most that anything has that it limits, and Of what that is.
	Highest int    `json:"highest"`
	Of      string `json:"of,omitempty"`
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

// Cardinality says what makes most series, as it was at most two minutes ago.
func (a *API) Cardinality(ctx context.Context, q CardinalityQuery) (*Cardinality, error) {
	s, err := a.sizes(ctx)
	if err != nil {
		return nil, err
	}
	limit := cmp.Or(q.Limit, defaultSizes)
	out := &Cardinality{
		Time: s.taken.UTC(), Series: s.series, Families: s.families, Metrics: []MetricSize{}, Labels: s.labels.first(limit),
		LabelValues: s.labels.firstValues(limit), Owners: first(s.owners, limit), Grown: []MetricSize{},
		Limits: a.limits(s), Refused: a.refusedByLimits(limit), Share: s.labels.share,
	}
	a.surveys.mu.Lock()
	defer a.surveys.mu.Unlock()
	g := &a.surveys.growth
	if len(g.points) > 0 {
		out.GrownSince = g.points[0].at.UTC()
	}
	if q.Metric != "" {
		return out, a.oneMetric(ctx, &q, out, g)
	}
	for i := range s.metrics[:min(len(s.metrics), limit)] {
		out.Metrics = append(out.Metrics, metricSize(&s.metrics[i], g))
	}
	a.addLargestLabels(out)
	out.Grown = grown(s, g, limit)
	return out, nil
}

func metricSize(m *store.FamilySize, g *growth) MetricSize {
	return MetricSize{Metric: m.Name, Type: m.Type.String(), Series: m.Series, Grown: g.since(m)}
}

// grown lists the metrics that got most series.
func grown(s *sizes, g *growth, limit int) []MetricSize {
	all := []MetricSize{}
	for i := range s.metrics {
		if m := metricSize(&s.metrics[i], g); m.Grown > 0 {
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(x, y MetricSize) int { return cmp.Compare(y.Grown, x.Grown) })
	return first(all, limit)
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
func (a *API) oneMetric(ctx context.Context, q *CardinalityQuery, out *Cardinality, g *growth) error {
	size, ok := a.options.Store.FamilyLabelSets(q.Metric, 1, func([]store.LabelSet) bool { return false })
	if !ok {
		return &Error{Type: ErrorNotFound, Text: "no metric is exposed that is called " + quote(q.Metric)}
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
	limit := cmp.Or(q.Limit, defaultSizes)
	out.Time, out.Series, out.Families, out.Share = time.Now().UTC(), size.Series, 1, labels.share
	out.Metrics = append(out.Metrics, metricSize(&size, g))
	out.Labels, out.LabelValues, out.Owners = labels.first(limit), labels.firstValues(limit), []OwnerSize{}
	return nil
}

func first[T any](list []T, limit int) []T {
	return append([]T{}, list[:min(len(list), limit)]...)
}

func (c *labelCount) first(limit int) []LabelSize            { return first(c.sorted, limit) }
func (c *labelCount) firstValues(limit int) []LabelValueSize { return first(c.top, limit) }

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
	return all
}

// refusedByLimits lists what limits refused.
func (a *API) refusedByLimits(limit int) []RefusedName {
	all := []RefusedName{}
	for _, r := range a.options.Store.Refusals() {
		if r.Outcome == metric.OverLimit {
			all = append(all, RefusedName{
				Name: r.RawName, Metric: r.Metric, Outcome: r.Outcome.String(), Reason: r.Reason, Samples: r.Count,
			})
		}
	}
	slices.SortStableFunc(all, func(x, y RefusedName) int { return cmp.Compare(y.Samples, x.Samples) })
	return first(all, limit)
}
