package diff

// Report is what a change does.
type Report struct {
	Names     int  `json:"names"`               // that were compared
	Changed   int  `json:"changed"`             // names with a change
	Truncated bool `json:"truncated,omitempty"` // there are more names than Options.MaxNames

	SeriesBefore int `json:"series_before"`
	SeriesAfter  int `json:"series_after"`
	// Breaks says that something no longer finds what it found: see Kind.Breaks, and the queries.
	Breaks bool `json:"breaks"`

	// Groups are the changes by what caused them, those with most series first.
	Groups []Group `json:"groups"`
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

// Count is how many names and series have a kind of change.
type Count struct {
	Kind   Kind `json:"kind"`
	Names  int  `json:"names"`
	Series int  `json:"series"`
}

// Cause is what did a change: a rule, or a setting.
type Cause struct {
	// Before and After are the first rules at which the ways of a name part; either may be missing.
	Before *Rule `json:"rule_before,omitempty"`
	After  *Rule `json:"rule_after,omitempty"`
	// Setting is the key of a setting, with its values.
	Setting       string `json:"setting,omitempty"`
	SettingBefore string `json:"setting_before,omitempty"`
	SettingAfter  string `json:"setting_after,omitempty"`
}

// Rule is a rule or a metrics entry.
type Rule struct {
	ID      string `json:"id"`
	Pattern string `json:"pattern,omitempty"`
	Place   string `json:"place,omitempty"` // file, line and column
}

// Kind is a way in which the series of a name changes.
type Kind string

// The kinds of changes. A name has all that hold.
const (
	Renamed      Kind = "renamed"       // the metric has another name
	LabelGained  Kind = "label_gained"  // a label that it did not have
	LabelLost    Kind = "label_lost"    // no longer has a label
	LabelChanged Kind = "label_changed" // another value of a label
	TypeChanged  Kind = "kind_changed"  // gauge, counter, histogram or summary
	UnitChanged  Kind = "unit_changed"  // the unit, or what values are multiplied by
	Buckets      Kind = "buckets_changed"
	HelpChanged  Kind = "help_changed"
	Merged       Kind = "merged"   // names that had series of their own now share one
	Split        Kind = "split"    // names that shared a series now have series of their own
	Refused      Kind = "refused"  // its series or family now belongs to another name, or it is invalid
	Accepted     Kind = "accepted" // it has a series and had none
	Dropped      Kind = "dropped"  // a rule now drops it, or its names are no longer made
)

// Breaks says whether a query that found the series before may miss it now, or read it wrongly.
func (k Kind) Breaks() bool {
	return k != LabelGained && k != HelpChanged && k != Accepted && k != Split
}

// Change is what becomes of one name.
type Change struct {
	Name   NameOf  `json:"name"`
	Series int     `json:"series"`
	Kinds  []Kind  `json:"kinds"`
	Before *Series `json:"before,omitempty"` // missing where the name had no series
	After  *Series `json:"after,omitempty"`
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
	Metric string            `json:"metric"`
	Labels map[string]string `json:"labels"`
	Type   string            `json:"type"`
	Unit   string            `json:"unit,omitempty"`
	Help   string            `json:"help,omitempty"`
	// Factor is what values are multiplied by, where that is not 1.
	Factor  float64   `json:"factor,omitempty"`
	Buckets []float64 `json:"buckets,omitempty"`
}
