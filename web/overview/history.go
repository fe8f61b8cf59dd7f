package overview

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
)

// History is the last hour as graphs. All lines have a value for each of Times.
type History struct {
	// StepSeconds is the time from one value to the next.
	StepSeconds float64 `json:"step_seconds"`
	// Times are Unix seconds, ascending; there are fewer than an hour's in the first hour.
	Times  []int64 `json:"times"`
	Graphs []Graph `json:"graphs"`
}

// Graph is several lines of one unit.
type Graph struct {
	// ID is samples, envelopes, series, scrape_duration, scrape_size or memory.
	ID    string `json:"id"`
	Title string `json:"title"`
	// Unit is samples/s, envelopes/s, series, seconds or bytes.
	Unit  string `json:"unit"`
	Lines []Line `json:"lines"`
}

// Line is the values of one thing over time.
type Line struct {
	// Name is an outcome, a source, or a word for the value.
	Name   string  `json:"name"`
	Values []Value `json:"values"`
}

// Value is a number of a graph; NaN, which is null in JSON, where nothing is known.
type Value float64

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(v), 'g', 6, 64), nil
}

// History returns the last hour.
func (m *Monitor) History(_ context.Context) (*History, error) {
	r := &m.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &History{StepSeconds: r.step.Seconds(), Times: make([]int64, len(r.times))}
	for i, t := range r.times {
		h.Times[i] = t.Unix()
	}
	line := func(name string, of Column) Line { return Line{name, r.line(of, false)} }
	h.Graphs = []Graph{
		{ID: "samples", Title: "Samples by outcome", Unit: "samples/s", Lines: r.rates("samples_total")},
		{
			ID: "envelopes", Title: "Envelopes by source", Unit: "envelopes/s",
			Lines: r.rates("envelopes_received_total"),
		},
		{ID: "series", Title: "Series", Unit: "series", Lines: []Line{line("series", columnSeries)}},
		{
			ID: "scrape_duration", Title: "Longest scrape", Unit: "seconds",
			Lines: []Line{line("duration", columnScrapeSeconds)},
		},
		{
			ID: "scrape_size", Title: "Largest scrape, not compressed", Unit: "bytes",
			Lines: []Line{line("size", columnScrapeBytes)},
		},
		{
			ID: "memory", Title: "Memory", Unit: "bytes",
			Lines: []Line{line("resident", columnResident), line("heap", columnHeap)},
		},
	}
	return h, nil
}

// rates returns one line for each series of a counter with one label; mu is held.
func (r *recorder) rates(name string) []Line {
	lines := []Line{}
	for key := range r.columns {
		if key.Metric == name {
			lines = append(lines, Line{key.First, r.line(key, true)})
		}
	}
	slices.SortFunc(lines, func(x, y Line) int { return strings.Compare(x.Name, y.Name) })
	return lines
}
