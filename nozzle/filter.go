package nozzle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
)

// FilterOptions is one filter as configured: either Keep or Drop is set.
type FilterOptions struct {
	Keep *FilterMatch `mapstructure:"keep"`
	Drop *FilterMatch `mapstructure:"drop"`
}

// FilterMatch says what a filter applies to: all fields that are set have to match, each by one of its patterns. With none set it
// applies to everything. In patterns * stands for any characters, ? for one, and \ takes the meaning from the next. A pattern never
// matches what an envelope does not have, so that app_id: "*" is whatever comes from an app.
type FilterMatch struct {
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

// FilterFields are the keys of a FilterMatch, in the order of the documentation.
var filterFields = [...]string{"kind", "origin", "deployment", "source_id", "name", "app_id", "app_name", "org", "space"}

// FilterFields returns the keys that a filter can match by.
func FilterFields() []string { return slices.Clone(filterFields[:]) }

func (m *FilterMatch) patterns() [len(filterFields)][]string {
	return [...][]string{m.Kind, m.Origin, m.Deployment, m.SourceID, m.Name, m.AppID, m.AppName, m.Org, m.Space}
}

// FilterError is a mistake in the filters. Path is the key, such as nozzle.filters[0].drop.origin[1].
type FilterError struct {
	Path, Problem string
}

func (e *FilterError) Error() string { return e.Path + ": " + e.Problem }

const (
	filtersKey       = "nozzle.filters"
	maxPatternBytes  = 1024
	maxFilterRules   = 1000
	maxFilterStrings = 10_000
)

// What of an envelope filters look at, besides its kind and the names of its metrics.
const (
	byOrigin = iota
	byDeployment
	bySourceID
	byAppID
	byAppName
	byOrg
	bySpace

	numFilterFields
)

// Filter decides what reaches the store: the first rule that matches. What none matches is kept. It is read only after it was made.
type Filter struct {
	rules []filterRule
	tags  bool // whether any rule looks at tags
}

type filterRule struct {
	keep  bool
	kinds uint8 // one bit a metric.Kind
	envs  []fieldMatch
	names *patterns // nil: any
}

type fieldMatch struct {
	field int
	patterns
}

const everyKind = 1<<metric.KindGauge | 1<<metric.KindCounter | 1<<metric.KindTimer

// NewFilter compiles filters; without any it returns nil. The error is a *FilterError.
func NewFilter(rules []FilterOptions) (*Filter, error) {
	if len(rules) == 0 {
		return nil, nil //nolint:nilnil // no filter is what was asked for
	}
	if len(rules) > maxFilterRules {
		return nil, &FilterError{filtersKey, fmt.Sprintf("holds %d filters, at most %d are possible: put values that are treated alike into one list", len(rules), maxFilterRules)}
	}
	f := &Filter{}
	for i := range rules {
		path := filtersKey + "[" + strconv.Itoa(i) + "]"
		match, keep := rules[i].Drop, false
		key := path + ".drop"
		if rules[i].Keep != nil {
			match, keep, key = rules[i].Keep, true, path+".keep"
		}
		if match == nil || rules[i].Keep != nil && rules[i].Drop != nil {
			return nil, &FilterError{path, "must have either keep or drop, for example {drop: {kind: timer}}"}
		}
		for n := range f.rules {
			if f.rules[n].everything() {
				return nil, &FilterError{path, fmt.Sprintf("is never reached: filter %d decides everything that comes to it; move it to the end", n)}
			}
		}
		rule, err := compileFilter(match, key)
		if err != nil {
			return nil, err
		}
		rule.keep = keep
		f.rules = append(f.rules, rule)
		for _, m := range rule.envs {
			f.tags = f.tags || m.field != bySourceID
		}
	}
	return f, nil
}

// everything says whether the rule matches whatever comes to it.
func (r *filterRule) everything() bool {
	return r.kinds == everyKind && len(r.envs) == 0 && r.names == nil
}

func compileFilter(m *FilterMatch, path string) (filterRule, error) {
	rule := filterRule{kinds: everyKind}
	total := 0
	for i, texts := range m.patterns() {
		key := path + "." + filterFields[i]
		if texts == nil {
			continue
		}
		if total += len(texts); len(texts) == 0 || total > maxFilterStrings {
			return rule, &FilterError{key, fmt.Sprintf("holds %d patterns, want 1 to %d; leave the key out to match anything", len(texts), maxFilterStrings)}
		}
		if filterFields[i] == "kind" {
			kinds, err := compileKinds(texts, key)
			if err != nil {
				return rule, err
			}
			rule.kinds = kinds
			continue
		}
		compiled, err := compilePatterns(texts, key)
		if err != nil {
			return rule, err
		}
		if filterFields[i] == "name" {
			rule.names = &compiled
			continue
		}
		field := map[string]int{
			"origin": byOrigin, "deployment": byDeployment, "source_id": bySourceID, "app_id": byAppID, "app_name": byAppName, "org": byOrg, "space": bySpace,
		}[filterFields[i]]
		rule.envs = append(rule.envs, fieldMatch{field, compiled})
	}
	return rule, nil
}

func compileKinds(texts []string, path string) (uint8, error) {
	kinds := uint8(0)
	for i, text := range texts {
		kind, ok := metric.ParseKind(text)
		if !ok || everyKind&(1<<kind) == 0 {
			return 0, &FilterError{itemPath(path, i), fmt.Sprintf("%q is not one of %s", text, strings.Join(selectorKinds, ", "))}
		}
		kinds |= 1 << kind
	}
	return kinds, nil
}

func itemPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// patterns are texts of which one has to match.
type patterns struct {
	exact map[string]struct{}
	globs []string
}

func compilePatterns(texts []string, path string) (patterns, error) {
	p := patterns{exact: map[string]struct{}{}}
	for i, text := range texts {
		switch {
		case text == "":
			return p, &FilterError{itemPath(path, i), `is empty, which nothing matches: leave it out, or write "*" for any value`}
		case len(text) > maxPatternBytes:
			return p, &FilterError{itemPath(path, i), fmt.Sprintf("is %d bytes long, at most %d are possible", len(text), maxPatternBytes)}
		case trailingEscape(text):
			return p, &FilterError{itemPath(path, i), `ends in \, which takes the meaning from the next character: write \\ for the character itself`}
		case slices.Contains(texts[:i], text):
			return p, &FilterError{itemPath(path, i), fmt.Sprintf("%q stands twice: remove one", text)}
		case strings.ContainsAny(text, `*?\`):
			p.globs = append(p.globs, text)
		default:
			p.exact[text] = struct{}{}
		}
	}
	return p, nil
}

// trailingEscape says whether the last character takes the meaning from one that is not there.
func trailingEscape(text string) bool {
	n := len(text) - len(strings.TrimRight(text, `\`))
	return n%2 == 1
}

func (p *patterns) match(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	if _, ok := p.exact[string(text)]; ok {
		return true
	}
	for _, g := range p.globs {
		if globMatch(g, text) {
			return true
		}
	}
	return false
}

// globMatch matches a pattern of *, ? and \ in time that grows with the product of both lengths at most: only the last * is tried anew.
func globMatch(pattern string, text []byte) bool {
	p, t := 0, 0
	star, mark := -1, 0
	for t < len(text) {
		if p < len(pattern) {
			switch c := pattern[p]; {
			case c == '*':
				star, mark = p, t
				p++
				continue
			case c == '?':
				p++
				t = nextRune(text, t)
				continue
			case c == '\\' && pattern[p+1] == text[t]:
				p += 2
				t++
				continue
			case c != '\\' && c == text[t]:
				p++
				t++
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark = nextRune(text, mark)
		p, t = star+1, mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// nextRune steps over one character, or one byte of what is not UTF-8.
func nextRune(text []byte, at int) int {
	at++
	for n := 0; n < 3 && at < len(text) && text[at]&0xc0 == 0x80; n++ {
		at++
	}
	return at
}
