package store

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"

	"loggregator_exporter/metric"
)

// maxParts bounds the buckets or quantiles of one composite.
const maxParts = 512

type compositePos uint32

// composite is what a series of a composite family consists of.
type composite struct {
	points []point // by bound, +Inf last, or by quantile
	// bounds are the bounds without +Inf, converted, or the quantiles. The list is replaced, never changed, because
	// scrapes hold it; composites of a family that have the same bounds share it.
	bounds     []float64
	sum, count entryPos // x_sum and x_count, or 0
}

// point is a bucket or a quantile.
type point struct {
	at  float64
	pos entryPos
}

// all yields the parts of a composite.
func (c *composite) all() iter.Seq[entryPos] {
	return func(yield func(entryPos) bool) {
		for _, p := range c.points {
			if !yield(p.pos) {
				return
			}
		}
		for _, pos := range [...]entryPos{c.sum, c.count} {
			if pos != 0 && !yield(pos) {
				return
			}
		}
	}
}

func (c *composite) empty() bool { return len(c.points) == 0 && c.sum == 0 && c.count == 0 }

// find returns where a bound or quantile is, or belongs.
func (c *composite) find(at float64) (int, bool) {
	return slices.BinarySearchFunc(c.points, at, func(p point, at float64) int { return cmp.Compare(p.at, at) })
}

// shareBounds makes c.bounds anew.
func (c *composite) shareBounds(f *family) {
	var buffer [32]float64
	bounds := buffer[:0]
	for _, p := range c.points {
		if !math.IsInf(p.at, 1) {
			bounds = append(bounds, p.at)
		}
	}
	c.bounds = f.share(bounds)
}

// composites keeps the composites and connects them with their parts.
type composites struct {
	arena[compositePos, composite]

	entries     *entries
	families    *families
	conversions *conversions
}

// attach makes a loose entry a part of a live composite. If the composite has that part already, or too many, it
// returns what is against it: the other part, or the composite itself.
func (cs *composites) attach(pos, to entryPos, p *partName) (against entryPos, reason string) {
	e, whole := cs.entries.at(pos), cs.entries.at(to)
	f := cs.families.at(whole.family)
	c := cs.at(whole.composite())
	conversion := conversionPos(0) // that of counters is done when they are read
	switch p.role {
	case roleBucket, roleQuantile:
		at := p.at
		if p.role == roleBucket {
			at = cs.conversions.apply(whole.conversion, at)
		} else {
			conversion = whole.conversion
		}
		i, taken := c.find(at)
		switch {
		case taken:
			return c.points[i].pos, fmt.Sprintf("its %s is that of another series of this %s", p.role.tag(), f.typ)
		case len(c.points) >= maxParts:
			return to, fmt.Sprintf("a %s has %d of tag %s at most", f.typ, maxParts, p.role.tag())
		}
		c.points = slices.Insert(c.points, i, point{at, pos})
		c.shareBounds(f)
		f.points++
	case roleSum, roleCount:
		place := &c.count
		if p.role == roleSum {
			place, conversion = &c.sum, whole.conversion
		}
		if *place != 0 {
			return *place, fmt.Sprintf("this %s has it from another series", f.typ)
		}
		*place = pos
	case roleNone:
	}
	cs.makePart(e, to)
	e.expiry, e.conversion = whole.expiry, conversion
	e.value = cs.conversions.apply(conversion, e.value)
	return 0, ""
}

// makePart makes a loose entry a part of a composite, which may be refused or dropped.
func (cs *composites) makePart(e *entry, of entryPos) {
	whole := cs.entries.at(of)
	cs.entries.tagAs(e, whole)
	e.setDependsOn(ref{of, whole.gen})
	e.state = statePart
}

// detach takes a part from its composite, if it has a live one. The composite may be left empty, or its family without
// buckets and quantiles: see registry.remove.
func (cs *composites) detach(pos entryPos) {
	e := cs.entries.at(pos)
	of := e.dependsOn()
	if cs.entries.alive(of) && cs.entries.at(of.pos).state == stateLive {
		whole := cs.entries.at(of.pos)
		f, c := cs.families.at(whole.family), cs.at(whole.composite())
		switch pos {
		case c.sum:
			c.sum = 0
		case c.count:
			c.count = 0
		default:
			c.points = slices.DeleteFunc(c.points, func(p point) bool { return p.pos == pos })
			c.shareBounds(f)
			f.points--
		}
	}
	cs.loosen(e)
}

// end makes all parts of a live composite loose, and frees what it has beside its entry.
func (cs *composites) end(e *entry) {
	c := cs.at(e.composite())
	for pos := range c.all() {
		cs.loosen(cs.entries.at(pos))
	}
	cs.families.at(e.family).points -= len(c.points)
	cs.remove(e.composite())
	e.extra = 0
}

// loosen leaves a part its value, as it was sent.
func (cs *composites) loosen(e *entry) {
	e.setDependsOn(ref{})
	e.state = stateLoose
	e.value, e.conversion = cs.conversions.undo(e.conversion, e.value), 0
}

// compose makes a loose entry a part of its composite, which is made if need be. ok is false if the entry is no part
// of a histogram or summary; the caller then treats it as an ordinary series. That does not depend on which part
// came first: a new composite takes x_sum and x_count with it that were series of their own, and its family ends
// those that x_sum and x_count of other emitters made.
func (s *registry) compose(pos entryPos, r *Resolved) (at entryPos, outcome metric.Outcome, ok bool) {
	e := s.entries.at(pos)
	n := s.entries.names.at(e.name)
	tagset := s.entries.tagsets.at(e.tagset).key
	s.part = append(append(append(s.part[:0], tagset...), n.text...), n.unit...)
	key, name, unit := s.part[:len(tagset)], s.part[len(tagset):len(tagset)+len(n.text)], s.part[len(tagset)+len(n.text):]
	p := partNameOf(n.kind, name, unit, key)
	if p.role == roleNone || !s.identification.Load().Composites {
		return 0, 0, false
	}
	key = compositeKey(nil, key, p.role.tag())
	kind, ok := s.compositeKind(&p, key, r)
	if !ok {
		return 0, 0, false
	}
	of, outcome := s.findComposite(kind, key, p.base, e.arrived)
	switch {
	case of == 0: // there is no room to remember that it is refused
		s.remove(pos)
		return 0, outcome, true
	case e.state == statePart: // attachEarlierParts has done it
	case outcome != metric.Stored:
		s.composites.makePart(e, of)
		return pos, outcome, true
	default:
		against, reason := s.composites.attach(pos, of, &p)
		if reason != "" {
			at, outcome = s.refusePart(pos, of, against, reason)
			return at, outcome, true
		}
	}
	return pos, metric.Stored, true
}

// refusePart refuses a part that its composite has no place for.
func (s *registry) refusePart(pos, of, against entryPos, reason string) (entryPos, metric.Outcome) {
	e, outcome := s.entries.at(pos), metric.Conflict
	if against == of {
		outcome = metric.OverLimit
		e.flags |= flagCrowded
	}
	whole := s.entries.at(of)
	exposed := s.families.at(whole.family).name
	s.entries.tagAs(e, whole)
	e.setDependsOn(ref{against, s.entries.at(against).gen})
	s.refuse(e, outcome, exposed, cause{reason: reason})
	return s.removeCrowded(pos), outcome
}

var compositeKinds = [...]nameKind{nameCompositeHistogram, nameCompositeSummary}

// compositeKind returns the kind of composite that a part belongs to. x_sum and x_count belong to one if x is known
// as a composite, or if their own names, as r has them, are those of the parts of a composite of other emitters.
func (s *registry) compositeKind(p *partName, key []byte, r *Resolved) (nameKind, bool) {
	switch p.role {
	case roleBucket:
		return nameCompositeHistogram, true
	case roleQuantile:
		return nameCompositeSummary, true
	default:
	}
	if kind := s.entries.knownComposite(key, p.base); kind != 0 {
		return kind, true
	}
	if s.families.composites == 0 || s.limits.full() {
		return 0, false
	}
	for _, kind := range compositeKinds {
		id := newIdentity(string(key), kind, string(p.base))
		x := s.resolver.Resolve(&id)
		if x.Dropped || x.Invalid != "" || !isPartName(r.Metric, x.Metric) {
			continue
		}
		pos := s.families.named(x.Metric)
		if pos != 0 && s.families.at(pos).makeup == ofParts && s.families.at(pos).typ == x.Type {
			return kind, true
		}
	}
	return 0, false
}

// knownComposite returns the kind of the composite of an identity and a name, first one that is not refused; or 0.
func (n *entries) knownComposite(key, base []byte) (known nameKind) {
	for _, kind := range compositeKinds {
		if pos := n.lookup(key, kind, base); pos != 0 {
			if n.at(pos).state != stateRefused {
				return kind
			}
			known = kind
		}
	}
	return known
}

// partFamilies are the families that x_sum and x_count make by themselves, if the composite's family is called as
// given.
func partFamilies(composite string) [3]string {
	return [...]string{composite + "_sum", composite + "_count", composite + "_count_total"}
}

func isPartName(name, composite string) bool {
	names := partFamilies(composite)
	return slices.Contains(names[:], name)
}

// findComposite finds or makes a composite. It is 0 if there is no room to remember that it is refused.
func (s *registry) findComposite(kind nameKind, key, base []byte, arrived int64) (entryPos, metric.Outcome) {
	pos := s.entries.lookup(key, kind, base)
	if pos == 0 {
		hash := s.entries.hashBytes(key)
		tagset := s.entries.internTagset(hash, key)
		pos = s.entries.add(tagset, s.entries.internName(s.entries.hashName(kind, base, nil), kind, base, nil), arrived)
		s.limits.parts++
	} else {
		e := s.entries.at(pos)
		e.arrived = arrived
		switch {
		case e.state == stateLive:
			return pos, metric.Stored
		case e.state == stateDropped:
			return pos, metric.DroppedByRule
		case s.stillRefused(e):
			return pos, s.refusals.count(s.entries.kindOf(e), e.refusal(), e.arrived)
		}
		s.makeLoose(pos)
	}
	id, r := s.resolve(s.entries.at(pos))
	return s.settleAlone(pos, id, &r)
}

// attachEarlierParts makes x_sum and x_count that came before their composite parts of it. If the composite is dropped
// or refused they become loose.
func (s *registry) attachEarlierParts(composite entryPos) {
	whole := s.entries.at(composite)
	base, key := s.entries.names.at(whole.name).text, s.entries.tagsets.at(whole.tagset).key
	for _, p := range []struct {
		role   role
		kind   nameKind
		suffix []byte
	}{{roleSum, nameGauge, suffixSum}, {roleCount, nameCounter, suffixCount}} {
		name := append([]byte(base), p.suffix...)
		for _, k := range partKeys(key, p.role) {
			pos := s.entries.lookup(k, p.kind, name)
			if pos == 0 {
				continue
			}
			e := s.entries.at(pos)
			if e.state == stateLive || e.state == stateRefused {
				s.makeLoose(pos)
			}
			// Without a value it waits for its next sample.
			if e.state == stateLoose && e.stamp != 0 && whole.state == stateLive {
				if _, reason := s.composites.attach(pos, composite, &partName{role: p.role}); reason == "" {
					whole.arrived = max(whole.arrived, e.arrived)
				}
			}
		}
	}
}

// partFamiliesOf lists the families of x_sum and x_count that end when a family of composites begins.
func (fs *families) partFamiliesOf(r *Resolved) (out []familyPos) {
	for _, name := range partFamilies(r.Metric) {
		if pos := fs.named(name); pos != 0 && fs.isPartFamily(pos, r.Metric) {
			out = append(out, pos)
		}
	}
	return out
}

// isPartFamily reports whether a family is one that x_sum or x_count makes by itself.
func (fs *families) isPartFamily(pos familyPos, composite string) bool {
	f := fs.at(pos)
	if f.typ == metric.TypeGauge {
		return f.name == composite+"_sum"
	}
	return f.typ == metric.TypeCounter && isPartName(f.name, composite) && f.name != composite+"_sum"
}
