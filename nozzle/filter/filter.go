// Package filter decides which metrics are kept, and selects at the far side what has to travel for that.
package filter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
)

// Filter is one entry of nozzle.filters: either Keep or Drop is set.
type Filter struct {
	Keep *Match `mapstructure:"keep"`
	Drop *Match `mapstructure:"drop"`
}

// Match says what a filter applies to: all fields that are set have to match, each by one of its patterns. With none
// set it applies to everything. Patterns are those of metric.Glob. None matches a field that the envelope does not
// have, so that app_id: "*" matches whatever comes from an app.
type Match struct {
	Kind       []string `mapstructure:"kind"` // gauge, counter or timer; no patterns
	Origin     []string `mapstructure:"origin"`
	Deployment []string `mapstructure:"deployment"`
	SourceID   []string `mapstructure:"source_id"`
	Name       []string `mapstructure:"name"`   // of the metric as sent; http for the requests of the gorouter
	AppID      []string `mapstructure:"app_id"` // the tag, or a source id that is a GUID
	AppName    []string `mapstructure:"app_name"`
	Org        []string `mapstructure:"org"`   // the organization's name
	Space      []string `mapstructure:"space"` // the space's name
}

// The fields of a Match, in the order of the documentation. fieldNames and Match.patterns have the same order, and
// Evaluator.readFields reads each.
const (
	byKind = iota
	byOrigin
	byDeployment
	bySourceID
	byName
	byAppID
	byAppName
	byOrg
	bySpace

	numFields
)

var fieldNames = [numFields]string{
	"kind", "origin", "deployment", "source_id", "name", "app_id", "app_name", "org",
	"space",
}

// Fields returns the keys that a filter can match by.
func Fields() []string { return slices.Clone(fieldNames[:]) }

// patterns returns the patterns of each field; nil where it is not set.
func (m *Match) patterns() [numFields][]string {
	return [...][]string{m.Kind, m.Origin, m.Deployment, m.SourceID, m.Name, m.AppID, m.AppName, m.Org, m.Space}
}

// Error is a mistake in the filters. Path is the key, such as nozzle.filters[0].drop.origin[1].
type Error struct {
	Path, Problem string
}

func (e *Error) Error() string { return e.Path + ": " + e.Problem }

const (
	filtersKey      = "nozzle.filters"
	maxPatternBytes = 1024
	maxFilters      = 1000
	maxPatterns     = 10_000 // of one filter
)

// List is the compiled filters in their order: the first one that matches decides, and what none matches is kept. It
// does not change after New.
type List struct {
	filters   []compiledFilter
	readsTags bool // whether a filter reads tags
}

type compiledFilter struct {
	keep   bool
	kinds  uint8        // one bit a metric.Kind
	fields []fieldMatch // of the envelope, but its kind and name
	names  *patterns    // nil: any
}

type fieldMatch struct {
	field int
	patterns
}

// Kinds by one bit each: all that hold metrics, and those among them that no selector asks for.
const (
	unselected = 1<<metric.KindHistogram | 1<<metric.KindSummary
	everyKind  = 1<<metric.KindGauge | 1<<metric.KindCounter | 1<<metric.KindTimer | unselected
)

// New compiles filters; it returns nil if there are none. The error joins an *Error for each filter that is wrong.
func New(filters []Filter) (*List, error) {
	if len(filters) == 0 {
		return nil, nil //nolint:nilnil // no filter is what was asked for
	}
	if len(filters) > maxFilters {
		return nil, &Error{
			filtersKey,
			fmt.Sprintf("holds %d filters, at most %d are possible: put values that are treated alike into one list",
				len(filters), maxFilters),
		}
	}
	list := &List{}
	var errs []error
	for i := range filters {
		compiled, err := compileFilter(filters, i)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list.filters = append(list.filters, compiled)
		for _, m := range compiled.fields {
			list.readsTags = list.readsTags || m.field != bySourceID
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return list, nil
}

// compileFilter compiles one filter, and refuses it if one before decides everything.
func compileFilter(filters []Filter, i int) (compiledFilter, error) {
	path := itemPath(filtersKey, i)
	match, keep, key := filters[i].Drop, false, path+".drop"
	if filters[i].Keep != nil {
		match, keep, key = filters[i].Keep, true, path+".keep"
	}
	if match == nil || filters[i].Keep != nil && filters[i].Drop != nil {
		return compiledFilter{}, &Error{path, "must have either keep or drop, for example {drop: {kind: timer}}"}
	}
	for n := range i {
		if filters[n].matchesAll() {
			return compiledFilter{}, &Error{
				path,
				fmt.Sprintf("is never reached: filter %d decides everything that comes to it; move it to the end", n),
			}
		}
	}
	f, err := compileMatch(match, key)
	f.keep = keep
	return f, err
}

// matchesAll reports whether the filter matches every envelope.
func (f *Filter) matchesAll() bool {
	for _, m := range []*Match{f.Keep, f.Drop} {
		if m == nil {
			continue
		}
		for _, texts := range m.patterns() {
			if texts != nil {
				return false
			}
		}
	}
	return true
}

func compileMatch(m *Match, path string) (compiledFilter, error) {
	f := compiledFilter{kinds: everyKind}
	total := 0
	for field, texts := range m.patterns() {
		if texts == nil {
			continue
		}
		key := path + "." + fieldNames[field]
		if total += len(texts); len(texts) == 0 || total > maxPatterns {
			return f, &Error{
				key,
				fmt.Sprintf("holds %d patterns, want 1 to %d; leave the key out to match anything", len(texts), maxPatterns),
			}
		}
		if field == byKind {
			kinds, err := compileKinds(texts, key)
			if err != nil {
				return f, err
			}
			f.kinds = kinds
			continue
		}
		compiled, err := compilePatterns(texts, key)
		if err != nil {
			return f, err
		}
		if field == byName {
			f.names = &compiled
		} else {
			f.fields = append(f.fields, fieldMatch{field, compiled})
		}
	}
	return f, nil
}

func compileKinds(texts []string, path string) (uint8, error) {
	kinds := uint8(0)
	for i, text := range texts {
		kind, ok := metric.ParseKind(text)
		if !ok || everyKind&(1<<kind) == 0 {
			problem := fmt.Sprintf("%q is not one of %s, histogram, summary", text, strings.Join(Kinds, ", "))
			if instead := EventKinds[strings.ToLower(text)]; instead != "" {
				problem += ": " + instead
			}
			return 0, &Error{itemPath(path, i), problem}
		}
		kinds |= 1 << kind
	}
	return kinds, nil
}

func itemPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// Kinds are the kinds of Loggregator's envelopes that hold metrics.
var Kinds = []string{"gauge", "counter", "timer"} // constant

// EventKinds says what to write in place of the names of the v1 protocol's events, here in lower case:
// firehose_exporter takes those.
var EventKinds = map[string]string{ // constant
	"containermetric": "container metrics are gauges, write gauge",
	"valuemetric":     "value metrics are gauges, write gauge",
	"counterevent":    "counter events are counters, write counter",
	"httpstartstop":   "requests are timers, write timer",
	"logmessage":      "log messages hold no metrics, leave it out",
	"error":           "errors hold no metrics, leave it out",
}
