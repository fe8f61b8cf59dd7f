package api

import (
	"context"
	"math"
	"strconv"
	"time"
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
	// Name is an outcome, a source, or the ID of the graph where it has one line only.
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

const historyStep = 10 * time.Second

// History returns the last hour.
func (a *API) History(_ context.Context) (*History, error) {
	return &History{StepSeconds: historyStep.Seconds(), Times: []int64{}, Graphs: []Graph{}}, nil
}
