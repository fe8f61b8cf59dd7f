package store

import (
	"cmp"
	"math"
	"slices"

	"loggregator_exporter/metric"
)

const maxNativeSchema = 8

// Why a histogram or summary that its sender has counted is invalid; maxParts bounds its buckets or quantiles.
const (
	reasonEmpty     = "it holds nothing"
	reasonBounds    = "the bounds of its buckets are not numbers that rise, or there are more than 512"
	reasonCounts    = "the counts of its buckets do not add up"
	reasonNative    = "the schema or a bucket of its native buckets is out of range"
	reasonMixed     = "it is a summary and has buckets"
	reasonQuantiles = "its quantiles are not between 0 and 1, one comes twice, or there are more than 512"
)

// countedBySender takes one histogram or summary as its sender has counted it.
func (w *Writer) countedBySender(e *metric.Envelope) metric.Outcome {
	kind, read := nameHistogram, w.readHistogram
	if e.Kind == metric.KindSummary {
		kind, read = nameSummary, w.readSummary
	}
	of := w.sample(e, kind, w.identify(e))
	w.store.entries.hash(&of)
	if of.invalid == "" {
		of.invalid = reasonEmpty
		if e.Distribution != nil {
			of.invalid = read(e.Distribution)
		}
	}
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	pos, outcome := s.findOrAdd(&of)
	if outcome == metric.Stored {
		outcome = s.setDistribution(pos, e, &w.checked)
	}
	s.leaveOut(pos, &of, outcome)
	return outcome
}

// checked is what was found out about a histogram or summary, all but bounds before the lock is taken.
type checked struct {
	count     uint64            // all observations: where there are buckets their sum, since receivers compare the two
	quantiles []metric.Quantile // in order
	bounds    []float64         // those of classic buckets as they are shown, or the quantiles: see convertBounds
}

// readHistogram fills w.checked. It returns why the histogram is invalid, or "".
func (w *Writer) readHistogram(d *metric.Distribution) (invalid string) {
	w.checked.quantiles = w.checked.quantiles[:0]
	classic := len(d.Bounds)+len(d.Counts) > 0
	w.checked.count = d.Count
	if classic {
		all, ok := addAll(0, d.Counts)
		switch {
		case !ok || len(d.Counts) != len(d.Bounds)+1:
			return reasonCounts
		case !areBounds(d.Bounds):
			return reasonBounds
		}
		w.checked.count = all
	}
	if !d.HasNative {
		return ""
	}
	if d.Schema < minNativeSchema || d.Schema > maxNativeSchema || !inRange(&d.Positive, d.Schema) ||
		!inRange(&d.Negative, d.Schema) || !(d.ZeroThreshold >= 0 && d.ZeroThreshold <= math.MaxFloat64) {
		return reasonNative
	}
	positive, okPositive := addAll(d.ZeroCount, d.Positive.Counts)
	native, okNegative := addAll(positive, d.Negative.Counts)
	if !okPositive || !okNegative || classic && native != w.checked.count {
		return reasonCounts
	}
	w.checked.count = native
	return ""
}

// addAll adds counts to a sum; ok is false if it exceeds 64 bits.
func addAll(sum uint64, counts []uint64) (_ uint64, ok bool) {
	for _, c := range counts {
		if c > math.MaxUint64-sum {
			return 0, false
		}
		sum += c
	}
	return sum, true
}

// areBounds reports whether bounds of buckets rise, are finite and not too many.
func areBounds(bounds []float64) bool {
	before := math.Inf(-1)
	for _, b := range bounds {
		if !(b > before) {
			return false
		}
		before = b
	}
	return len(bounds) <= maxParts && before <= math.MaxFloat64
}

// inRange reports whether all native buckets that are not empty hold some float64.
func inRange(b *metric.NativeBuckets, schema int32) bool {
	const octaves = 1100 // from 2^-1074 to 2^1024, and a little more
	limit := int64(octaves) << maxNativeSchema >> (maxNativeSchema - schema)
	for i, c := range b.Counts {
		if at := int64(b.First) + int64(i); c > 0 && (at < -limit || at > limit) {
			return false
		}
	}
	return true
}

// readSummary fills w.checked. It returns why the summary is invalid, or "".
func (w *Writer) readSummary(d *metric.Distribution) (invalid string) {
	if d.HasNative || len(d.Bounds)+len(d.Counts) > 0 {
		return reasonMixed
	}
	byShare := func(a, b metric.Quantile) int { return cmp.Compare(a.Share, b.Share) }
	w.checked.count = d.Count
	w.checked.quantiles = append(w.checked.quantiles[:0], d.Quantiles...)
	all := w.checked.quantiles
	if !slices.IsSortedFunc(all, byShare) {
		slices.SortStableFunc(all, byShare)
	}
	before := -1.0
	for i := range all {
		share := all[i].Share
		if !(share > before && share >= 0 && share <= 1) || i >= maxParts {
			return reasonQuantiles
		}
		before = share
	}
	return ""
}

// setDistribution takes what the sender of a histogram or summary has counted. Totals go by the rules for the clocks of
// gauges: the newest stay. Lower ones, or ones that the sender began later, say that it has restarted. What a sender
// counts since it sent last is added up; what comes late is left out, since it may be counted already.
func (s *registry) setDistribution(pos entryPos, env *metric.Envelope, of *checked) metric.Outcome {
	e := s.entries.at(pos)
	d, x, c := env.Distribution, s.distributions.at(e.distribution()), &s.conversions[e.conversion]
	isHistogram := env.Kind == metric.KindHistogram
	isDelta := d.IsDelta && isHistogram
	stamp := clampStamp(env.Timestamp, env.Arrived)
	began := startOf(env, stamp)
	late := stamp < e.stamp || !isDelta && began > 0 && began < x.began
	switch {
	case late && e.staysOutdated(env.Arrived):
		return metric.Outdated
	case isDelta && stamp == e.stamp:
		return metric.Duplicate
	}
	of.convertBounds(d, c)
	sameBounds := slices.Equal(of.bounds, x.bounds)
	if !sameBounds && isHistogram && !areBounds(of.bounds) { // two have become one
		s.countRefused(e, metric.Invalid, reasonBounds)
		if len(x.counts) == 0 {
			s.remove(pos) // it was made for this
		}
		return metric.Invalid
	}
	if !sameBounds {
		x.bounds, x.exemplars = s.families.at(e.family).share(of.bounds), nil
	}
	goesOn := e.stamp > 0 && isDelta == x.isDelta
	e.stamp, e.aux, x.isDelta = stamp, 0, isDelta
	if !isDelta || !goesOn || !sameBounds || !x.canAdd(d, of, c) {
		x.restart(goesOn, began, env.Arrived, of.count)
		x.empty(d, c)
	}
	x.add(d, of, c)
	if isHistogram {
		x.keepExemplars(d, c, env.Arrived)
	}
	return metric.Stored
}

// startOf is when the sender began to count, or 0 if it does not say so in earnest.
func startOf(env *metric.Envelope, stamp int64) int64 {
	if env.Began < 0 || env.Began > stamp {
		return 0
	}
	return env.Began
}

func (of *checked) convertBounds(d *metric.Distribution, c *conversion) {
	of.bounds = of.bounds[:0]
	for _, b := range d.Bounds {
		of.bounds = append(of.bounds, c.apply(b))
	}
	for _, q := range of.quantiles {
		of.bounds = append(of.bounds, q.Share)
	}
}

// restart sets the start of the counts that come in place of those before. It is never ahead of our clock, which
// readers would not accept. goesOn says that the counts before were sent in the same way, so that totals may go on.
func (x *distribution) restart(goesOn bool, began, arrived int64, count uint64) {
	switch {
	case x.isDelta:
		x.start = arrived
		if began > 0 {
			x.start = min(began, arrived)
		}
	case !goesOn, began > 0 && began != x.began:
		x.start = min(began, arrived)
	case count < x.count:
		x.start = arrived
	}
	if began > 0 {
		x.began = began
	}
}

// canAdd reports whether the classic and native buckets are those that a histogram has already; their bounds are. What
// would exceed 64 bits cannot be added.
func (x *distribution) canAdd(d *metric.Distribution, of *checked, c *conversion) bool {
	return of.count <= math.MaxUint64-x.count && len(x.counts) == max(1, len(d.Counts)) &&
		d.HasNative == (x.native != nil) && (x.native == nil || x.native.zeroThreshold == c.apply(d.ZeroThreshold))
}

// empty makes room for other counts.
func (x *distribution) empty(d *metric.Distribution, c *conversion) {
	x.count, x.sum, x.unsummed = 0, 0, false
	x.counts = append(x.counts[:0], make([]uint64, max(1, len(d.Counts)))...)
	if !d.HasNative {
		x.native = nil
		return
	}
	if x.native == nil {
		x.native = &native{}
	}
	x.native.reset(d.Schema, c.apply(d.ZeroThreshold))
}

// add adds counts and takes the values of quantiles.
func (x *distribution) add(d *metric.Distribution, of *checked, c *conversion) {
	x.count += of.count
	x.sum += c.apply(d.Sum)
	x.unsummed = x.unsummed || !d.HasSum
	if x.unsummed {
		x.sum = math.NaN()
	}
	for i, n := range d.Counts {
		x.counts[i] += n
	}
	if len(d.Counts) == 0 {
		x.counts[0] += of.count
	}
	if d.HasNative {
		x.native.addSent(d, c)
	}
	x.values = x.values[:0]
	for _, q := range of.quantiles {
		x.values = append(x.values, c.apply(q.Value))
	}
}

// addSent adds the buckets that a sender has counted. A conversion that is no power of the schema's base moves their
// bounds by up to half a bucket.
func (n *native) addSent(d *metric.Distribution, c *conversion) {
	for n.schema > d.Schema {
		n.merge()
	}
	shift := int32(0)
	if c.mul != c.div {
		shift = int32(math.Round(math.Log2(c.mul/c.div) * math.Exp2(float64(d.Schema))))
	}
	n.zero += d.ZeroCount
	n.add(&n.positive, d.Positive.First+shift, d.Positive.Counts, d.Schema)
	n.add(&n.negative, d.Negative.First+shift, d.Negative.Counts, d.Schema)
}
