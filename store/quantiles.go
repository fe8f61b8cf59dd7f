package store

import (
	"math"
	"time"
)

// quantileSpan is the time that a half of a window covers.
const quantileSpan = int64(5 * time.Minute)

// window knows the distribution of the observations of the last five to ten minutes, in buckets of eight to a
// doubling: a quantile is off by 4.5 % of its value at the most, unless values spread over more than twenty
// doublings, and not at all where all values are equal. It takes a few hundred bytes, and no time that depends on
// how many observations there are.
type window struct {
	recent, before half
	since          int64 // our clock when recent began, nanoseconds
}

// half is one half of a window.
type half struct {
	native   native
	min, max float64
	count    uint64
}

func (p *half) observe(v float64) {
	if p.count == 0 {
		p.min, p.max = v, v
	}
	p.min, p.max = min(p.min, v), max(p.max, v)
	p.count++
	p.native.observe(v)
}

// reset empties a half and keeps its memory.
func (p *half) reset() {
	n := p.native
	n.reset(nativeSchema, nativeZero)
	*p = half{native: n}
}

func (w *window) observe(v float64, now int64) {
	if w.since == 0 {
		w.recent.reset()
		w.before.reset()
		w.since = now
	}
	if age := now - w.since; age >= quantileSpan {
		w.recent, w.before = w.before, w.recent
		w.recent.reset()
		if age >= 2*quantileSpan {
			w.before.reset()
		}
		w.since = now
	}
	w.recent.observe(v)
}

// appendQuantiles appends the value of each of the quantiles, which ascend; NaN where nothing was observed lately.
func (w *window) appendQuantiles(dst, quantiles []float64, now int64) []float64 {
	var halves [2]*half
	n := 0
	for i, p := range []*half{&w.recent, &w.before} {
		if p.count > 0 && now-w.since < int64(2-i)*quantileSpan {
			halves[n] = p
			n++
		}
	}
	m := merged{halves: halves[:n]}
	lowest, highest, total := math.Inf(1), math.Inf(-1), uint64(0)
	for _, p := range m.halves {
		lowest, highest, total = min(lowest, p.min), max(highest, p.max), total+p.count
	}
	seen, value := uint64(0), 0.0
	for _, q := range quantiles {
		if total == 0 {
			dst = append(dst, math.NaN())
			continue
		}
		rank := max(1, uint64(math.Ceil(q*float64(total))))
		for seen < rank {
			var count uint64
			value, count = m.next()
			seen += count
		}
		if rank >= total {
			value = highest
		}
		dst = append(dst, max(lowest, min(value, highest)))
	}
	return dst
}

// merged goes through the buckets of halves in the order of their values.
type merged struct {
	halves []*half
	at     [2]int // 0 is the zero bucket, i+1 is positive.Counts[i]
}

// next returns the middle of the next bucket that has observations, and their number. It must not be called beyond
// the last.
func (m *merged) next() (value float64, count uint64) {
	value = math.Inf(1)
	from := -1
	for i, p := range m.halves {
		for m.at[i] <= len(p.native.positive.Counts) && p.native.at(m.at[i]) == 0 {
			m.at[i]++
		}
		if m.at[i] > len(p.native.positive.Counts) {
			continue
		}
		if v := p.native.middle(m.at[i]); v < value {
			value, from = v, i
		}
	}
	if from < 0 {
		return value, math.MaxUint32 // so that the caller does not wait for more
	}
	count = m.halves[from].native.at(m.at[from])
	m.at[from]++
	return value, count
}

// at is the number of observations in the zero bucket (0) or one of the others.
func (n *native) at(i int) uint64 {
	if i == 0 {
		return n.zero
	}
	return n.positive.Counts[i-1]
}

// middle is the geometric mean of a bucket's bounds, which is nowhere in it off by more than half of its width.
func (n *native) middle(i int) float64 {
	if i == 0 {
		return 0
	}
	upper := float64(n.positive.First + int32(i-1))
	return math.Exp2((upper - 0.5) * math.Exp2(float64(-n.schema)))
}

// ObservedQuantiles are the quantiles of summaries that the store makes.
var ObservedQuantiles = []float64{0.2, 0.5, 0.75, 0.95}
