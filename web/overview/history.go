package overview

import (
	"context"
	"maps"
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
	h := &History{StepSeconds: historyStep.Seconds(), Times: make([]int64, len(r.times))}
	for i, t := range r.times {
		h.Times[i] = t.Unix()
	}
	one := func(id, title, unit string, lines ...string) Graph {
		g := Graph{ID: id, Title: title, Unit: unit, Lines: []Line{}}
		for i := 0; i+1 < len(lines); i += 2 {
			g.Lines = append(g.Lines, Line{lines[i], r.line(lines[i+1], false)})
		}
		return g
	}
	h.Graphs = []Graph{
		{ID: "samples", Title: "Samples by outcome", Unit: "samples/s", Lines: r.rates("samples_total", "outcome")},
		{
			ID: "envelopes", Title: "Envelopes by source", Unit: "envelopes/s",
			Lines: r.rates("envelopes_received_total", "source"),
		},
		one("series", "Series", "series", "series", "series"),
		one("scrape_duration", "Longest scrape", "seconds", "duration", columnScrapeSeconds),
		one("scrape_size", "Largest scrape, not compressed", "bytes", "size", columnScrapeBytes),
		one("memory", "Memory", "bytes", "resident", "process_resident_memory_bytes", "heap",
			"go_memstats_heap_inuse_bytes"),
	}
	return h, nil
}

// rates returns one line for each series of a counter with one label; mu is held.
func (r *recorder) rates(name, label string) []Line {
	lines := []Line{}
	prefix := column(name, label, "")
	for _, key := range slices.Sorted(maps.Keys(r.columns)) {
		if value, ok := strings.CutPrefix(key, prefix); ok {
			lines = append(lines, Line{value, r.line(key, true)})
		}
	}
	return lines
}
