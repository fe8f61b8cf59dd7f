package foundation

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// model produces the values of one metric.
type model interface {
	// next advances by some seconds and returns the value then; that of a counter never falls.
	next(seconds float64, rng *rand.Rand) float64
}

// tallies gives models the counts of what the simulation itself does, by the words of the table: "traffic 2xx",
// "rlp dropped". A nil function means that the VM counts no such thing.
type tallies map[string]func() float64

// parseModel reads a value model as the top of metrics.tsv lists them; timings are those of the same component.
func parseModel(text string, counts tallies, observed timings) (model, error) {
	word, rest, _ := strings.Cut(text, " ")
	if word == "timing" {
		return observed.model(rest)
	}
	if word == "traffic" || word == "rlp" {
		count := counts[text]
		if count == nil {
			return nil, fmt.Errorf("nothing counts %q", text)
		}
		return tally(count), nil
	}
	want, known := map[string]int{"const": 1, "int": 2, "walk": 2, "rate": 1, "uptime": 0}[word]
	if !known {
		return nil, fmt.Errorf("unknown value model %q", text)
	}
	var numbers []float64
	for field := range strings.FieldsSeq(rest) {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return nil, fmt.Errorf("value model %q: %w", text, err)
		}
		numbers = append(numbers, n)
	}
	if len(numbers) != want {
		return nil, fmt.Errorf("value model %q: %d numbers needed", text, want)
	}
	switch word {
	case "const":
		return constant(numbers[0]), nil
	case "uptime":
		return new(uptime), nil
	case "rate":
		return &growth{perSecond: numbers[0]}, nil
	default:
		return &walk{low: numbers[0], high: numbers[1], whole: word == "int"}, nil
	}
}

type constant float64

func (c constant) next(float64, *rand.Rand) float64 { return float64(c) }

type tally func() float64

func (t tally) next(float64, *rand.Rand) float64 { return t() }

// uptime is the number of whole seconds that have passed.
type uptime float64

func (u *uptime) next(seconds float64, _ *rand.Rand) float64 {
	*u += uptime(seconds)
	return math.Floor(float64(*u))
}

// growth is a count that grows at some rate, by a fifth more or less each time.
type growth struct {
	perSecond float64
	value     float64
}

func (g *growth) next(seconds float64, rng *rand.Rand) float64 {
	g.value += g.perSecond * seconds * (0.8 + 0.4*rng.Float64())
	return math.Floor(g.value)
}

// walk wanders between two bounds, by at most a twentieth of the way between them at a time.
type walk struct {
	low, high float64
	whole     bool
	started   bool
	value     float64
}

func (w *walk) next(_ float64, rng *rand.Rand) float64 {
	span := w.high - w.low
	if w.started {
		w.value += span * (rng.Float64() - 0.5) / 10
		w.value = min(max(w.value, w.low), w.high)
	} else {
		w.value = w.low + span*rng.Float64()
		w.started = true
	}
	if w.whole {
		return math.Round(w.value)
	}
	return w.value
}
