package store

import (
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"

	"loggregator_exporter/metric"
)

type refusalPos uint32

// maxRefusals bounds how many refused names are counted one by one for each outcome. What comes after is counted
// together.
const maxRefusals = 100

// Refusal says of samples of one name, or of several together, that they were refused or left out, how often and why.
type Refusal struct {
	Outcome metric.Outcome
	// Metric is the exposed name that the refusal is about, RawName the name as emitted that lost. Both are empty in
	// the entry that counts all names beyond the bound, and what has no name.
	Metric, RawName string
	Reason          string // the latest
	Count           uint64
	// Kind, Unit and Sender are those of the first sample that was refused; of those counted together, Kind and
	// Sender are those of the first one without a name. The sender's identity is empty where it exceeds the bounds.
	Kind   metric.Kind
	Unit   string
	Sender Sender
	// Arrived is the time of the last sample, in nanoseconds since the epoch.
	Arrived int64
	// Late is how much older the last outdated sample was than the value of its series, in nanoseconds, MostLate the most
	// of all. Both are 0 for other outcomes.
	Late, MostLate int64

	raw   string // RawName as it was sent
	rival Rival  // of the latest; then Reason is made from it
}

// refusals counts what is not stored by name, and logs each name once.
type refusals struct {
	all  []Refusal // the first ones count what exceeds the bound, one an outcome
	by   map[refusalKey]refusalPos
	of   [metric.NumOutcomes]int // how many names each outcome has
	most int                     // how many it may have
	log  *slog.Logger

	resolver func() Resolver // that in force
}

// refusalKey is what samples are counted by. Kind and unit are set for samples that are left out.
type refusalKey struct {
	outcome      metric.Outcome
	kind         nameKind
	metric, name string
	unit         string
}

func newRefusals(most int, log *slog.Logger, resolver func() Resolver) refusals {
	r := refusals{by: map[refusalKey]refusalPos{}, most: most, log: log, resolver: resolver}
	for o := range metric.Outcome(metric.NumOutcomes) {
		r.all = append(r.all, Refusal{
			Outcome: o, Reason: fmt.Sprintf("samples without a name, and names after the first %d of this kind", most),
		})
	}
	return r
}

// isNamed reports whether a position counts one name.
func (p refusalPos) isNamed() bool { return p >= metric.NumOutcomes }

// cause is why a sample is refused: for the reason, or because its series is that of the rival.
type cause struct {
	reason string
	rival  Rival
}

// add returns the position that counts a name of a metric, which was sent as said. It keeps what is sent only if the
// name is new: key and unit are cloned then.
func (r *refusals) add(outcome metric.Outcome, exposed, raw string, kind nameKind, unit, key []byte,
	why cause,
) refusalPos {
	text := printable(raw)
	at := refusalKey{outcome: outcome, metric: exposed, name: text}
	if pos, ok := r.by[at]; ok {
		r.all[pos].Reason, r.all[pos].rival = why.reason, why.rival
		return pos
	}
	if exposed == "" && text == "" || r.full(outcome) {
		return refusalPos(outcome)
	}
	at.name = strings.Clone(text)
	refused := Refusal{
		Outcome: outcome, Metric: exposed, RawName: at.name, Reason: why.reason, rival: why.rival,
		Kind: kind.kind(), Unit: string(unit), Sender: Sender{string(key), kind}, raw: strings.Clone(raw),
	}
	pos := r.insert(at, &refused)
	refused.explain(r.resolver())
	r.log.Warn("samples are refused", "outcome", outcome.String(), "raw_name", text, "metric", exposed,
		"reason", refused.Reason)
	return pos
}

// full reports whether an outcome has all the names that are counted one by one.
func (r *refusals) full(outcome metric.Outcome) bool { return r.of[outcome] >= r.most }

// insert begins to count a name, for which there is room.
func (r *refusals) insert(at refusalKey, refused *Refusal) refusalPos {
	pos := refusalPos(len(r.all))
	r.of[at.outcome]++
	r.by[at] = pos
	r.all = append(r.all, *refused)
	return pos
}

// explain makes the reason from the rival, where there is one.
func (r *Refusal) explain(by Resolver) {
	if r.rival.Name == "" {
		return
	}
	own, rival := r.Sender.Identity(r.raw, r.Unit), r.rival.identity()
	r.Reason = rivalReason(by, &own, &rival)
}

// Name returns the name as it was sent, which RawName has cut and printable.
func (r *Refusal) Name() string { return r.raw }

// Visited returns the identity that was refused, as a walk would pass it if the store remembered it.
func (r *Refusal) Visited() Visited {
	return Visited{
		Name: r.raw, Unit: r.Unit, Kind: r.Kind, Sender: r.Sender, Composite: r.Sender.kind.composite() != metric.TypeGauge,
		State: EntryRefused, Outcome: r.Outcome, Metric: r.Metric, Arrived: r.Arrived, reason: r.Reason, Rival: r.rival,
	}
}

// count counts a sample of an entry of a kind, and returns its outcome. That of a response size is counted with the
// duration's.
func (r *refusals) count(kind nameKind, pos refusalPos, arrived int64) metric.Outcome {
	if kind != nameHTTPSize {
		r.all[pos].Count++
		r.all[pos].Arrived = arrived
	}
	return r.all[pos].Outcome
}

// The reasons of refusals that do not depend on the series.
const (
	reasonLongName  = "its name is too long"
	reasonTags      = "the envelope's tags exceed the bounds"
	reasonTimer     = "the timer ends before it starts"
	reasonMaxSeries = "metrics.max_series is reached"
	reasonReserved  = "its name begins like those of the exporter's own metrics, or of metrics.compatibility"
)

// countName counts a sample that has no entry.
func (r *refusals) countName(outcome metric.Outcome, of *sample, reason string) {
	if of.kind == nameHTTPSize {
		return // as in count; nor is it logged
	}
	name := of.name[:min(len(of.name), maxPrintable)]
	if pos, ok := r.by[refusalKey{outcome: outcome, name: string(name)}]; ok {
		r.all[pos].Reason = reason
		r.count(of.kind, pos, of.arrived)
		return
	}
	pos := r.add(outcome, "", string(name), of.kind, of.unit, of.key, cause{reason: reason})
	if together := &r.all[pos]; len(name) == 0 && together.Sender.key == "" {
		together.Kind, together.Sender = of.kind.kind(), Sender{string(of.key), of.kind}
	}
	r.count(of.kind, pos, of.arrived)
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

// refuse notes why a loose entry has no series of a metric.
func (s *registry) refuse(e *entry, outcome metric.Outcome, exposed string, why cause) {
	s.setAside(e, stateRefused)
	n, key := s.entries.names.at(e.name), s.entries.tagsets.at(e.tagset).key
	s.key = append(append(s.key[:0], key...), n.unit...)
	pos := s.refusals.add(outcome, exposed, n.text, n.kind, s.key[len(key):], s.key[:len(key)], why)
	e.extra = uint32(pos)
	s.refusals.count(n.kind, pos, e.arrived)
}

// refuseFull refuses an entry that a limit has no room for. It is tried again once there may be some.
func (s *registry) refuseFull(e *entry, family familyPos, r *Resolved, reason string) metric.Outcome {
	e.setRefusingFamily(family, s.families.at(family).gen)
	e.flags |= flagFull
	s.refuse(e, metric.OverLimit, r.Metric, cause{reason: reason})
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
		return reasonReserved
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
