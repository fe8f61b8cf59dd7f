package wire

import (
	"loggregator_exporter/metric"
)

// OTLP decodes metrics of OpenTelemetry, ExportMetricsServiceRequest, by walking the bytes: each data point becomes
// one envelope. Points as Cloud Foundry's forwarder agents send them, with everything in attributes of the point,
// get the source id, instance id and tags that they have in Loggregator. Of others, resources and scopes add tags:
// see resourceTags. Strings need not be UTF-8, as in V2. Its zero value is ready; it serves one goroutine.
type OTLP struct {
	// ResourceAttribute says whether an attribute of resources becomes a tag that would not otherwise; nil for none.
	ResourceAttribute func(name []byte) bool

	scratch []byte // attributes that are rendered as text: tags point into it

	// Of the resource and the scope at hand.
	resource otlpResourceView
	tags     []metric.Tag
	kept     int // how much of scratch they use

	distribution metric.Distribution
}

// Refusal says why a data point cannot be taken.
type Refusal uint8

// The reasons. Taken is none.
const (
	Taken          Refusal = iota
	Malformed              // its bytes, or those of what it is in, cannot be read
	NoValue                // a number without a value
	Temporality            // sum or histogram that is neither cumulative nor delta
	DeltaOfGauge           // a delta sum that is not monotonic: nothing says what to add it to
	CounterValue           // a monotonic sum that is negative or no number
	Buckets                // bounds that do not rise or are not finite, or do not match the counts
	TooManyBuckets         // more than maxBuckets or maxBounds
	Scale                  // an exponential histogram coarser than native histograms can be
	Quantile               // a summary's quantile that is not from 0 to 1

	NumRefusals = iota
)

var refusals = [NumRefusals]string{
	"", "malformed", "no_value", "temporality", "delta_of_gauge", "counter_value", "buckets", "too_many_buckets",
	"scale", "quantile",
}

// String returns the value of the label reason.
func (r Refusal) String() string { return refusals[r] }

// Tags of the fields of the messages around a metric:
//
//	message ExportMetricsServiceRequest { repeated ResourceMetrics resource_metrics = 1; }
//	message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; }
//	message Resource { repeated KeyValue attributes = 1; }
//	message ScopeMetrics { InstrumentationScope scope = 1; repeated Metric metrics = 2; }
//	message InstrumentationScope { string name = 1, version = 2; }
const (
	otlpResourceMetrics    = 1<<3 | Bytes
	otlpResource           = 1<<3 | Bytes
	otlpScopeMetrics       = 2<<3 | Bytes
	otlpResourceAttributes = 1<<3 | Bytes
	otlpScope              = 1<<3 | Bytes
	otlpMetrics            = 2<<3 | Bytes
	otlpScopeName          = 1<<3 | Bytes
	otlpScopeVersion       = 2<<3 | Bytes
)

// Tags of what the name and the version of a scope become, as OpenTelemetry's rules for Prometheus demand.
var (
	scopeNameTag    = []byte("otel_scope_name")
	scopeVersionTag = []byte("otel_scope_version")
)

// otlpWalk walks one request.
type otlpWalk struct {
	*OTLP
	e    *metric.Envelope
	each func(Refusal)
}

// Request decodes each data point into the view and calls each, which is told whether the view holds a point that
// can be taken. Points that say that nothing was recorded have no kind. It returns false where nothing of the
// request can be read. What is malformed and may hold any number of points is one refused point. The view points
// into the bytes and into memory of the decoder. In the steady state it allocates nothing.
func (d *OTLP) Request(request []byte, e *metric.Envelope, each func(Refusal)) bool {
	w := otlpWalk{d, e, each}
	d.scratch = d.scratch[:0]
	f := Fields{Message: request}
	parts := 0
	for f.Next() {
		if f.Tag == otlpResourceMetrics {
			w.resourceMetrics(f.Bytes)
			parts++
		}
	}
	if f.Bad && parts > 0 {
		each(Malformed)
	}
	return !f.Bad || parts > 0
}

// Trim frees memory that one large request left behind.
func (d *OTLP) Trim() {
	if cap(d.scratch) > maxKeptScratch {
		d.scratch, d.tags = nil, nil
	}
}

// resourceMetrics walks the points of one resource, which may stand behind them.
func (w *otlpWalk) resourceMetrics(b []byte) {
	w.resource, w.tags, w.kept = otlpResourceView{}, w.tags[:0], 0
	w.scratch = w.scratch[:0]
	f := Fields{Message: b}
	for f.Next() {
		if f.Tag == otlpResource && !w.readResource(f.Bytes) {
			w.each(Malformed)
			return
		}
	}
	if f.Bad {
		w.each(Malformed)
		return
	}
	w.endResource()
	ofResource := len(w.tags)
	for f := (Fields{Message: b}); f.Next(); {
		if f.Tag == otlpScopeMetrics {
			w.tags = w.tags[:ofResource]
			w.scopeMetrics(f.Bytes)
		}
	}
}

// scopeMetrics walks the points of one scope, which may stand behind them.
func (w *otlpWalk) scopeMetrics(b []byte) {
	var name, version []byte
	ok := true
	f := Fields{Message: b}
	for f.Next() {
		if f.Tag == otlpScope {
			name, version, ok = readScope(f.Bytes, name, version)
		}
		if !ok {
			break
		}
	}
	if f.Bad || !ok {
		w.each(Malformed)
		return
	}
	w.addTag(scopeNameTag, name)
	w.addTag(scopeVersionTag, version)
	for f := (Fields{Message: b}); f.Next(); {
		if f.Tag == otlpMetrics {
			w.metric(f.Bytes)
		}
	}
}

func readScope(b, name, version []byte) ([]byte, []byte, bool) {
	f := Fields{Message: b}
	for f.Next() {
		switch f.Tag {
		case otlpScopeName:
			name = f.Bytes
		case otlpScopeVersion:
			version = f.Bytes
		}
	}
	return name, version, !f.Bad
}

// addTag adds a tag of the resource or scope, unless it is empty.
func (w *otlpWalk) addTag(key, value []byte) {
	if len(value) > 0 && len(w.tags) <= metric.MaxTags {
		w.tags = append(w.tags, metric.Tag{Key: key, Value: value})
	}
}

// OTLPRecords counts the records of an ExportTraceServiceRequest or ExportLogsServiceRequest: both hold resources,
// which hold scopes, which hold records, in fields of the same numbers as metrics do. It returns false where the
// request is malformed.
func OTLPRecords(request []byte) (records int, ok bool) {
	return countNested(request, otlpResourceMetrics, otlpScopeMetrics, otlpMetrics)
}

// countNested counts the fields of a tag in the messages that are in the fields of another tag, and so on inwards, up
// to the first message that is malformed.
func countNested(message []byte, tag uint64, inner ...uint64) (n int, ok bool) {
	f := Fields{Message: message}
	for f.Next() {
		if f.Tag != tag {
			continue
		}
		if len(inner) == 0 {
			n++
			continue
		}
		nested, ok := countNested(f.Bytes, inner[0], inner[1:]...)
		if n += nested; !ok {
			return n, false
		}
	}
	return n, !f.Bad
}
