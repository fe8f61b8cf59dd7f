package store

import (
	"log/slog"
	"strings"
	"unicode/utf8"

	"loggregator_exporter/metric"
)

// maxRefusals bounds how many names are counted one by one for each outcome. What comes after is counted together.
const maxRefusals = 100

// Refusal says what was refused, how often and why.
type Refusal struct {
	Outcome metric.Outcome
	// Metric is the exposed name that a conflict is about, RawName the name as emitted that lost. Both are empty in
	// the entry that counts all names beyond the bound, and what has no name.
	Metric, RawName string
	Reason          string
	Count           uint64
}

// refusals counts what is not stored by name, and logs each name once.
type refusals struct {
	all []Refusal // the first ones count what exceeds the bound, one an outcome
	by  map[refusalKey]uint32
	of  [metric.NumOutcomes]int // how many names each outcome has
	log *slog.Logger
}

type refusalKey struct {
	outcome      metric.Outcome
	metric, name string
}

func newRefusals(log *slog.Logger) refusals {
	r := refusals{by: map[refusalKey]uint32{}, log: log}
	for o := range metric.Outcome(metric.NumOutcomes) {
		r.all = append(r.all, Refusal{Outcome: o, Reason: "no name, or names beyond the bound of this list"})
	}
	return r
}

// add returns the position that counts a name.
func (r *refusals) add(outcome metric.Outcome, exposed, raw, reason string) uint32 {
	raw = printable(raw)
	key := refusalKey{outcome, exposed, raw}
	if pos, ok := r.by[key]; ok {
		return pos
	}
	if exposed == "" && raw == "" || r.of[outcome] >= maxRefusals {
		return uint32(outcome)
	}
	r.of[outcome]++
	pos := uint32(len(r.all))
	key.name = strings.Clone(raw)
	r.by[key] = pos
	r.all = append(r.all, Refusal{Outcome: outcome, Metric: exposed, RawName: key.name, Reason: reason})
	r.log.Warn("samples are refused", "outcome", outcome.String(), "raw_name", raw, "metric", exposed, "reason", reason)
	return pos
}

func (r *refusals) count(pos uint32) { r.all[pos].Count++ }

func (r *refusals) countInvalid(name []byte) {
	reason := "the envelope's tags exceed the bounds, or the timer ends before it starts"
	if len(name) > metric.MaxNameBytes {
		reason = "its name is too long"
	}
	r.countName(metric.Invalid, name, reason)
}

func (r *refusals) countOverLimit(name []byte) {
	r.countName(metric.OverLimit, name, "metrics.max_series is reached")
}

func (r *refusals) countName(outcome metric.Outcome, name []byte, reason string) {
	if len(name) > maxPrintable {
		name = name[:maxPrintable]
	}
	if pos, ok := r.by[refusalKey{outcome, "", string(name)}]; ok {
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
