package metric

import "slices"

// Kind says what an envelope, and so every sample in it, measures.
type Kind uint8

// The kinds of a Loggregator envelope, and those that OpenTelemetry adds: histograms and summaries that the sender has
// counted. KindNone is an envelope without any message.
const (
	KindNone Kind = iota
	KindGauge
	KindCounter
	KindTimer
	KindLog
	KindEvent
	KindHistogram
	KindSummary
)

var kindNames = [...]string{"none", "gauge", "counter", "timer", "log", "event", "histogram", "summary"}

// String returns the name that rules, filters and explain use.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// ParseKind returns the kind of a name as String spells it.
func ParseKind(name string) (Kind, bool) {
	for i, n := range kindNames {
		if n == name {
			return Kind(i), true
		}
	}
	return KindNone, false
}

// Bounds on what one envelope may bring. Beyond them its samples are counted as invalid, not stored:
// the sender is not trusted to be sane.
const (
	MaxTags       = 256  // tags of one envelope
	MaxNameBytes  = 1024 // bytes of a metric's name
	MaxValueBytes = 4096 // bytes of a tag's name and value together

	// MaxIdentityBytes bounds all that tells one sender's series from another's: tags, source id and instance id, with
	// two bytes or so for each. It is ten times what the longest envelopes of Cloud Foundry take; each series keeps it
	// twice.
	MaxIdentityBytes = 32 << 10
)

// Tag is a dimension as it stands on the wire.
type Tag struct {
	Key, Value []byte
}

// Point is one metric of a gauge envelope.
type Point struct {
	Name, Unit []byte
	Value      float64
}

// Envelope is a view of one decoded envelope, in the shape of Loggregator v2; a v1 envelope is brought into that
// shape as Loggregator's own agent does (origin, deployment, job, index and ip become tags; a container metric
// becomes a gauge of five points; an HttpStartStop becomes a timer named http).
//
// All byte slices point into the received message, the decoder's memory or constants. They are read only, and valid
// only until the call that was handed the view returns: code that keeps anything copies it. An intake reuses one
// Envelope, so that decoding allocates nothing.
type Envelope struct {
	Kind       Kind
	Timestamp  int64 // nanoseconds since the epoch as sent; 0 where missing
	Arrived    int64 // nanoseconds since the epoch at which the message reached the exporter; set once a batch
	SourceID   []byte
	InstanceID []byte
	// Sender is 0 or a number: envelopes of one decoder with the same number have equal source ids, instance ids and tags.
	Sender uint64

	// Tags come in any order and may name a key twice: the last one counts, as in every protobuf map.
	Tags []Tag
	// TooManyTags is set where the message held more than MaxTags; Tags then holds the first of them.
	TooManyTags bool

	Points []Point // KindGauge: one sample each; names may repeat, the last one counts

	Name         []byte // all kinds but KindGauge
	Unit         []byte // KindCounter, KindHistogram, KindSummary: empty where not sent, as Loggregator never does
	Delta, Total uint64 // KindCounter: 0 where not sent
	// Fractional says that Delta and Total are bits of a float64 that is not negative, as OpenTelemetry's sums may be.
	// Such bits are ordered as the numbers are.
	Fractional  bool
	Start, Stop int64 // KindTimer: nanoseconds since the epoch

	// Began is when the sender began to count, in nanoseconds since the epoch, for kinds that count; 0 where not sent, as
	// Loggregator never does.
	Began        int64
	Distribution *Distribution // KindHistogram, KindSummary
}

// Reset empties the view and keeps its memory.
func (e *Envelope) Reset() {
	*e = Envelope{Tags: e.Tags[:0], Points: e.Points[:0]}
}

// AddTag appends a tag, or notes that there are too many.
func (e *Envelope) AddTag(key, value []byte) {
	if len(e.Tags) >= MaxTags {
		e.TooManyTags = true
		return
	}
	e.Tags = append(e.Tags, Tag{Key: key, Value: value})
}

// Tag returns the value of a tag, the last one where the key repeats, or nil.
func (e *Envelope) Tag(key string) []byte {
	for _, v := range slices.Backward(e.Tags) {
		if string(v.Key) == key {
			return v.Value
		}
	}
	return nil
}

// Samples is the number of samples in the envelope, each of which ends in exactly one Outcome: one a point of a gauge,
// one of a counter, timer, histogram or summary, none of anything else.
func (e *Envelope) Samples() int {
	switch e.Kind {
	case KindGauge:
		return len(e.Points)
	case KindCounter, KindTimer, KindHistogram, KindSummary:
		return 1
	default:
		return 0
	}
}

// ContentLength returns the bytes that the value of a tag content_length states, or -1 if it is no such number.
func ContentLength(value []byte) float64 {
	if len(value) == 0 || len(value) > 18 {
		return -1
	}
	n := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return float64(n)
}
