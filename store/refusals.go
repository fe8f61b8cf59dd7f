package store

import (
	"fmt"
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

// count counts a sample of an entry of a kind, and returns its outcome. That of a response size is counted with the
// duration's.
func (r *refusals) count(kind nameKind, pos refusalPos) metric.Outcome {
	if kind != nameHTTPSize {
		r.all[pos].Count++
	}
	return r.all[pos].Outcome
}

// The reasons of refusals that do not depend on the series.
const (
	reasonLongName  = "its name is too long"
	reasonTags      = "the envelope's tags exceed the bounds"
	reasonTimer     = "the timer ends before it starts"
	reasonMaxSeries = "metrics.max_series is reached"
)

// countName counts a sample that has no entry.
func (r *refusals) countName(outcome metric.Outcome, kind nameKind, name []byte, reason string) {
	if kind == nameHTTPSize {
		return // as in count; nor is it logged
	}
	if len(name) > maxPrintable {
		name = name[:maxPrintable]
	}
	if pos, ok := r.by[refusalKey{outcome, "", string(name)}]; ok {
		r.all[pos].Reason = reason
		r.count(kind, pos)
		return
	}
	r.count(kind, r.add(outcome, "", string(name), reason))
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

// refuse notes why a loose entry has no series.
func (s *registry) refuse(e *entry, outcome metric.Outcome, raw, exposed, reason string) {
	s.setAside(e, stateRefused)
	e.extra = uint32(s.refusals.add(outcome, exposed, raw, reason))
	s.refusals.count(s.entries.kindOf(e), e.refusal())
}

// refuseFull refuses an entry that a limit has no room for. It is tried again once there may be some.
func (s *registry) refuseFull(e *entry, family familyPos, id *Identity, r *Resolved, reason string) metric.Outcome {
	e.setRefusingFamily(family, s.families.at(family).gen)
	e.flags |= flagFull
	s.refuse(e, metric.OverLimit, id.Name, r.Metric, reason)
	return metric.OverLimit
}

// stillRefused reports whether what an entry was refused for still exists.
func (s *registry) stillRefused(e *entry) bool {
	if e.flags&(flagFull|flagFamily) != 0 {
		pos, gen := e.refusingFamily()
		f := s.families.at(pos)
		if e.flags&flagFamily != 0 {
			return f.gen == gen
		}
		return s.limits.senderFull(s.entries.tagsets.at(e.tagset).sender) || f.gen == gen && s.limits.familyFull(f)
	}
	other := e.dependsOn()
	if !s.entries.alive(other) {
		return false
	}
	if e.flags&flagCrowded == 0 {
		return true
	}
	of := s.entries.at(other.pos)
	return of.state == stateLive && len(s.composites.at(of.composite()).points) >= maxParts
}

// removeCrowded removes an entry that is not live if there are many such; the rules then run for each of its samples.
func (s *registry) removeCrowded(pos entryPos) entryPos {
	if !s.limits.crowded() {
		return pos
	}
	s.remove(pos)
	return 0
}

// conflictReason says why a series of a makeup cannot have a name that the family has.
func conflictReason(f *family, pos familyPos, r *Resolved, m makeup) string {
	switch {
	case pos == ownFamily:
		return "its name begins like those of the exporter's own metrics, or of metrics.compatibility"
	case f.name != r.Metric, f.typ != r.Type:
		return fmt.Sprintf("%s of type %s has the name of this %s", f.name, f.typ, r.Type)
	case f.makeup != m:
		return fmt.Sprintf("%s %s, unlike this one", f.name, f.makeup)
	default:
		return fmt.Sprintf("a reload gives %s other buckets, and its series with the old ones are not retired yet", f.name)
	}
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
