package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

// NotStored says of samples of one name that they were not stored since the start, and why.
type NotStored struct {
	// Reason is the outcome of the metric samples_total: conflict, over_limit, invalid, dropped_by_rule, filtered,
	// outdated or duplicate.
	Reason string `json:"reason"`
	// Samples is their number. Envelopes is, of filtered ones, how many envelopes of which nothing was kept have the name
	// as their first.
	Samples   uint64 `json:"samples"`
	Envelopes uint64 `json:"envelopes,omitempty"`
	// LastSeen is when the last one came.
	LastSeen time.Time `json:"last_seen"`
	// Sentence says in words what became of them, Remedy what to do about it, and Link is the page to go to, or empty.
	Sentence string `json:"sentence"`
	Remedy   string `json:"remedy"`
	Link     string `json:"link,omitempty"`
	// Setting is the key of the setting that filtered the last one.
	Setting string `json:"setting,omitempty"`
	// LateSeconds is how much older the last outdated sample was than the value of its series, MostLateSeconds the most of
	// all.
	LateSeconds     float64 `json:"late_seconds,omitempty"`
	MostLateSeconds float64 `json:"most_late_seconds,omitempty"`
	// Sender sent the first of them, as far as that is known.
	Sender *Sender `json:"sender,omitempty"`
}

// ReasonTotal is how many samples were not stored for a reason, since the start.
type ReasonTotal struct {
	// Samples is the number of all, Others of those that are at no name: they have none, or come after the first 100 names
	// (of conflict, over_limit and invalid) or 1000.
	Samples uint64 `json:"samples"`
	Others  uint64 `json:"others"`
	// Envelopes counts filtered envelopes of which nothing was kept, EnvelopeSamples the samples in them, and
	// OtherEnvelopes those that are at no name.
	Envelopes       uint64 `json:"envelopes"`
	EnvelopeSamples uint64 `json:"envelope_samples"`
	OtherEnvelopes  uint64 `json:"other_envelopes"`
	// Sources are the sources by which they came, with the number of each; empty where Envelopes are among them.
	Sources map[string]uint64 `json:"sources"`
	// Sender sent the first one that has no name, as far as that is known.
	Sender *Sender `json:"sender,omitempty"`
}

// reasons are why samples are not stored, in the order in which they are shown.
var reasons = [...]metric.Outcome{
	metric.Conflict, metric.OverLimit, metric.Invalid, metric.Outdated, metric.Duplicate, metric.Filtered,
	metric.DroppedByRule,
}

// Reasons returns why samples are not stored, in the order in which they are shown.
func Reasons() []string {
	names := make([]string, len(reasons))
	for i, r := range reasons {
		names[i] = r.String()
	}
	return names
}

// reasonOf returns the outcome of a name as Reasons has it; Stored for none.
func reasonOf(name string) metric.Outcome {
	i := slices.IndexFunc(reasons[:], func(o metric.Outcome) bool { return o.String() == name })
	if i < 0 {
		return metric.Stored
	}
	return reasons[i]
}

// NamesCounted is how many names are counted one by one for a reason; samples of others are counted together.
func NamesCounted(reason string) int {
	if slices.Contains(refusals[:], reasonOf(reason)) {
		return 100
	}
	return 1000
}

// totalOf says how many samples were not stored for a reason.
func (a *API) totalOf(s *live.Snapshot, reason metric.Outcome) *ReasonTotal {
	all, others := &s.Total[reason], &s.Together[reason]
	total := &ReasonTotal{
		Samples: all.Samples, Others: others.Samples, Envelopes: all.Envelopes, EnvelopeSamples: all.InEnvelopes,
		OtherEnvelopes: others.Envelopes, Sources: map[string]uint64{}, Sender: senderOfSamples(others),
	}
	if a.options.Sources != nil && all.Envelopes == 0 { // what was in whole envelopes is counted by source as these
		sources := a.options.Sources()
		for i := range sources {
			if n := sources[i].Samples[reason.String()]; n > 0 {
				total.Sources[sources[i].Name] = n
			}
		}
	}
	return total
}

// senderOfSamples returns who sent the first of samples, nil where that is not known.
func senderOfSamples(l *live.LeftOut) *Sender {
	id := l.Sender.Identity(l.Name, l.Unit)
	if id.SourceID == "" && id.InstanceID == "" && len(id.Tags) == 0 {
		return nil
	}
	return &Sender{SourceID: id.SourceID, InstanceID: id.InstanceID, Tags: labelMap(id.Tags)}
}

// notStored says what was not stored of a name, for each reason once.
func (a *API) notStored(n *live.Name) []NotStored {
	all := []NotStored{}
	for _, reason := range reasons {
		if l := n.Of(reason); l != nil {
			all = append(all, a.notStoredOf(l))
		}
	}
	return all
}

// notStoredNow is notStored for the name of a query, of all kinds and units that it asks for.
func (a *API) notStoredNow(q *ExplainQuery) []NotStored {
	n := live.Name{LeftOut: a.leftOutOf(q)}
	all := a.notStored(&n)
	for i := range all {
		if all[i].Reason != metric.DroppedByRule.String() {
			continue
		}
		all[i].Link = "" // that of other pages is the page of the name
		id := n.Of(metric.DroppedByRule).Sender.Whole(q.Name, n.Of(metric.DroppedByRule).Unit, metric.TypeGauge)
		if rule := a.droppedBy(&id); rule != "" {
			all[i].Link = "/rules?" + url.Values{"search": {rule}}.Encode()
		}
	}
	return all
}

// leftOutOf lists what was not stored of the name of a query.
func (a *API) leftOutOf(q *ExplainQuery) (list []live.LeftOut) {
	for _, l := range live.AllLeftOut(a.options.Store, a.options.LeftOut) {
		if l.Name == q.Name && (q.Kind == "" || q.Kind == l.Kind.String()) && (q.Unit == "" || q.Unit == l.Unit) {
			list = append(list, l)
		}
	}
	return list
}

// leftOutSender returns a sender of which samples were not stored, where one is known, of the origin asked for.
func (a *API) leftOutSender(q *ExplainQuery) *store.Visited {
	for _, l := range a.leftOutOf(q) {
		origin := live.OriginOf(l.Sender)
		if origin != "" && (q.Origin == "" || q.Origin == origin) {
			return &store.Visited{Name: l.Name, Unit: l.Unit, Kind: l.Kind, Sender: l.Sender, Part: metric.TypeGauge}
		}
	}
	return nil
}

// droppedBy returns the rule that drops an identity, or "".
func (a *API) droppedBy(id *store.Identity) string {
	e, ok := a.options.Store.Resolver().(explainer)
	if !ok {
		return ""
	}
	var r tagger.Result
	if e.ApplyRules(id, &r, nil); !r.Dropped {
		return ""
	}
	return strings.Clone(r.Rule)
}

func (a *API) notStoredOf(l *live.LeftOut) NotStored {
	out := NotStored{
		Reason: l.Outcome.String(), Samples: l.Samples, Envelopes: l.Envelopes, LastSeen: l.Last.UTC(), Setting: l.Setting,
		LateSeconds: l.Late.Seconds(), MostLateSeconds: l.MostLate.Seconds(),
	}
	samples := overview.Number(float64(l.Samples)) + " samples were"
	if l.Samples == 1 {
		samples = "1 sample was"
	}
	switch l.Outcome {
	case metric.Outdated:
		out.Sentence = fmt.Sprintf("%s older than the value that the series had: the last by %v", samples, round(l.Late))
		if l.MostLate > l.Late {
			out.Sentence += fmt.Sprintf(", one by %v", round(l.MostLate))
		}
		out.Sentence += "."
		out.Remedy = "Clocks of senders are apart: synchronize them. Or envelopes come by two ways, as by two sources: " +
			"enable one of them."
	case metric.Duplicate:
		out.Sentence = fmt.Sprintf("%s there already: %s.", samples, l.Reason)
		out.Remedy = "Nothing is lost. If two senders have the same tags, though, give them tags that tell them apart."
		if l.Kind == metric.KindTimer {
			out.Remedy = "Nothing is lost: each request counts once."
		}
	case metric.Filtered:
		out.Sentence = fmt.Sprintf("%s left out by %s.", samples, l.Setting)
		out.Remedy = "If they are wanted, change that setting."
		out.Link = settingPage(l.Setting)
	case metric.DroppedByRule:
		out.Sentence = samples + " dropped by a rule."
		out.Remedy = "If they are wanted, write a rule that takes them before that one, or take that one out."
		out.Link = "/explain?" + url.Values{"name": {l.Name}}.Encode()
	default:
		of := remedies[l.Outcome]
		if l.Outcome == metric.Conflict {
			of = a.conflictRemedy(&store.Visited{Name: l.Name, Unit: l.Unit, Sender: l.Sender, Rival: l.Rival})
		}
		out.Sentence = fmt.Sprintf("%s refused: %s.", samples, l.Reason)
		out.Remedy, out.Link = of.Remedy, of.Link
	}
	out.Sender = senderOfSamples(l)
	return out
}

// round cuts a duration to three digits.
func round(d time.Duration) time.Duration {
	step := time.Duration(1)
	for step*1000 <= d {
		step *= 10
	}
	return d.Round(step)
}

// settingPage is the page of the console with a setting.
func settingPage(key string) string {
	return "/config?" + url.Values{"search": {strings.TrimRight(key, "[]0123456789")}}.Encode()
}
