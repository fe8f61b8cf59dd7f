package foundation

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// recentTimes is how many observations the quantiles of a timing are taken from.
const recentTimes = 100

// timing is what a component observes with a Prometheus histogram or summary, which the prom scraper takes apart:
// each part is a reading, and all agree with one another.
type timing struct {
	perSecond, median float64

	rounds  uint64
	owed    float64 // observations due, below one
	sum     float64
	count   float64
	buckets []*timingBucket
	recent  []float64 // the last ones, in no order
}

type timingBucket struct {
	bound, count float64
}

// timings are those of one component by their names.
type timings map[string]*timing

// model reads "NAME PER_SECOND MEDIAN sum", "... count", "... le BOUND" or "... quantile QUANTILE".
func (t timings) model(text string) (model, error) {
	fields := strings.Fields(text)
	if len(fields) < 4 {
		return nil, fmt.Errorf("value model %q: a timing has a name, a rate, a median and what of it", "timing "+text)
	}
	numbers := make([]float64, 0, 3)
	for _, field := range append(fields[1:3:3], fields[4:]...) {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return nil, fmt.Errorf("value model %q: %w", "timing "+text, err)
		}
		numbers = append(numbers, n)
	}
	of := t[fields[0]]
	if of == nil {
		of = &timing{perSecond: numbers[0], median: numbers[1]}
		t[fields[0]] = of
	}
	switch what := fields[3]; {
	case what == "sum" && len(numbers) == 2:
		return &timingPart{of: of, value: func() float64 { return of.sum }}, nil
	case what == "count" && len(numbers) == 2:
		return &timingPart{of: of, value: func() float64 { return of.count }}, nil
	case what == "le" && len(numbers) == 3:
		bucket := &timingBucket{bound: numbers[2]}
		of.buckets = append(of.buckets, bucket)
		return &timingPart{of: of, value: func() float64 { return bucket.count }}, nil
	case what == "quantile" && len(numbers) == 3:
		return &timingPart{of: of, value: func() float64 { return of.quantile(numbers[2]) }}, nil
	default:
		return nil, fmt.Errorf(
			"value model %q: of a timing there are sum, count, le BOUND and quantile QUANTILE", "timing "+text,
		)
	}
}

// timingPart is one number of a timing. The first part that is read in a round makes the round's observations.
type timingPart struct {
	of     *timing
	rounds uint64
	value  func() float64
}

func (p *timingPart) next(seconds float64, rng *rand.Rand) float64 {
	if p.rounds == p.of.rounds {
		p.of.observe(seconds, rng)
	}
	p.rounds = p.of.rounds
	return p.value()
}

// observe draws times that are log-normal around the median.
func (t *timing) observe(seconds float64, rng *rand.Rand) {
	t.rounds++
	for t.owed += t.perSecond * seconds; t.owed >= 1; t.owed-- {
		took := t.median * math.Exp(0.8*rng.NormFloat64())
		t.sum += took
		for _, b := range t.buckets {
			if took <= b.bound {
				b.count++
			}
		}
		if len(t.recent) < recentTimes {
			t.recent = append(t.recent, took)
		} else {
			t.recent[int(t.count)%recentTimes] = took
		}
		t.count++
	}
}

// quantile is one of the last times; without any it is NaN, as Prometheus' client has it.
func (t *timing) quantile(q float64) float64 {
	if len(t.recent) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(t.recent))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
