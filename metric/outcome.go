package metric

// Outcome is what became of one sample. Every sample of a converted envelope ends in exactly one.
type Outcome uint8

// The outcomes of a sample.
const (
	Stored        Outcome = iota // it is, or updated, the value of a series
	Outdated                     // older than the value that the series has
	Conflict                     // its series belongs to another raw name, or its family to another type
	OverLimit                    // a new series beyond metrics.max_series or the limit of a metric or owner
	Filtered                     // a filter of the configuration refused it
	DroppedByRule                // a rule says drop
	Duplicate                    // the gorouter's second timer for the same request, or OpenTelemetry's delta once more
	Invalid                      // no name, a name or tags beyond the bounds, a timer or histogram that makes no sense

	NumOutcomes = iota
)

var outcomeNames = [NumOutcomes]string{
	"stored", "outdated", "conflict", "over_limit", "filtered", "dropped_by_rule", "duplicate", "invalid",
}

// String returns the value of the label outcome.
func (o Outcome) String() string { return outcomeNames[o] }

// Tally counts samples by outcome. Its owner adds it to the ledger and clears it; it is not for concurrent use.
type Tally [NumOutcomes]uint64
