package api

import (
	"context"
	"time"

	"loggregator_exporter/diff"
)

// TryQuery says what to try.
type TryQuery struct {
	// Text is the rule file. A mapping file of statsd_exporter will do as well.
	Text []byte
	// Replaces is the rule file in force that it takes the place of. If it is empty, the file comes before those in
	// force.
	Replaces string
	// Limit is the number of changes to list of each cause, 1 to 1000; 0 is 100. All are counted.
	Limit int
}

// TryReport is what a rule file would change, on the live names.
type TryReport struct {
	Time time.Time `json:"time"`
	// Errors are those of the file; if there are any, nothing but Warnings is filled.
	Errors []RuleError `json:"errors"`
	// Warnings are rules that hardly work as intended: those that others shadow, and so on.
	Warnings []RuleError `json:"warnings"`
	// Report says what changes; missing where the file has errors.
	Report *diff.Report `json:"report,omitempty"`
	// ConflictsBefore and ConflictsAfter count names that have no series because it belongs to another.
	ConflictsBefore int `json:"conflicts_before"`
	ConflictsAfter  int `json:"conflicts_after"`
	// Rules are those of the file with the number of live names that each takes.
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

// Try says what a rule file would change. The exporter stays as it is.
func (a *API) Try(_ context.Context, _ TryQuery) (*TryReport, error) {
	return &TryReport{
		Errors: []RuleError{}, Warnings: []RuleError{}, Rules: []Rule{},
	}, nil
}
