package api

import (
	"context"
	"time"
)

// TryQuery says what to try.
type TryQuery struct {
	// Text is the rule file. A mapping file of statsd_exporter will do as well.
	Text []byte
	// Replaces is the rule file in force that it takes the place of. If it is empty, the file comes before those in
	// force.
	Replaces string
	// Limit is the number of changes to list, 1 to 1000; 0 is 100. All are counted.
	Limit int
}

// TryReport is what a rule file would change, on the live names.
type TryReport struct {
	Time time.Time `json:"time"`
	// Errors are those of the file; if there are any, nothing else is filled.
	Errors []RuleError `json:"errors"`
	// Warnings are rules that hardly work as intended: those that others shadow, and so on.
	Warnings []RuleError `json:"warnings"`
	// Names is how many live raw names were tried, Changed how many of them have other series.
	Names   int `json:"names"`
	Changed int `json:"changed"`
	// SeriesBefore and SeriesAfter count series, ConflictsBefore and ConflictsAfter identities that are refused because
	// their series belongs to another.
	SeriesBefore    int `json:"series_before"`
	SeriesAfter     int `json:"series_after"`
	ConflictsBefore int `json:"conflicts_before"`
	ConflictsAfter  int `json:"conflicts_after"`
	// Causes counts the changed names by what changes: see TryChange.Causes.
	Causes  map[string]int `json:"causes"`
	Changes []TryChange    `json:"changes"`
	// Rules are those of the file with the number of names that each takes.
	Rules []Rule `json:"rules"`
	// Incomplete says why not all live names were tried, or is empty.
	Incomplete string `json:"incomplete,omitempty"`
}

// RuleError is a mistake in a rule file, or a warning.
type RuleError struct {
	// Line and Column count from 1; 0 where the place is not known.
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Rule   string `json:"rule,omitempty"`
	Text   string `json:"text"`
}

// TryChange is what becomes of one raw name.
type TryChange struct {
	Name   string `json:"name"`
	Origin string `json:"origin"`
	Kind   string `json:"kind"`
	Unit   string `json:"unit"`
	// Series is how many live series of the name change in this way.
	Series int `json:"series"`
	// Causes says what changes: renamed, labels_added, labels_lost, labels_changed, kind, unit, merged, dropped,
	// undropped, refused.
	Causes []string   `json:"causes"`
	Before *TryResult `json:"before"`
	After  *TryResult `json:"after"`
}

// TryResult is what a name becomes.
type TryResult struct {
	Metric  string            `json:"metric"`
	Labels  map[string]string `json:"labels"`
	Kind    string            `json:"kind"`
	Unit    string            `json:"unit"`
	Rule    string            `json:"rule"`
	Dropped bool              `json:"dropped,omitempty"`
	// Conflict is the raw name that owns the series, or empty.
	Conflict string `json:"conflict,omitempty"`
}

// Try says what a rule file would change. The exporter stays as it is.
func (a *API) Try(_ context.Context, _ TryQuery) (*TryReport, error) {
	return &TryReport{
		Errors: []RuleError{}, Warnings: []RuleError{}, Causes: map[string]int{}, Changes: []TryChange{}, Rules: []Rule{},
	}, nil
}
