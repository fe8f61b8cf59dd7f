package remotewrite

import (
	"cmp"
	"slices"

	"loggregator_exporter/metric"
)

// tracker knows which series the last round pushed, so that those that are gone are ended with stale markers. It is fed in the
// order of the store, families by name and points by labels, so that what it knows is a sorted list: a label set costs
// the 16 bytes of a string header, whose text is the store's.
type tracker struct {
	known []*tracked
	next  []*tracked // known of the round that goes on
	at    int        // known families before it have been dealt with

	family *tracked // the family that is being fed
	member int      // its members before it have been dealt with
	// What the family holds now; copied to it at its end, so that the memory for two generations is that of one family only.
	labels []metric.Labels
	shapes []shape
}

// tracked is a family as the last round saw it. shapes are kept only where the type has some.
type tracked struct {
	raw    string // the store's name, by which it is sorted
	family family
	labels []metric.Labels
	shapes []shape
}

func (t *tracked) shapeOf(i int) shape {
	if len(t.shapes) == 0 {
		return shape{}
	}
	return t.shapes[i]
}

// ender takes the series that are gone.
type ender interface {
	// gone ends all series of a point that had a shape, or the part of it that is gone.
	gone(f *family, labels metric.Labels, was shape)
	// less ends those series of a living point that had the bounds.
	less(f *family, labels metric.Labels, bounds []float64)
}

func (t *tracker) begin() { t.next, t.at = t.next[:0], 0 }

// open begins a family, and ends those before it that are gone.
func (t *tracker) open(raw string, f *family, e ender) {
	for t.at < len(t.known) {
		k := t.known[t.at]
		order := cmp.Compare(k.raw, raw)
		if order > 0 {
			break
		}
		t.at++
		if order == 0 && k.family.typ == f.typ && k.family.name == f.name {
			k.family = *f
			t.family = k
			break
		}
		k.end(e)
	}
	if t.family == nil {
		t.family = &tracked{raw: raw, family: *f}
	}
	t.member, t.labels, t.shapes = 0, t.labels[:0], t.shapes[:0]
}

// see notes a point, and ends those before it that are gone. It returns the shape that the point had in the last round.
func (t *tracker) see(labels metric.Labels, now *shape, e ender) (before shape) {
	k := t.family
	for ; t.member < len(k.labels) && k.labels[t.member] <= labels; t.member++ {
		if k.labels[t.member] < labels {
			e.gone(&k.family, k.labels[t.member], k.shapeOf(t.member))
			continue
		}
		before = k.shapeOf(t.member)
		k.shrink(labels, before, now, e)
	}
	t.labels = append(t.labels, labels)
	if typ := k.family.typ; typ != metric.TypeHistogram && typ != metric.TypeSummary {
		return before
	}
	keep := *now
	switch last := len(t.shapes) - 1; {
	case slices.Equal(before.bounds, keep.bounds):
		keep.bounds = before.bounds
	case last >= 0 && slices.Equal(t.shapes[last].bounds, keep.bounds):
		keep.bounds = t.shapes[last].bounds
	default:
		keep.bounds = slices.Clone(keep.bounds)
	}
	t.shapes = append(t.shapes, keep)
	return before
}

// shrink ends those series of a living point that it does not have any more.
func (t *tracked) shrink(labels metric.Labels, before shape, now *shape, e ender) {
	if before.classic && !now.classic {
		e.gone(&t.family, labels, shape{classic: true, bounds: before.bounds})
	} else if gone := missing(before.bounds, now.bounds); len(gone) > 0 {
		e.less(&t.family, labels, gone)
	}
	if before.native && !now.native {
		e.gone(&t.family, labels, shape{native: true})
	}
}

func missing(before, now []float64) []float64 {
	if slices.Equal(before, now) {
		return nil
	}
	var gone []float64
	for _, b := range before {
		if !slices.Contains(now, b) {
			gone = append(gone, b)
		}
	}
	return gone
}

// shut ends the family and those of its points that were not seen.
func (t *tracker) shut(e ender) {
	k := t.family
	t.family = nil
	for ; t.member < len(k.labels); t.member++ {
		e.gone(&k.family, k.labels[t.member], k.shapeOf(t.member))
	}
	k.labels, k.shapes = refill(k.labels, t.labels), refill(k.shapes, t.shapes)
	clear(t.labels) // they would keep label sets from being freed
	if len(k.labels) > 0 {
		t.next = append(t.next, k)
	}
}

// refill is append(old[:0], now...) that gives memory back when most of it is not needed any more.
func refill[T any](old, now []T) []T {
	if cap(old) > 2*len(now)+64 {
		old = nil
	}
	clear(old)
	return append(old[:0], now...)
}

// commit ends the families that were not seen. Without it, after an interrupted round, they are known still.
func (t *tracker) commit(e ender) {
	for ; t.at < len(t.known); t.at++ {
		t.known[t.at].end(e)
	}
	t.interrupt()
}

// interrupt ends a round that did not see everything.
func (t *tracker) interrupt() {
	t.next = append(t.next, t.known[t.at:]...)
	t.known, t.next = t.next, t.known
	clear(t.next)
	t.at = 0
}

// endAll ends everything that is known.
func (t *tracker) endAll(e ender) {
	for _, k := range t.known {
		k.end(e)
	}
	t.known = nil
}

func (t *tracked) end(e ender) {
	for i, l := range t.labels {
		e.gone(&t.family, l, t.shapeOf(i))
	}
}
