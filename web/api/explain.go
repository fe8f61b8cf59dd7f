package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/live"
)

// ExplainQuery is a name to explain.
type ExplainQuery struct {
	Name, Origin string
	// Kind is gauge, counter, timer, histogram or summary. What is left empty, of this and of all below, is taken from an
	// envelope of the name, where it is live; else the name is explained as a gauge.
	Kind     string
	Unit     string
	SourceID string
	// InstanceID is that of the envelopes.
	InstanceID string
	// Tags are those of the envelope, beside origin.
	Tags []metric.Label
	// Series is how many live series to show, 0 to 200, and State keeps those of one state; see LiveSeries. With 0 nothing
	// live is looked at, which costs little, and the name is explained just as the query says. Cursor is SeriesNext or
	// SeriesPrevious of another answer.
	Series int
	State  string
	Cursor string
}

// Explained is the way of one name through the rules, and its live series.
type Explained struct {
	resolver.Explanation

	// Presence says whether the name is exposed, and if not, why. It is missing where the query asks for no live series.
	Presence *Presence `json:"presence,omitempty"`
	// Sender is the one whose envelopes it is explained with, where it is live and the query names none.
	Sender *Sender `json:"sender,omitempty"`
	// BuiltIn says that it needs no rule: HTTP requests.
	BuiltIn bool `json:"built_in,omitempty"`
	// PartOf is the histogram or summary that it is a part of, by whose name rules go; empty where it is none.
	PartOf string `json:"part_of,omitempty"`
	// Invalid says why its samples would be refused, or is empty.
	Invalid string `json:"invalid,omitempty"`
	// Steps are those of the production path.
	Steps []Step `json:"steps"`
	// LabelSources says of each label where its value comes from.
	LabelSources map[string]string `json:"label_sources"`
	// Type is gauge, counter, histogram or summary; empty where there is no series.
	Type string `json:"type"`
	// Overrides are labels that name and envelope give different values; the envelope's is kept as envelope_<label>.
	Overrides []string `json:"overrides,omitempty"`
	// Conversion says what is done to values, or is empty.
	Conversion string `json:"conversion,omitempty"`
	// Series is metric and labels as exposed; empty where it is dropped or invalid.
	Series string `json:"series,omitempty"`
	// Metrics are all that the name becomes, or would, that of Series first; at most 16. There are several where
	// requests have one of their time and one of their size, or where a rule looks at more than the name.
	Metrics []Becomes `json:"metrics"`
	// Nearest are rules that nearly match, where none does.
	Nearest []RuleRef `json:"nearest"`
	// Live are series of the name as they are now, of any origin unless one is asked for. SeriesNext and SeriesPrevious
	// are the cursors for more of them.
	Live           []LiveSeries `json:"live"`
	SeriesNext     string       `json:"series_next,omitempty"`
	SeriesPrevious string       `json:"series_previous,omitempty"`
	// States counts all of them by state.
	States map[string]int `json:"states"`
	// NotStored says how many samples of the name were not stored since the start, of any origin, and why, for each reason
	// once.
	NotStored []NotStored `json:"not_stored"`
}

// Step is one step of the parse.
type Step struct {
	// Stage is origin, rule, from_origin, quarantine, metadata or built_in.
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
	// State is live, refused, dropped, joined, part or waiting. Metric and Labels are those of its series or, where
	// it has none, those that it would have.
	State  string            `json:"state"`
	Metric string            `json:"metric,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// Kind and Unit are those of the envelopes.
	Kind string `json:"kind"`
	Unit string `json:"unit"`
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

// Sender is what an envelope has beside its name.
type Sender struct {
	SourceID   string            `json:"source_id,omitempty"`
	InstanceID string            `json:"instance_id,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
}

// Owner is the identity that a series belongs to.
type Owner struct {
	Name       string            `json:"name"`
	SourceID   string            `json:"source_id,omitempty"`
	InstanceID string            `json:"instance_id,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
}

// Explain runs a name through the production path, and finds its live series.
func (a *API) Explain(ctx context.Context, q ExplainQuery) (*Explained, error) {
	of := checksum(q.Name, q.Origin, q.Kind, q.Unit, q.State)
	at, err := decodeCursor(q.Cursor, of)
	if err != nil {
		return nil, err
	}
	out := &Explained{Steps: []Step{}, Nearest: []RuleRef{}, Live: []LiveSeries{}, LabelSources: map[string]string{}}
	out.NotStored, out.Metrics = []NotStored{}, []Becomes{}
	out.Tags, out.Labels = map[string]string{}, map[string]string{}
	if q.Series == 0 {
		out.States = map[string]int{}
		return out, a.parse(&q, nil, out)
	}
	senders := a.liveSeries(&q, at, of, out)
	out.States, out.NotStored = senders.states, a.notStoredNow(&q)
	if ctx.Err() != nil {
		return nil, canceled(ctx)
	}
	asked := q
	var id *store.Identity
	if senders.first == nil {
		senders.first = a.leftOutSender(&q)
	}
	if senders.first != nil {
		id = out.asSent(&q, senders.first)
	}
	if err := a.parse(&q, id, out); err != nil {
		return nil, err
	}
	out.addMetrics(a.options.Store.Resolver(), senders)
	return out, a.presence(ctx, &asked, senders, out)
}

// asSent completes a query with what an identity of the name has. Source id, instance id and tags go together: where
// the query names none, the identity that rules see of that sender is returned.
func (x *Explained) asSent(q *ExplainQuery, v *store.Visited) *store.Identity {
	if q.Kind == "" && v.Kind != metric.KindNone {
		q.Kind = v.Kind.String()
	}
	q.Unit = cmp.Or(q.Unit, v.Unit)
	if q.SourceID != "" || q.InstanceID != "" || len(q.Tags) > 0 {
		return nil
	}
	sent, id := v.Identity(v.Name, v.Unit), v.Whole(v.Name, v.Unit, v.Part)
	q.Origin = cmp.Or(metric.LabelValue(sent.Tags, "origin"), q.Origin)
	x.Sender = &Sender{SourceID: sent.SourceID, InstanceID: sent.InstanceID, Tags: labelMap(sent.Tags)}
	return &id
}

// identityOf returns what the store would look for. It fails for what the store would count as invalid.
func identityOf(q *ExplainQuery, r store.Resolver) (*store.Identity, error) {
	kind, _ := metric.ParseKind(cmp.Or(q.Kind, metric.KindGauge.String()))
	question := store.Question{
		Kind: kind, Origin: q.Origin, Name: q.Name, Unit: q.Unit, SourceID: q.SourceID, InstanceID: q.InstanceID,
		Tags: q.Tags,
	}
	return question.Identity(r)
}

// parse runs the name through the resolver in force, with a trace: as the identity says or, without one, as the query.
func (a *API) parse(q *ExplainQuery, id *store.Identity, out *Explained) error {
	r := a.options.Store.Resolver()
	out.Origin, out.RawName, out.Kind, out.Unit = q.Origin, q.Name, q.Kind, q.Unit
	if _, ok := metric.ParseKind(cmp.Or(q.Kind, metric.KindGauge.String())); !ok {
		return badData("kind: " + quote(q.Kind) + " is not one of " + strings.Join(kindNames(), ", "))
	}
	if id == nil {
		var err error
		if id, err = identityOf(q, r); err != nil {
			out.Invalid = err.Error()
			return nil //nolint:nilerr // that is the answer
		}
	}
	if id.Composite != metric.TypeGauge {
		out.PartOf = id.Name
	}
	e, ok := r.(explainer)
	if !ok {
		resolved := r.Resolve(id)
		out.Metric, out.Help, out.Dropped = resolved.Metric, resolved.Help, resolved.Dropped
		for _, l := range resolved.Labels {
			out.Labels[l.Name] = l.Value
		}
		out.describe(&resolved)
		return nil
	}
	var trace resolver.Trace
	resolution := e.Explain(id, &trace)
	out.Explanation = resolution.Explanation(q.Origin, q.Name)
	out.describe(&resolution.Resolved)
	out.BuiltIn = builtIn(&resolution)
	texts := newRuleTexts(a.options.Rules)
	for i := range trace.Rules.Steps {
		if step := &trace.Rules.Steps[i]; !out.BuiltIn || step.Stage != tagger.StageMetadata {
			out.Steps = append(out.Steps, stepOf(step, texts, untaken(&resolution)))
		}
	}
	if out.BuiltIn {
		out.Steps = append(out.Steps, Step{Stage: stageBuiltIn, Sentence: builtInSentence, Text: q.Name})
	}
	if trace.Sources != nil {
		out.LabelSources = trace.Sources
	}
	if resolution.Untagged {
		for _, s := range e.Tagger().Nearest(q.Name, maxNearest) {
			out.Nearest = append(out.Nearest, texts.ref(s.Rule, s.Pattern, s.Place))
		}
	}
	return nil
}

const maxNearest = 3

// describe fills in what becomes of values, and the series.
func (x *Explained) describe(r *store.Resolved) {
	x.Invalid = r.Invalid
	if r.Dropped || r.Invalid != "" {
		return
	}
	x.Metrics = append(x.Metrics, becomesOf(r))
	x.Conversion = conversionOf(r)
	x.Type = r.Type.String()
	x.Series = fmt.Sprintf("%s{%s}", r.Metric, metric.RenderLabels(r.Labels))
	x.Overrides = append([]string{}, r.Overrides...)
}

// seriesQuery finds the identities of the name that a query asks for.
func seriesQuery(q *ExplainQuery) store.SeriesQuery {
	search := store.SeriesQuery{Name: q.Name}
	search.Kind, _ = metric.ParseKind(q.Kind)
	if q.Unit != "" {
		search.Unit = &q.Unit
	}
	if q.Origin != "" {
		search.Keep = func(v *store.Visited) bool { return live.OriginOf(v.Sender) == q.Origin }
	}
	return search
}

// liveSeries lists a page of identities, and counts all of them.
func (a *API) liveSeries(q *ExplainQuery, at *cursor, of uint32, out *Explained) *senders {
	search := seriesQuery(q)
	all, keep := newSenders(), search.Keep
	search.Each = func(v *store.Visited) {
		if keep == nil || keep(v) {
			all.add(v)
		}
	}
	search.Limit = q.Series
	search.Keep = func(v *store.Visited) bool {
		return (q.State == "" || v.State.String() == q.State) && (keep == nil || keep(v))
	}
	if at != nil && at.Before {
		search.Before = uint32(at.Number)
	} else if at != nil {
		search.After = uint32(at.Number)
	}
	states, more := a.options.Store.Series(search)
	for i := range states {
		out.Live = append(out.Live, a.liveSeriesOf(&states[i]))
	}
	a.countForgotten(all, &search, keep)
	if len(states) == 0 {
		return all
	}
	if more || search.Before > 0 {
		next := cursor{Query: of, Number: int64(states[len(states)-1].Position)}
		out.SeriesNext = next.encode()
	}
	if search.After > 0 || more && search.Before > 0 {
		previous := cursor{Query: of, Number: int64(states[0].Position), Before: true}
		out.SeriesPrevious = previous.encode()
	}
	return all
}

func (a *API) liveSeriesOf(s *store.SeriesState) LiveSeries {
	id := s.Identity(s.Name, s.Unit)
	out := LiveSeries{
		State: s.State.String(), Kind: s.Kind.String(), Unit: s.Unit, Metric: s.Metric,
		LastSeen: time.Unix(0, s.Arrived).UTC(), SourceID: id.SourceID, InstanceID: id.InstanceID, Tags: labelMap(id.Tags),
	}
	if s.Labels != "" {
		out.Labels = maps.Collect(s.Labels.All())
	} else { // the store remembers none of what has no series
		whole := s.Whole(s.Name, s.Unit, s.Part)
		if r := a.options.Store.Resolver().Resolve(&whole); !r.Dropped && r.Invalid == "" {
			out.Metric, out.Labels = r.Metric, labelMap(r.Labels)
		}
	}
	if s.State == store.EntryRefused {
		out.Outcome, out.Reason = s.Outcome.String(), a.options.Store.Reason(&s.Visited)
	}
	if s.Owner != nil {
		owner := s.Owner.Identity(s.Owner.Name, s.Owner.Unit)
		out.Owner = &Owner{
			Name: owner.Name, SourceID: owner.SourceID, InstanceID: owner.InstanceID, Tags: labelMap(owner.Tags),
		}
	}
	out.fillValue(s)
	return out
}

// fillValue writes values as Prometheus' API does.
func (l *LiveSeries) fillValue(s *store.SeriesState) {
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	switch {
	case s.Sample == nil:
	case s.Sample.Histogram != nil:
		l.Count, l.Sum = s.Sample.Histogram.Count, number(s.Sample.Histogram.Sum)
	case s.Sample.Summary != nil:
		l.Count, l.Sum = s.Sample.Summary.Count, number(s.Sample.Summary.Sum)
	default:
		l.Value = number(s.Sample.Value)
	}
}

func labelMap(labels []metric.Label) map[string]string {
	m := make(map[string]string, len(labels))
	for _, l := range labels {
		m[l.Name] = l.Value
	}
	return m
}
