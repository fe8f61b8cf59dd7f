package remotewrite

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// family is what all points of a metric have in common.
type family struct {
	name string // as it is pushed
	typ  metric.Type
	help string
	unit string
}

// composed says whether a point of the family is a histogram or summary, which becomes several time series.
func (f *family) composed() bool { return f.typ == metric.TypeHistogram || f.typ == metric.TypeSummary }

// boundLabel is the label that tells the buckets or quantiles of a point apart.
func (f *family) boundLabel() string {
	if f.typ == metric.TypeSummary {
		return "quantile"
	}
	return "le"
}

// series returns the number of time series of a point.
func (f *family) series(s *shape) (n int) {
	if !f.composed() {
		return 1
	}
	if s.native {
		n = 1
	}
	n += len(s.bounds)
	if s.classic {
		n += 2
		if f.typ == metric.TypeHistogram {
			n++ // the bucket +Inf
		}
	}
	return n
}

// point is one value, histogram or summary of a family. Its slices are valid until the next point is read.
type point struct {
	labels metric.Labels
	ended  bool    // stale markers take the place of all values
	value  float64 // of a gauge or counter
	shape
	values     []float64 // the cumulative count of each bucket, or the value of each quantile
	count, sum float64
	// A count or sum that is not known is pushed as a stale marker, which ends the series if it was known before.
	uncounted, unsummed bool
	start               int64 // milliseconds since the epoch; 0 if unknown

	histogram *store.Native    // set if shape.native is
	restarted bool             // the histogram began after everything that was pushed of the series before
	exemplars []store.Exemplar // as in store.Histogram
	arrived   timeRange        // of the exemplars that are pushed
}

// shape decides which time series a histogram or summary has. It is the zero value for all other points.
type shape struct {
	classic bool // there is a time series for each bound, for the sum and for the count
	native  bool // there is one with native histograms
	// bounds are the upper bounds of buckets without +Inf, or the quantiles. Without classic there are none, unless the
	// time series of these bounds alone have ended.
	bounds []float64
}

const nameLabel = "__name__"

// Indices of encoder.names.
const (
	suffixNone = iota
	suffixBucket
	suffixSum
	suffixCount
)

var suffixes = [...]string{"", "_bucket", "_sum", "_count"} // constant

// encoder turns points into the time series of a message. It reuses all its memory.
//
// Labels are sorted by name in a request. What the time series of a point share is encoded once, in three parts: the
// labels before __name__, those between __name__ and the bound's label, and those after that.
type encoder struct {
	message  *message
	external []metric.Label // sorted by name
	natives  bool           // whether histograms may be native ones

	family     *family
	generation int // of the message when names and metadata were encoded
	names      [len(suffixes)][]byte
	metadata   []byte // 2.0 only

	labels []metric.Label // the point's and the external ones
	shared [3][]byte      // encoded
	bound  []byte         // the encoded label of the bound, or the labels of an exemplar
	parts  [5][]byte      // of the labels of one time series
	texts  map[float64]string
	data   []byte // the fields of a time series that hold no labels
	buffer []byte // of a field of these
	deltas []byte
	sorted []*store.Exemplar
}

func newEncoder(v2, natives bool, external []metric.Label) *encoder {
	return &encoder{message: newMessage(v2), natives: natives, external: external, texts: map[float64]string{}}
}

// begin makes f the family of the points that follow.
func (e *encoder) begin(f *family) { e.family, e.generation = f, 0 }

// encodeFamily encodes names and metadata of the family, once in each message.
func (e *encoder) encodeFamily() {
	if e.generation == e.message.generation {
		return
	}
	e.generation = e.message.generation
	f := e.family
	isHistogram := f.typ == metric.TypeHistogram
	used := [len(suffixes)]bool{
		suffixNone: !isHistogram || e.natives, suffixBucket: isHistogram, suffixSum: f.composed(), suffixCount: f.composed(),
	}
	for i, suffix := range suffixes {
		if used[i] {
			e.names[i] = e.message.appendLabel(e.names[i][:0], nameLabel, f.name+suffix)
		}
	}
	if e.message.v2 {
		e.metadata = e.message.appendMetadata(e.metadata[:0], f)
	}
}

// encodeLabels encodes the labels that all time series of a point share.
func (e *encoder) encodeLabels(labels metric.Labels) {
	e.encodeFamily()
	e.mergeLabels(labels)
	ends := [...]string{nameLabel, e.family.boundLabel()}
	part := 0
	for i := range e.shared {
		e.shared[i] = e.shared[i][:0]
	}
	for i := range e.labels {
		l := &e.labels[i]
		for part < len(ends) && l.Name > ends[part] {
			part++
		}
		e.shared[part] = e.message.appendLabel(e.shared[part], l.Name, l.Value)
	}
}

// mergeLabels fills e.labels with a point's labels and the external ones, sorted by name.
func (e *encoder) mergeLabels(labels metric.Labels) {
	e.labels = e.labels[:0]
	external, conflict := e.external, false
	for name, value := range labels.All() {
		for len(external) > 0 && external[0].Name < name {
			e.labels = append(e.labels, external[0])
			external = external[1:]
		}
		conflict = conflict || len(external) > 0 && external[0].Name == name
		e.labels = append(e.labels, metric.Label{Name: name, Value: value})
	}
	e.labels = append(e.labels, external...)
	if conflict {
		e.renameConflicts(labels)
	}
}

// renameConflicts fills e.labels as a scrape does for a series that has a label of its target: its own becomes
// exported_<name>.
func (e *encoder) renameConflicts(labels metric.Labels) {
	e.labels = append(e.labels[:0], e.external...)
	taken := func(name string) bool {
		return slices.ContainsFunc(e.labels, func(l metric.Label) bool { return l.Name == name })
	}
	var renamed []metric.Label
	for name, value := range labels.All() {
		if l := (metric.Label{Name: name, Value: value}); taken(name) {
			renamed = append(renamed, l)
		} else {
			e.labels = append(e.labels, l)
		}
	}
	for _, l := range renamed {
		for taken(l.Name) {
			l.Name = "exported_" + l.Name
		}
		e.labels = append(e.labels, l)
	}
	slices.SortFunc(e.labels, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
}

// add adds all time series of a point.
func (e *encoder) add(p *point, timestamp int64) {
	e.encodeLabels(p.labels)
	with := func(v float64, isKnown bool) sample {
		if p.ended || !isKnown {
			return sample{bits: staleNaN, timestamp: timestamp}
		}
		return sample{bits: valueBits(v), timestamp: timestamp, start: p.start}
	}
	if !e.family.composed() {
		e.addSample(suffixNone, with(p.value, true))
		return
	}
	if p.native {
		e.addNative(p, with(p.sum, true))
	}
	isHistogram, suffix := e.family.typ == metric.TypeHistogram, suffixNone
	if isHistogram {
		suffix = suffixBucket
	}
	for i, b := range p.bounds {
		v := 0.0
		if !p.ended {
			v = p.values[i]
		}
		e.addBound(suffix, b, with(v, true), p.exemplar(i))
	}
	if !p.classic {
		return
	}
	if isHistogram {
		e.addBound(suffix, math.Inf(1), with(p.count, true), p.exemplar(len(p.bounds)))
	}
	e.addSample(suffixSum, with(p.sum, !p.unsummed))
	e.addSample(suffixCount, with(p.count, !p.uncounted))
}

// addSample adds a time series without a bound.
func (e *encoder) addSample(suffix int, s sample) {
	e.data = e.message.appendSample(e.data[:0], &s)
	e.addData(suffix)
}

// addData adds a time series without a bound that holds e.data.
func (e *encoder) addData(suffix int) {
	e.parts = [...][]byte{e.shared[0], e.names[suffix], e.shared[1], e.shared[2], nil}
	e.message.addSeries(e.parts[:4], e.data, e.metadata)
}

// addBound adds the time series of a bucket or quantile. The exemplar may be nil.
func (e *encoder) addBound(suffix int, bound float64, s sample, x *store.Exemplar) {
	e.data = e.message.appendSample(e.data[:0], &s)
	if x != nil {
		e.appendExemplar(x)
	}
	e.bound = e.message.appendLabel(e.bound[:0], e.family.boundLabel(), e.text(bound))
	e.parts = [...][]byte{e.shared[0], e.names[suffix], e.shared[1], e.bound, e.shared[2]}
	e.message.addSeries(e.parts[:], e.data, e.metadata)
}

// text spells a bound as Prometheus 3 stores it, in whatever format it is scraped.
func (e *encoder) text(bound float64) string {
	const maxTexts = 1 << 12 // bounds the memory
	t, ok := e.texts[bound]
	if !ok {
		t = boundText(bound)
		if len(e.texts) < maxTexts {
			e.texts[bound] = t
		}
	}
	return t
}

func boundText(bound float64) string {
	if math.IsInf(bound, 1) {
		return "+Inf"
	}
	t := strconv.FormatFloat(bound, 'g', -1, 64)
	if !strings.ContainsAny(t, "e.nI") {
		t += ".0"
	}
	return t
}
