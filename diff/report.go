package diff

import "loggregator_exporter/diff/queries"

// Report is what a change does.
type Report struct {
	Names     int  `json:"names"`               // that were compared
	Changed   int  `json:"changed"`             // names with a change
	Truncated bool `json:"truncated,omitempty"` // there are more names than Options.MaxNames

	SeriesBefore int `json:"series_before"`
	SeriesAfter  int `json:"series_after"`
	// Breaks says that something no longer finds what it found: see Kind.Breaks, and the queries.
	Breaks bool `json:"breaks"`
	// ConflictsBefore and ConflictsAfter count names that have no series because it, or the family, belongs to another.
	ConflictsBefore int `json:"conflicts_before"`
	ConflictsAfter  int `json:"conflicts_after"`

	// Groups are the changes by what caused them, those with most series first.
	Groups []Group `json:"groups"`
	// Queries are those of Options.Documents; nil without any.
	Queries *queries.Report `json:"queries,omitempty"`
}

// Group is what one rule or setting does.
type Group struct {
	Cause   Cause    `json:"cause"`
	Names   int      `json:"names"`
	Series  int      `json:"series"` // before or after, whatever is more
	Kinds   []Count  `json:"kinds"`
	Changes []Change `json:"changes"` // those with most series first
	Omitted int      `json:"omitted,omitempty"`
}

// Count is how many series have a kind of change.
type Count struct {
	Kind   Kind `json:"kind"`
	Series int  `json:"series"`
}

// Cause is what did a change: rules, settings, or both.
type Cause struct {
	// ByRule says that the rules say something else. RuleBefore and RuleAfter are then the rules, or metrics entries, at
	// which the ways of the name part; one is missing where no rule matched.
	ByRule     bool  `json:"by_rule"`
	RuleBefore *Rule `json:"rule_before,omitempty"`
	RuleAfter  *Rule `json:"rule_after,omitempty"`
	// Settings are those that change the series by themselves.
	Settings []Setting `json:"settings,omitempty"`
}

// Setting is a setting that differs. Values are spelled as in the configuration file.
type Setting struct {
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// Rule is a rule or a metrics entry.
type Rule struct {
	ID      string `json:"id"`
	Pattern string `json:"pattern,omitempty"`
	Place   string `json:"place,omitempty"` // file, line and column
}

// Change is what becomes of one name.
type Change struct {
	Name   NameOf  `json:"name"`
	Series int     `json:"series"`
	Kinds  []Kind  `json:"kinds"`
	Before *Series `json:"before,omitempty"` // missing where the name had no series
	After  *Series `json:"after,omitempty"`
	// Labels are the labels that differ, by name.
	Labels []LabelChange `json:"labels,omitempty"`
	// ReasonBefore and ReasonAfter say why there was, or is, no series.
	ReasonBefore string `json:"reason_before,omitempty"`
	ReasonAfter  string `json:"reason_after,omitempty"`
	// With are the other names of a series that is shared, before (Split) or after (Merged). Which of them has it depends
	// on which comes first. Of many the first ones are listed.
	With []NameOf `json:"with,omitempty"`
}

// NameOf is a name as it was sent.
type NameOf struct {
	Origin     string            `json:"origin,omitempty"`
	RawName    string            `json:"raw_name"`
	Kind       string            `json:"kind"`
	Unit       string            `json:"unit,omitempty"`
	SourceID   string            `json:"source_id,omitempty"`
	InstanceID string            `json:"instance_id,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
}

// Series is a series as it is exposed.
type Series struct {
	Rule   string            `json:"rule,omitempty"` // the last rule that matched
	Metric string            `json:"metric"`
	Labels map[string]string `json:"labels"`
	Type   string            `json:"type"`
	Unit   string            `json:"unit,omitempty"`
	Help   string            `json:"help,omitempty"`
	// Factor is what values are multiplied by, where that is not 1.
	Factor  float64   `json:"factor,omitempty"`
	Buckets []float64 `json:"buckets,omitempty"`
}
