package remotewrite

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// family is what all its points have in common.
type family struct {
	name string // as it is pushed
	typ  metric.Type
	help string
	unit string
}

// point is one child of a family: a value, or a whole histogram or summary. Slices are the owner's.
type point struct {
	labels metric.Labels
	value  float64 // gauge, counter
	shape
	values     []float64 // the cumulative counts of the buckets of the bounds, or the quantiles' values
	count, sum float64
	// Of what is not known a stale marker is pushed, which ends the series where it was known before.
	uncounted, unsummed bool
	start               int64 // milliseconds at which it was 0; 0 where unknown

	histogram *store.Native // set where shape.native is
	// restarted says that the histogram began after everything that was pushed of the series before.
	restarted bool
	exemplars []store.Exemplar // of each bucket, the one for +Inf last; or empty
	fresh     window           // of those that are pushed
}

// shape is what decides which time series a histogram or summary has; that of everything else is the zero value.
type shape struct {
	// classic has a series for each of the bounds, which are a histogram's upper bounds without +Inf or a summary's quantiles, and for
	// sum and count. Without it there are no bounds.
	classic bool
	native  bool // a series of native histograms
	bounds  []float64
}

// spread is the number of time series that a point becomes.
func spread(t metric.Type, s *shape) (n int) {
	if t != metric.TypeHistogram && t != metric.TypeSummary {
		return 1
	}
	if s.native {
		n = 1
	}
	if s.classic {
		n += len(s.bounds) + 2
		if t == metric.TypeHistogram {
			n++ // +Inf
		}
	}
	return n
}

const nameLabel = "__name__"

// encoder turns points into the time series of a message. Everything that it keeps is reused.
type encoder struct {
	message  *message
	external []metric.Label // sorted by name
	natives  bool           // whether histograms may be native ones

	family *family
	use    int // of the message when the names and the metadata were encoded
	// names are the labels __name__ of the family's series: itself, _bucket, _sum and _count.
	names    [4][]byte
	metadata []byte

	set []metric.Label
	// The point's labels, encoded: before __name__, between that and the label of buckets or quantiles, after that.
	parts  [3][]byte
	bound  []byte
	pieces [5][]byte
	texts  map[float64]string
	data   []byte // the fields of the series that hold no labels
	buffer []byte // of what is in these
	deltas []byte
	traced []*store.Exemplar
}

func newEncoder(v2, natives bool, external []metric.Label) *encoder {
	return &encoder{message: newMessage(v2), natives: natives, external: external, texts: map[float64]string{}}
}

var suffixes = [...]string{"", "_bucket", "_sum", "_count"} // constant

const (
	suffixNone = iota
	suffixBucket
	suffixSum
	suffixCount
)

// begin makes f the family of the points to come.
func (e *encoder) begin(f *family) { e.family, e.use = f, 0 }

// prepare encodes what is the family's, once in every message.
func (e *encoder) prepare() {
	if e.use == e.message.use {
		return
	}
	e.use = e.message.use
	f := e.family
	for i, suffix := range suffixes {
		composed := f.typ == metric.TypeHistogram || f.typ == metric.TypeSummary
		if i > 0 && !composed || i == suffixNone && f.typ == metric.TypeHistogram && !e.natives || i == suffixBucket && f.typ == metric.TypeSummary {
			continue
		}
		e.names[i] = e.message.appendLabel(e.names[i][:0], nameLabel, f.name+suffix)
	}
	e.metadata = e.metadata[:0]
	if e.message.v2 {
		e.metadata = e.message.appendMetadata(e.metadata, f)
	}
}

// boundLabel is the label that tells a family's composed series apart.
func boundLabel(t metric.Type) string {
	if t == metric.TypeSummary {
		return "quantile"
	}
	return "le"
}

// load encodes the labels of a point.
func (e *encoder) load(labels metric.Labels) {
	e.prepare()
	e.merge(labels)
	bound := boundLabel(e.family.typ)
	part := 0
	for i := range e.parts {
		e.parts[i] = e.parts[i][:0]
	}
	for i := range e.set {
		l := &e.set[i]
		for part < 2 && l.Name > [...]string{nameLabel, bound}[part] {
			part++
		}
		e.parts[part] = e.message.appendLabel(e.parts[part], l.Name, l.Value)
	}
}

// merge fills e.set with the labels and the external ones, sorted by name.
func (e *encoder) merge(labels metric.Labels) {
	e.set = e.set[:0]
	external, conflict := e.external, false
	for name, value := range labels.All() {
		for len(external) > 0 && external[0].Name < name {
			e.set = append(e.set, external[0])
			external = external[1:]
		}
		if len(external) > 0 && external[0].Name == name {
			conflict = true
		}
		e.set = append(e.set, metric.Label{Name: name, Value: value})
	}
	e.set = append(e.set, external...)
	if conflict {
		e.resolve(labels)
	}
}

// resolve does what a scrape does with a series that has a label of the target's: it becomes exported_<name>.
func (e *encoder) resolve(labels metric.Labels) {
	e.set = append(e.set[:0], e.external...)
	taken := func(name string) bool {
		return slices.ContainsFunc(e.set, func(l metric.Label) bool { return l.Name == name })
	}
	var moved []metric.Label
	for name, value := range labels.All() {
		if l := (metric.Label{Name: name, Value: value}); taken(name) {
			moved = append(moved, l)
		} else {
			e.set = append(e.set, l)
		}
	}
	for _, l := range moved {
		for taken(l.Name) {
			l.Name = "exported_" + l.Name
		}
		e.set = append(e.set, l)
	}
	slices.SortFunc(e.set, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
}

// add adds all time series of a point.
func (e *encoder) add(p *point, timestamp int64) {
	e.load(p.labels)
	s := sample{timestamp: timestamp, start: p.start}
	with := func(v float64) sample {
		s.bits = valueBits(v)
		return s
	}
	switch e.family.typ {
	case metric.TypeHistogram:
		if p.native {
			e.native(p, timestamp)
		}
		if !p.classic {
			return
		}
		for i, b := range p.bounds {
			e.composed(suffixBucket, b, with(p.values[i]), p.exemplar(i))
		}
		e.composed(suffixBucket, math.Inf(1), with(p.count), p.exemplar(len(p.bounds)))
	case metric.TypeSummary:
		for i, q := range p.bounds {
			e.composed(suffixNone, q, with(p.values[i]), nil)
		}
	default:
		e.simple(suffixNone, with(p.value))
		return
	}
	unless := func(unknown bool, v float64) sample {
		if unknown {
			return sample{bits: staleNaN, timestamp: timestamp}
		}
		return with(v)
	}
	e.simple(suffixSum, unless(p.unsummed, p.sum))
	e.simple(suffixCount, unless(p.uncounted, p.count))
}

// end adds the stale markers of a point that had this shape.
func (e *encoder) end(labels metric.Labels, was *shape, timestamp int64) {
	e.load(labels)
	s := sample{bits: staleNaN, timestamp: timestamp}
	switch e.family.typ {
	case metric.TypeHistogram:
		if was.native {
			e.endNative(timestamp)
		}
		if !was.classic {
			return
		}
		e.endBounds(was.bounds, s)
		e.composed(suffixBucket, math.Inf(1), s, nil)
	case metric.TypeSummary:
		e.endBounds(was.bounds, s)
	default:
		e.simple(suffixNone, s)
		return
	}
	e.simple(suffixSum, s)
	e.simple(suffixCount, s)
}

// endSome adds the stale markers of single bounds of a point that lives on with others.
func (e *encoder) endSome(labels metric.Labels, bounds []float64, timestamp int64) {
	e.load(labels)
	e.endBounds(bounds, sample{bits: staleNaN, timestamp: timestamp})
}

func (e *encoder) endBounds(bounds []float64, s sample) {
	suffix := suffixBucket
	if e.family.typ == metric.TypeSummary {
		suffix = suffixNone
	}
	for _, b := range bounds {
		e.composed(suffix, b, s, nil)
	}
}

func (e *encoder) simple(suffix int, s sample) {
	e.data = e.message.appendSample(e.data[:0], &s)
	e.addSimple(suffix)
}

// addSimple adds a time series that holds e.data.
func (e *encoder) addSimple(suffix int) {
	e.pieces = [5][]byte{e.parts[0], e.names[suffix], e.parts[1], e.parts[2]}
	e.message.addSeries(e.pieces[:4], e.data, e.metadata)
}

// composed adds a bucket or quantile, with an exemplar unless that is nil.
func (e *encoder) composed(suffix int, bound float64, s sample, x *store.Exemplar) {
	e.data = e.message.appendSample(e.data[:0], &s)
	if x != nil {
		e.exemplar(x)
	}
	e.bound = e.message.appendLabel(e.bound[:0], boundLabel(e.family.typ), e.text(bound))
	e.pieces = [5][]byte{e.parts[0], e.names[suffix], e.parts[1], e.bound, e.parts[2]}
	e.message.addSeries(e.pieces[:], e.data, e.metadata)
}

// maxTexts bounds the memory of the texts of bounds.
const maxTexts = 1 << 12

// text spells a bound as Prometheus 3 stores it, whichever format it was scraped in.
func (e *encoder) text(bound float64) string {
	if t, ok := e.texts[bound]; ok {
		return t
	}
	t := boundText(bound)
	if len(e.texts) < maxTexts {
		e.texts[bound] = t
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
