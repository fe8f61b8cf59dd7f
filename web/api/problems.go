package api

import "time"

// Severity says how soon somebody has to look at a problem.
type Severity string

// The severities, the most severe first.
const (
	Critical Severity = "critical" // data is missing now, or will be within hours
	Warning  Severity = "warning"  // something is lost or wrong, most of it works
	Notice   Severity = "notice"   // nothing is lost; it can be made better
)

// Problem is one thing that is not well.
type Problem struct {
	// ID is the kind of the problem and what it is about: source_mute/rlp. It stays the same while the problem lasts.
	ID string `json:"id"`
	// Kind is the first part of the ID; docs/api.md lists all.
	Kind     string   `json:"kind"`
	Severity Severity `json:"severity"`
	// Sentence says what is not well, Remedy what to do about it.
	Sentence string `json:"sentence"`
	Remedy   string `json:"remedy"`
	// Link is the page of the console that shows more, with its query.
	Link string `json:"link"`
	// Runbook is the anchor of docs/runbook.md that says more, or empty.
	Runbook string `json:"runbook,omitempty"`
	// Since is when the problem began, as far as that is known.
	Since time.Time `json:"since,omitzero"`
}
