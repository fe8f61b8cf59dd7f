package tagger

import "loggregator_exporter/metric"

// Subject is what rules look at: one metric as its component emitted it.
type Subject struct {
	Origin string
	Name   string
	Unit   string // as emitted
	Kind   metric.Kind
	// SourceID and Tags are the rest of the envelope, for conditions of rules. Tags are sorted by name, names unique,
	// spelt as on the wire.
	SourceID string
	Tags     []metric.Label
}

// Result is what the rules made of a Subject.
type Result struct {
	// Base is the name without its dimensions, in its original spelling.
	Base string
	// Tags are the dimensions that came from the name, no name twice, in the order in which rules found them.
	Tags []metric.Label
	// OriginTags are the dimensions that the origin itself holds: component and, where it is spelt like `router__0`,
	// `router_z1/0` or `metrics-demo/z1/0`, index and zone.
	OriginTags []metric.Label
	// Rule is the id of the last rule that matched; "quarantine" where only the quarantine did; "" where nothing did.
	Rule string
	// Kind, Unit and Help are the catalogue's or a rule's word, else Kind and Unit are the subject's and Help is "".
	// Unit is spelt as in Units (a canonical unit), or "" where none is known.
	Kind metric.Kind
	Unit string
	Help string
	// Dropped says that a rule drops the metric.
	Dropped bool
}
