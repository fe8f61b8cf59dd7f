package metric

// Type is the type of a family of series, as Prometheus knows it.
type Type uint8

// The types of a family.
const (
	TypeGauge Type = iota
	TypeCounter
	TypeHistogram
	TypeSummary
)

var typeNames = [...]string{"gauge", "counter", "histogram", "summary"}

// String returns the word of the TYPE line.
func (t Type) String() string { return typeNames[t] }
