package store

import (
	"cmp"
	"fmt"
	"strings"

	"loggregator_exporter/metric"
)

// Rival is an identity that owns the series which another one would have.
type Rival struct {
	Name, Unit string // Name is empty where there is none
	Sender
}

func (r *Rival) identity() Identity { return r.Identity(r.Name, r.Unit) }

// comparer is a Resolver that can say why the differences of two identities are not in their labels.
type comparer interface {
	// Compare returns that in words, or "". Both identities resolve to one series.
	Compare(a, b *Identity) string
}

// rival describes the owner of a series.
func (s *registry) rival(owner *entry) Rival {
	n := s.entries.names.at(owner.name)
	return Rival{n.text, n.unit, Sender{s.entries.tagsets.at(owner.tagset).key, n.kind}}
}

// Reason says why a refused identity has no series.
func (s *Store) Reason(v *Visited) string {
	if v.Rival.Name == "" {
		return v.reason
	}
	own, rival := v.Identity(v.Name, v.Unit), v.Rival.identity()
	return rivalReason(s.Resolver(), &own, &rival)
}

// rivalReason says whose series an identity would have: the name of the other or, where that is the same, what else it
// has. By is the resolver in force.
func rivalReason(by Resolver, own, rival *Identity) string {
	reason := fmt.Sprintf("its series belongs to raw name %q", rival.Name)
	if own.Name == rival.Name {
		reason = "its series belongs to the same name " + differences(own, rival)
	}
	if c, ok := by.(comparer); ok {
		if more := c.Compare(own, rival); more != "" {
			reason += "; " + more
		}
	}
	return reason
}

// maxDifferences bounds what is said of a rival, maxDifference each value, in bytes.
const (
	maxDifferences = 4
	maxDifference  = 40
)

// differences says what the rival of an identity of the same name has that the identity has not.
func differences(own, rival *Identity) string {
	var with, without []string
	compare := func(what, own, rival string) {
		switch {
		case own == rival:
		case rival == "":
			without = append(without, what)
		default:
			value := metric.Printable(rival[:min(len(rival), maxDifference)])
			with = append(with, fmt.Sprintf("%s %q", what, value))
		}
	}
	compare("kind", own.Kind.String(), rival.Kind.String())
	compare("unit", own.Unit, rival.Unit)
	compare("source_id", own.SourceID, rival.SourceID)
	compare("instance_id", own.InstanceID, rival.InstanceID)
	for _, t := range rival.Tags {
		compare(t.Name, metric.LabelValue(own.Tags, t.Name), t.Value)
	}
	for _, t := range own.Tags {
		if metric.LabelValue(rival.Tags, t.Name) == "" {
			compare(t.Name, t.Value, "")
		}
	}
	var parts []string
	if len(with) > 0 {
		parts = append(parts, "with "+list(with))
	}
	if len(without) > 0 {
		parts = append(parts, "without "+list(without))
	}
	return cmp.Or(strings.Join(parts, " and "), "sent in another way")
}

// list writes the first of some texts.
func list(texts []string) string {
	if more := len(texts) - maxDifferences; more > 0 {
		texts = append(texts[:maxDifferences:maxDifferences], fmt.Sprintf("%d more", more))
	}
	return strings.Join(texts, ", ")
}

// reasonOf says why an entry is refused whose name is not in the list of names.
func (s *registry) reasonOf(e *entry) string {
	switch {
	case e.flags&flagFull != 0:
		pos, _ := e.refusingFamily()
		reason := s.limits.refuses(s.families.at(pos), s.entries.tagsets.at(e.tagset).sender)
		return cmp.Or(reason, "a limit on series was reached when its last sample came")
	case e.flags&flagFamily != 0:
		pos, _ := e.refusingFamily()
		if pos == ownFamily {
			return reasonReserved
		}
		f := s.families.at(pos)
		return fmt.Sprintf("%s of type %s has the name of its metric, or one of the names that this would take",
			f.name, f.typ)
	case e.flags&flagCrowded != 0:
		return "its histogram or summary has too many parts"
	case s.entries.at(e.dependsOn().pos) == e:
		return "a rule gives it no valid name"
	default:
		return "another series is this part of its histogram or summary"
	}
}

// countRefused counts a sample of an entry that does not remember it.
func (s *registry) countRefused(e *entry, outcome metric.Outcome, reason string) {
	n := s.entries.names.at(e.name)
	of := sample{
		kind: n.kind, name: []byte(n.text), unit: []byte(n.unit), key: []byte(s.entries.tagsets.at(e.tagset).key),
		arrived: e.arrived,
	}
	s.refusals.countName(outcome, &of, reason)
}
