package api

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/internal/suggest"
	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

const (
	maxLimit     = 1000
	defaultLimit = 100
	// maxLiveSeries bounds the series of one answer: each may have tags of 32 KiB.
	maxLiveSeries     = 200
	defaultLiveSeries = 20
	// maxParameterBytes bounds one parameter: a name has at most 1 KiB, tags have 32 KiB together.
	maxParameterBytes = 32 << 10
)

// ParseNamesQuery reads the parameters search, state, undescribed, metric, rule, owner, reason, sort, order, limit
// and cursor.
func ParseNamesQuery(values url.Values) (NamesQuery, error) {
	p := parameters{values: values}
	q := NamesQuery{
		Search: p.text("search"),
		State:  State(p.choice("state", "", stateNames()...)),
		Metric: p.text("metric"),
		Rule:   p.text("rule"),
		Owner:  p.text("owner"),
		Reason: p.choice("reason", "", Reasons()...),
		Sort:   p.choice("sort", "name", slices.Collect(maps.Keys(nameKeys))...),
		Limit:  p.number("limit", defaultLimit, 1, maxLimit),
		Cursor: p.text("cursor"),
	}
	q.Descending, q.Undescribed = p.descending(), p.choice("undescribed", "false", "true", "false") == "true"
	return q, p.finish()
}

// ParseExplainQuery reads the parameters name, origin, kind, unit, source_id, instance_id, tag (NAME=VALUE, repeated),
// series, state and cursor.
func ParseExplainQuery(values url.Values) (ExplainQuery, error) {
	p := parameters{values: values}
	q := ExplainQuery{
		Name:     p.text("name"),
		Origin:   p.text("origin"),
		Kind:     p.choice("kind", "", kindNames()...),
		Unit:     p.text("unit"),
		SourceID: p.text("source_id"), InstanceID: p.text("instance_id"),
		Series: p.number("series", defaultLiveSeries, 0, maxLiveSeries),
		State:  p.choice("state", "", entryStates()...),
		Cursor: p.text("cursor"),
	}
	for _, tag := range p.texts("tag", metric.MaxTags) {
		name, value, ok := strings.Cut(tag, "=")
		if !ok || name == "" {
			p.fail("tag", "%s is not NAME=VALUE", strconv.Quote(metric.Printable(tag)))
			continue
		}
		q.Tags = append(q.Tags, metric.Label{Name: name, Value: value})
	}
	if q.Name == "" {
		p.fail("name", "it is missing: say which name to explain, for example name=memoryStats.numBytesAllocated")
	}
	return q, p.finish()
}

// ParseRulesQuery reads the parameters file, unused, search, sort, order, limit and cursor.
func ParseRulesQuery(values url.Values) (RulesQuery, error) {
	p := parameters{values: values}
	q := RulesQuery{
		File:   p.text("file"),
		Unused: p.choice("unused", "false", "true", "false") == "true",
		Search: p.text("search"),
		Sort:   p.choice("sort", "place", "place", "id", "names", "series"),
		Limit:  p.number("limit", defaultLimit, 1, maxLimit),
		Cursor: p.text("cursor"),
	}
	q.Descending = p.descending()
	return q, p.finish()
}

// ParseRuleFile reads the parameter file.
func ParseRuleFile(values url.Values) (file string, err error) {
	p := parameters{values: values}
	if file = p.text("file"); file == "" {
		p.fail("file", "it is missing: say which rule file, as /api/v1/rules lists them")
	}
	return file, p.finish()
}

// ParseTryQuery reads the parameters replaces, name (repeated) and limit. The rule file itself is the body of the
// request.
func ParseTryQuery(values url.Values) (TryQuery, error) {
	p := parameters{values: values}
	q := TryQuery{
		Replaces: p.text("replaces"), Given: p.texts("name", maxTriedNames),
		Limit: p.number("limit", defaultLimit, 1, maxLimit),
	}
	return q, p.finish()
}

// ParseCardinalityQuery reads the parameters metric, label, value, search, owners, list, sort, order, limit and cursor.
func ParseCardinalityQuery(values url.Values) (CardinalityQuery, error) {
	p := parameters{values: values}
	lists := sizeLists()
	q := CardinalityQuery{
		Metric: p.text("metric"), Label: p.text("label"), Value: p.text("value"), Search: p.text("search"),
		List:   p.choice("list", "", slices.Collect(maps.Keys(lists))...),
		Owners: p.choice("owners", "", OwnersApps, OwnersComponents),
		Limit:  p.number("limit", defaultSizes, 1, maxLimit), Cursor: p.text("cursor"),
	}
	if q.Metric != "" && q.Label != "" {
		p.fail("label", "it cannot be asked for together with a metric: search the labels of that for %s",
			quote(q.Label+"="+q.Value))
	}
	if keys := lists[q.List]; keys != nil {
		q.Sort, q.Descending = p.choice("sort", "", keys...), p.descending()
	} else if p.text("sort")+p.text("order")+q.Cursor != "" {
		p.fail("list", "it is missing: say which list to sort or to go on with, for example list=metrics")
	}
	return q, p.finish()
}

// parseNothing refuses all parameters.
func parseNothing(values url.Values) error { return (&parameters{values: values}).finish() }

func stateNames() []string {
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = string(s)
	}
	return names
}

func kindNames() []string {
	return []string{
		metric.KindGauge.String(), metric.KindCounter.String(), metric.KindTimer.String(), metric.KindHistogram.String(),
		metric.KindSummary.String(),
	}
}

// entryStates are the states of live series.
func entryStates() (names []string) {
	for e := store.EntryWaiting; e <= store.EntryRefused; e++ {
		names = append(names, e.String())
	}
	return names
}

// parameters reads the parameters of a request. The first mistake is kept.
type parameters struct {
	values url.Values
	known  []string
	err    *Error
}

func (p *parameters) fail(name, format string, args ...any) {
	if p.err == nil {
		p.err = badData(name + ": " + fmt.Sprintf(format, args...))
	}
}

// texts returns all values of a parameter that may be repeated.
func (p *parameters) texts(name string, most int) []string {
	p.known = append(p.known, name)
	all := p.values[name]
	size := 0
	for _, text := range all {
		size += len(text)
	}
	if len(all) > most {
		p.fail(name, "it is there %d times, at most %d are allowed", len(all), most)
		return nil
	}
	if size > maxParameterBytes {
		p.fail(name, "it has %d bytes, at most %d are allowed", size, maxParameterBytes)
		return nil
	}
	return all
}

func (p *parameters) text(name string) string {
	if all := p.texts(name, 1); len(all) == 1 {
		return all[0]
	}
	return ""
}

func (p *parameters) choice(name, fallback string, choices ...string) string {
	text := p.text(name)
	if text == "" {
		return fallback
	}
	if !slices.Contains(choices, text) {
		slices.Sort(choices)
		p.fail(name, "%s is not one of %s", quote(text), strings.Join(choices, ", "))
		return fallback
	}
	return text
}

func (p *parameters) descending() bool { return p.choice("order", "asc", "asc", "desc") == "desc" }

func (p *parameters) number(name string, fallback, lowest, highest int) int {
	text := p.text(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < lowest || n > highest {
		p.fail(name, "%s is not a number from %d to %d", quote(text), lowest, highest)
		return fallback
	}
	return n
}

// finish returns the first mistake; a parameter that was not asked for is one.
func (p *parameters) finish() error {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if slices.Contains(p.known, name) {
			continue
		}
		if len(p.known) == 0 {
			p.fail(quote(name), "this path has no parameters")
			break
		}
		slices.Sort(p.known)
		hint := ""
		if near := suggest.Nearest(name, p.known); near != "" {
			hint = ": did you mean " + near + "?"
		}
		p.fail(quote(name), "there is no such parameter, only %s%s", strings.Join(p.known, ", "), hint)
	}
	if p.err == nil {
		return nil
	}
	return p.err
}

// quote cuts a text to what an error can bear.
func quote(text string) string {
	const limit = 80
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "..."
	}
	return strconv.Quote(metric.Printable(text))
}
