package console

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Sizes of a graph, in units of its view box, which is stretched to the place that the graph has.
const (
	graphWidth  = 300
	graphHeight = 60
)

// line is one line of a graph: values at equal intervals, the newest last; NaN where none is known.
type line struct {
	Name, Kind string
	Values     []float64
}

// graph is a small graph of the last hour.
type graph struct {
	Title string
	Lines []line // the first is filled below
	Write func(float64) string
	Span  string // how long ago the first value is

	top float64
}

// newGraph returns a graph of lines of one length. Values are shown in multiples of base, 1000 or 1024.
func newGraph(title, ago string, write func(float64) string, base float64, lines ...line) *graph {
	g := &graph{Title: title, Lines: lines, Write: write, Span: ago}
	for _, l := range lines {
		for _, v := range l.Values {
			if !math.IsNaN(v) {
				g.top = max(g.top, v)
			}
		}
	}
	g.top = niceTop(g.top, base)
	return g
}

// niceTop returns the next round value: 1, 2, 2.5 or 5 times a power of ten, of a power of base.
func niceTop(v, base float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := 1.0
	for v/unit >= base {
		unit *= base
	}
	power := unit * math.Pow(10, math.Floor(math.Log10(v/unit)))
	for _, f := range []float64{1, 2, 2.5, 5, 10} {
		if v <= f*power {
			return f * power
		}
	}
	return v
}

// Top is the value at the upper edge.
func (g *graph) Top() string { return g.Write(g.top) }

// Now is the newest value of the first line.
func (g *graph) Now() string {
	if v, ok := newest(g.Lines[0].Values); ok {
		return g.Write(v)
	}
	return "–"
}

func newest(values []float64) (float64, bool) {
	for _, v := range slices.Backward(values) {
		if !math.IsNaN(v) {
			return v, true
		}
	}
	return 0, false
}

// Key are the lines after the first, which has them all, with their newest values: the key to the graph.
func (g *graph) Key() (key []line) {
	if g.Lines[0].Name == "all" {
		key = g.Lines[1:]
	}
	return key
}

// Newest is the newest value of a line.
func (g *graph) Newest(l line) string {
	v, _ := newest(l.Values)
	return g.Write(v)
}

// Words say what a reader of the graph sees.
func (g *graph) Words() string {
	var b strings.Builder
	b.WriteString(g.Title)
	for _, l := range g.Lines {
		low, high := math.Inf(1), math.Inf(-1)
		for _, v := range l.Values {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
		if last, ok := newest(l.Values); ok {
			fmt.Fprintf(&b, "; %s: %s at last, lowest %s, highest %s", l.Name, g.Write(last), g.Write(low), g.Write(high))
		}
	}
	return b.String()
}

// Path draws a line, with a gap where no value is known.
func (g *graph) Path(l line) string { return g.path(l.Values, false) }

// Area is the place below the first line.
func (g *graph) Area() string { return g.path(g.Lines[0].Values, true) }

func (g *graph) path(values []float64, closed bool) string {
	var b []byte
	x := func(i int) float64 { return graphWidth * float64(i) / max(1, float64(len(values)-1)) }
	point := func(command byte, x, y float64) {
		b = append(b, command)
		b = strconv.AppendFloat(b, x, 'f', 1, 64)
		b = append(b, ' ')
		b = strconv.AppendFloat(b, y, 'f', 1, 64)
	}
	for i := 0; i < len(values); i++ {
		first := i
		for ; i < len(values) && !math.IsNaN(values[i]); i++ {
			command := byte('L')
			if i == first {
				command = 'M'
				if closed {
					point('M', x(i), graphHeight)
					command = 'L'
				}
			}
			point(command, x(i), graphHeight*(1-values[i]/g.top))
		}
		switch {
		case i > first && closed:
			point('L', x(i-1), graphHeight)
			b = append(b, 'Z')
		case i == first+1: // a point alone: a short line that can be seen
			point('L', x(first)+1, graphHeight*(1-values[first]/g.top))
		}
	}
	return string(b)
}
