package store

import (
	"log/slog"
	"strings"
	"unicode/utf8"

	"loggregator_exporter/metric"
)

type refusalPos uint32

// maxRefusals bounds how many names are counted one by one for each outcome. What comes after is counted together.
const maxRefusals = 100

// Refusal says what was refused, how often and why.
type Refusal struct {
	Outcome metric.Outcome
	// Metric is the exposed name that the refusal is about, RawName the name as emitted that lost. Both are empty in
	// the entry that counts all names beyond the bound, and what has no name.
	Metric, RawName string
	Reason          string // the latest
	Count           uint64
}

// refusals counts what is not stored by name, and logs each name once.
type refusals struct {
	all []Refusal // the first ones count what exceeds the bound, one an outcome
	by  map[refusalKey]refusalPos
	of  [metric.NumOutcomes]int // how many names each outcome has
	log *slog.Logger
}

type refusalKey struct {
	outcome      metric.Outcome
	metric, name string
}

func newRefusals(log *slog.Logger) refusals {
	r := refusals{by: map[refusalKey]refusalPos{}, log: log}
	for o := range metric.Outcome(metric.NumOutcomes) {
		r.all = append(r.all, Refusal{Outcome: o, Reason: "no name, or names beyond the bound of this list"})
	}
	return r
}

// add returns the position that counts a name.
func (r *refusals) add(outcome metric.Outcome, exposed, raw, reason string) refusalPos {
	raw = printable(raw)
	key := refusalKey{outcome, exposed, raw}
	if pos, ok := r.by[key]; ok {
		r.all[pos].Reason = reason
		return pos
	}
	if exposed == "" && raw == "" || r.of[outcome] >= maxRefusals {
		return refusalPos(outcome)
	}
	r.of[outcome]++
	pos := refusalPos(len(r.all))
	key.name = strings.Clone(raw)
	r.by[key] = pos
	r.all = append(r.all, Refusal{Outcome: outcome, Metric: exposed, RawName: key.name, Reason: reason})
	r.log.Warn("samples are refused", "outcome", outcome.String(), "raw_name", raw, "metric", exposed, "reason", reason)
	return pos
}

func (r *refusals) count(pos refusalPos) { r.all[pos].Count++ }

// The reasons of refusals that do not depend on the series.
const (
	reasonLongName  = "its name is too long"
	reasonTags      = "the envelope's tags exceed the bounds"
	reasonTimer     = "the timer ends before it starts"
	reasonMaxSeries = "metrics.max_series is reached"
)

// countName counts a sample without a series.
func (r *refusals) countName(outcome metric.Outcome, name []byte, reason string) {
	if len(name) > maxPrintable {
		name = name[:maxPrintable]
	}
	if pos, ok := r.by[refusalKey{outcome, "", string(name)}]; ok {
		r.all[pos].Reason = reason
		r.count(pos)
		return
	}
	r.count(r.add(outcome, "", string(name), reason))
}

const maxPrintable = 120

// printable cuts a name to the length of a log line and makes it printable.
func printable(name string) string {
	if len(name) > maxPrintable {
		name = name[:maxPrintable]
		for len(name) > 0 && !utf8.RuneStart(name[len(name)-1]) {
			name = name[:len(name)-1]
		}
	}
	return metric.Printable(name)
}

// maxOverrides bounds the pairs of label and metric that are counted one by one.
const maxOverrides = 100

// overrideKey is what overrides are counted by; the zero value stands for all beyond the bound.
type overrideKey struct {
	label, metric string
}

// overrides counts labels that were set twice.
type overrides map[overrideKey]uint64

func (o overrides) count(metric string, labels []string) {
	for _, l := range labels {
		k := overrideKey{l, metric}
		if _, ok := o[k]; !ok && len(o) >= maxOverrides {
			k = overrideKey{}
		}
		o[k]++
	}
}
