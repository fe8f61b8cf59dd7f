package overview

import (
	"cmp"
	"slices"
	"time"
)

// Severity says how soon somebody has to look at a problem.
type Severity string

// The severities, the most severe first.
const (
	Critical Severity = "critical" // data is missing now, or will be within hours
	Warning  Severity = "warning"  // something is lost or wrong, most of it works
	Notice   Severity = "notice"   // all is well; it can be made better
)

// Problem is one thing that is not well.
type Problem struct {
	// ID is the kind of the problem and what it is about: source_mute/rlp. It stays the same while the problem lasts.
	ID string `json:"id"`
	// Kind is the first part of the ID; docs/api.md lists all.
	Kind     string   `json:"kind"`
	Severity Severity `json:"severity"`
	// Sentence says what is not well, Remedy what to do about it.
	Sentence string `json:"sentence"`
	Remedy   string `json:"remedy"`
	// Link is the page of the console that shows more, with its query.
	Link string `json:"link"`
	// Runbook is the anchor of docs/runbook.md that says more, or empty.
	Runbook string `json:"runbook,omitempty"`
	// Since is when the problem began, as far as that is known.
	Since time.Time `json:"since,omitzero"`
}

// finder finds what is not well.
type finder struct {
	*Status

	monitor *Monitor
	own     *ownMetrics
	lately  string // Options.Recent in words
	found   []Problem
}

// problems returns what is not well, the most severe first, of those the nearest to the source of the data.
func (m *Monitor) problems(s *Status, own *ownMetrics) []Problem {
	f := finder{Status: s, monitor: m, own: own, lately: inWords(m.options.Recent), found: []Problem{}}
	for _, find := range []func(){
		f.everySource, f.nothing, f.losses, f.samples, f.limits, f.unread, f.scrapes, f.pushes, f.tokens, f.configuration,
		f.certificates, f.names,
	} {
		from := len(f.found)
		find()
		slices.SortFunc(f.found[from:], func(x, y Problem) int { return cmp.Compare(x.ID, y.ID) })
	}
	slices.SortStableFunc(f.found, func(x, y Problem) int {
		return cmp.Compare(severityOrder[x.Severity], severityOrder[y.Severity])
	})
	return f.found
}

// add adds a problem of a kind, about a subject, which may be empty.
func (f *finder) add(p Problem, subject string) {
	if p.ID = p.Kind; subject != "" {
		p.ID += "/" + subject
	}
	f.found = append(f.found, p)
}

// grown returns how much a counter grew lately.
func (f *finder) grown(key Column, value float64) float64 {
	return f.grownIn(key, value, f.monitor.options.Recent)
}

// grownIn returns how much a counter grew in the time before now.
func (f *finder) grownIn(key Column, value float64, window time.Duration) float64 {
	by, _ := f.monitor.recorder.increase(key, value, f.own.at, window)
	return by
}

// grownCounts calls yield, with the value of its label, for each series of a counter that grew lately.
func (f *finder) grownCounts(name string, yield func(label string, by float64)) {
	for key, value := range f.own.counts {
		if key.Metric == name {
			if by := f.grown(key, value); by > 0 {
				yield(key.First, by)
			}
		}
	}
}

// atMost shortens a time after which something is a problem to that in which events are.
func (f *finder) atMost(d time.Duration) time.Duration { return min(d, f.monitor.options.Recent) }
