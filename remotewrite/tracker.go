package remotewrite

import (
	"cmp"
	"slices"

	"loggregator_exporter/metric"
)

// tracker knows which series the last round pushed, and ends those that are gone with stale markers. It is fed in
// the order of the store, families by name and points by labels, so that it can keep sorted lists: a series costs
// the 16 bytes of a string header, whose text is the store's.
//
// A round calls begin, then for each family openFamily, add for each point and closeFamily, then commit or interrupt.
type tracker struct {
	known []*trackedFamily // of the last round
	next  []*trackedFamily // known of the current round
	pos   int              // families of known before it are compared

	family   *trackedFamily // the open one
	labelPos int            // its labels before it are compared
	// What the open family holds in this round. It is copied to the family at the end, so that only the largest family
	// takes memory twice.
	labels []metric.Labels
	shapes []shape
}

// trackedFamily is a family as the last round saw it. It has shapes only if its points have some.
type trackedFamily struct {
	storeName string // the lists are sorted by it
	family    family
	labels    []metric.Labels
	shapes    []shape
}

func (t *trackedFamily) shapeOf(i int) shape {
	if len(t.shapes) == 0 {
		return shape{}
	}
	return t.shapes[i]
}

// staleMarker writes stale markers.
type staleMarker interface {
	// endPoint ends the series that a point of the shape has.
	endPoint(f *family, labels metric.Labels, was shape)
}

func (t *tracker) begin() { t.next, t.pos = t.next[:0], 0 }

// openFamily begins a family, and ends those before it that are gone.
func (t *tracker) openFamily(storeName string, f *family, m staleMarker) {
	for t.pos < len(t.known) {
		k := t.known[t.pos]
		order := cmp.Compare(k.storeName, storeName)
		if order > 0 {
			break
		}
		t.pos++
		if order == 0 && k.family.typ == f.typ && k.family.name == f.name {
			k.family = *f
			t.family = k
			break
		}
		k.end(m)
	}
	if t.family == nil {
		t.family = &trackedFamily{storeName: storeName, family: *f}
	}
	t.labelPos, t.labels, t.shapes = 0, t.labels[:0], t.shapes[:0]
}

// add notes a point, and ends those before it that are gone. It returns the shape that the point had in the last
// round.
func (t *tracker) add(labels metric.Labels, now *shape, m staleMarker) (before shape) {
	k := t.family
	for ; t.labelPos < len(k.labels) && k.labels[t.labelPos] <= labels; t.labelPos++ {
		if k.labels[t.labelPos] < labels {
			m.endPoint(&k.family, k.labels[t.labelPos], k.shapeOf(t.labelPos))
			continue
		}
		before = k.shapeOf(t.labelPos)
		k.endMissing(labels, before, now, m)
	}
	t.labels = append(t.labels, labels)
	if !k.family.composed() {
		return before
	}
	kept := *now
	switch last := len(t.shapes) - 1; { // the bounds are shared with another shape where possible
	case slices.Equal(before.bounds, kept.bounds):
		kept.bounds = before.bounds
	case last >= 0 && slices.Equal(t.shapes[last].bounds, kept.bounds):
		kept.bounds = t.shapes[last].bounds
	default:
		kept.bounds = slices.Clone(kept.bounds)
	}
	t.shapes = append(t.shapes, kept)
	return before
}

// endMissing ends the series that a point had before and does not have now.
func (t *trackedFamily) endMissing(labels metric.Labels, before shape, now *shape, m staleMarker) {
	switch {
	case before.classic && !now.classic:
		m.endPoint(&t.family, labels, shape{classic: true, bounds: before.bounds})
	case !slices.Equal(before.bounds, now.bounds):
		isThere := func(b float64) bool { return slices.Contains(now.bounds, b) }
		m.endPoint(&t.family, labels, shape{bounds: slices.DeleteFunc(slices.Clone(before.bounds), isThere)})
	}
	if before.native && !now.native {
		m.endPoint(&t.family, labels, shape{native: true})
	}
}

// closeFamily ends the points of the open family that were not added.
func (t *tracker) closeFamily(m staleMarker) {
	k := t.family
	t.family = nil
	for ; t.labelPos < len(k.labels); t.labelPos++ {
		m.endPoint(&k.family, k.labels[t.labelPos], k.shapeOf(t.labelPos))
	}
	k.labels, k.shapes = replace(k.labels, t.labels), replace(k.shapes, t.shapes)
	clear(t.labels) // so that the store's label sets can be freed
	if len(k.labels) > 0 {
		t.next = append(t.next, k)
	}
}

// replace is append(old[:0], now...) that frees the memory if most of it is not needed.
func replace[T any](old, now []T) []T {
	if cap(old) > 2*len(now)+64 {
		old = nil
	}
	clear(old)
	return append(old[:0], now...)
}

// commit ends a complete round, and all families that were not opened.
func (t *tracker) commit(m staleMarker) {
	for ; t.pos < len(t.known); t.pos++ {
		t.known[t.pos].end(m)
	}
	t.interrupt()
}

// interrupt ends a round that did not read everything: families that were not opened stay known.
func (t *tracker) interrupt() {
	t.next = append(t.next, t.known[t.pos:]...)
	t.known, t.next = t.next, t.known
	clear(t.next)
	t.pos = 0
}

// endAll ends everything that is known.
func (t *tracker) endAll(m staleMarker) {
	for _, k := range t.known {
		k.end(m)
	}
	t.known = nil
}

func (t *trackedFamily) end(m staleMarker) {
	for i, l := range t.labels {
		m.endPoint(&t.family, l, t.shapeOf(i))
	}
}
