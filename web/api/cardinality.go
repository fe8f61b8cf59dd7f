package api

import (
	"context"
	"time"
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
	// Each list has those with most series first.
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
	// Names is how many raw names it emits.
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

// Cardinality says what makes most series, as it was at most a minute ago.
func (a *API) Cardinality(_ context.Context, _ CardinalityQuery) (*Cardinality, error) {
	return &Cardinality{
		Metrics: []MetricSize{}, Labels: []LabelSize{}, LabelValues: []LabelValueSize{}, Owners: []OwnerSize{},
		Grown: []MetricSize{}, Limits: []Limit{}, Refused: []RefusedName{},
	}, nil
}
