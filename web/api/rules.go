package api

import (
	"context"
	"time"

	"loggregator_exporter/tagger/learn"
)

// RulesQuery says which rules to list.
type RulesQuery struct {
	// File keeps the rules of one file. Unused keeps rules that take no live name. Search keeps rules whose id, pattern or
	// text contains it, whatever the case.
	File   string
	Unused bool
	Search string
	// Limit is the number of rules of a page, 1 to 1000; 0 is 100. Cursor is RulesPage.Next of the page before.
	Limit  int
	Cursor string
}

// RulesPage is a page of the list of rules in force.
type RulesPage struct {
	// Time is when live names were counted.
	Time time.Time `json:"time"`
	// Files are all files, in the order in which they count: the user's, then the catalogue's.
	Files []RuleFile `json:"files"`
	Rules []Rule     `json:"rules"`
	// Total is how many rules the query finds.
	Total int    `json:"total"`
	Next  string `json:"next,omitempty"`
	// Quarantine counts the names that only the quarantine takes, Untagged those that nothing does.
	Quarantine int `json:"quarantine"`
	Untagged   int `json:"untagged"`
}

// RuleFile is a file of rules.
type RuleFile struct {
	File string `json:"file"`
	// Catalogue says that it is built in.
	Catalogue bool `json:"catalogue"`
	Rules     int  `json:"rules"`
	// Unused is how many of its rules take no live name, Names how many names its rules take.
	Unused int `json:"unused"`
	Names  int `json:"names"`
	Bytes  int `json:"bytes"`
}

// Rule is a rule in force.
type Rule struct {
	RuleRef

	// Section is rules, origins, metrics or mappings.
	Section string `json:"section"`
	Drops   bool   `json:"drops"`
	// Names is how many live raw names it takes, alone or with others; Series is how many series these have.
	Names  int `json:"names"`
	Series int `json:"series"`
	// Examples are up to 3 of the names.
	Examples []string `json:"examples"`
}

// RuleText is the text of a rule file in force.
type RuleText struct {
	File string `json:"file"`
	Text string `json:"text"`
}

// Rules lists the rules in force with the number of live names that each takes.
func (a *API) Rules(_ context.Context, _ RulesQuery) (*RulesPage, error) {
	return &RulesPage{Files: []RuleFile{}, Rules: []Rule{}}, nil
}

// RuleText returns the text of a rule file in force.
func (a *API) RuleText(_ context.Context, file string) (*RuleText, error) {
	return nil, &Error{Type: ErrorNotFound, Text: "no rule file in force is called " + file}
}

// Proposals are what learning from the live names proposes.
type Proposals struct {
	Time time.Time `json:"time"`
	// Names is how many live names were learned from.
	Names    int             `json:"names"`
	Proposal *learn.Proposal `json:"proposal"`
	// File is the rule file that exporter learn would write.
	File string `json:"file"`
}

// Learn proposes rules for the live names that no rule takes.
func (a *API) Learn(_ context.Context) (*Proposals, error) {
	return &Proposals{Proposal: &learn.Proposal{}}, nil
}
