package store

import "math"

type conversionPos uint16

// conversion converts a value as sent into the value that is shown.
type conversion struct {
	mul, div   float64
	fractional bool // counts are bits of float64: see metric.Envelope.Fractional
}

// conversionOf returns the conversion of an entry of a kind that was resolved.
func conversionOf(kind nameKind, r *Resolved) conversion {
	return conversion{r.Mul, r.Div, kind == nameFractionalCounter}
}

func (c *conversion) apply(v float64) float64 { return v * c.mul / c.div }

// conversions interns them, since there are few. Position 0 changes nothing.
type conversions []conversion

func newConversions() conversions { return conversions{{mul: 1, div: 1}} }

func (cs *conversions) intern(c conversion) conversionPos {
	for i, known := range *cs {
		if known == c {
			return conversionPos(i)
		}
	}
	*cs = append(*cs, c)
	return conversionPos(len(*cs) - 1)
}

// manyConversions is more than rules have at a time.
const manyConversions = 256

// compact forgets conversions that no entry uses, so that reload after reload adds none. It looks at all entries, and
// so only when there are many conversions.
func (cs *conversions) compact(entries *entries) {
	before := *cs
	if len(before) < manyConversions {
		return
	}
	*cs = newConversions()
	for pos := entryPos(1); pos <= entries.last; pos++ {
		e := entries.at(pos)
		e.conversion = cs.intern(before[e.conversion])
	}
}

// add adds to the count of a series.
func (cs *conversions) add(pos conversionPos, count, n uint64) uint64 {
	if (*cs)[pos].fractional {
		return math.Float64bits(math.Float64frombits(count) + math.Float64frombits(n))
	}
	return addUp(count, n)
}

// count is the value that is shown of a count.
func (cs *conversions) count(pos conversionPos, count uint64) float64 {
	c := &(*cs)[pos]
	if c.fractional {
		return c.apply(math.Float64frombits(count))
	}
	return c.apply(float64(count))
}

func (cs *conversions) apply(pos conversionPos, v float64) float64 {
	return (*cs)[pos].apply(v)
}

// undo is the inverse of apply.
func (cs *conversions) undo(pos conversionPos, v float64) float64 {
	c := &(*cs)[pos]
	return v * c.div / c.mul
}
