package config

import (
	"math"
	"slices"
	"strings"

	"loggregator_exporter/internal/suggest"
)

// EnvPrefix starts the name of every environment variable that the exporter reads.
const EnvPrefix = "LOGGREGATOR_EXPORTER_"

// Kind is the type of a setting's value.
type Kind uint8

// The kinds of settings. Lists of objects can only be set in the file; everything else can be set anywhere.
const (
	KindString Kind = iota
	KindBool
	KindInt
	KindNumber
	KindDuration
	KindEnum       // one of Values
	KindPath       // a file; in the configuration file relative to that file's folder
	KindAddress    // host:port or :port
	KindSecret     // a string that no message shows
	KindStrings    // a list of strings, comma-separated in flags and variables
	KindEnums      // a list of some of Values
	KindPaths      // a list of files
	KindNumbers    // a list of numbers
	KindNameVals   // a list of {name, value}
	KindSecretVals // a list of {name, value} or {name, value_file}
	KindFromTos    // a list of {from, to}
	KindFilters    // a list of {keep: {...}} and {drop: {...}}
)

// kinds says how each kind is called.
var kinds = [...]struct {
	name string // in the documentation
	flag string // in the help of flags
	noun string // in messages; only of kinds that are no strings
	yaml string // the tags of the values in the file; only of kinds that are no strings
}{
	KindString:     {name: "string", flag: "string"},
	KindBool:       {name: "boolean", flag: "bool", noun: "a boolean", yaml: "!!bool"},
	KindInt:        {name: "integer", flag: "int", noun: "an integer", yaml: "!!int"},
	KindNumber:     {name: "number", flag: "number", noun: "a number", yaml: "!!int !!float"},
	KindDuration:   {name: "duration", flag: "duration", noun: "a duration"},
	KindEnum:       {name: "choice", flag: "string"},
	KindPath:       {name: "file", flag: "file"},
	KindAddress:    {name: "address", flag: "host:port"},
	KindSecret:     {name: "secret", flag: "string"},
	KindStrings:    {name: "list of strings", flag: "a,b,..."},
	KindEnums:      {name: "list of choices", flag: "a,b,..."},
	KindPaths:      {name: "list of files", flag: "a,b,..."},
	KindNumbers:    {name: "list of numbers", flag: "a,b,...", noun: "a number", yaml: "!!int !!float"},
	KindNameVals:   {name: "list of {name, value}"},
	KindSecretVals: {name: "list of {name, value} or {name, value_file}"},
	KindFromTos:    {name: "list of {from, to}"},
	KindFilters:    {name: "list of {keep} or {drop}"},
}

// String names the kind as the documentation does.
func (k Kind) String() string { return kinds[k].name }

// inFlags says whether flags and variables can express the kind. It and isList rely on the order of the constants.
func (k Kind) inFlags() bool { return k < KindNameVals }

func (k Kind) isList() bool { return k >= KindStrings && k <= KindNumbers }

// fields are the keys of the objects that the kind lists.
func (k Kind) fields() []string {
	switch k {
	case KindNameVals:
		return []string{"name", "value"}
	case KindSecretVals:
		return []string{"name", "value", "value_file"}
	case KindFromTos:
		return []string{"from", "to"}
	default:
		return nil
	}
}

// Setting describes one setting.
type Setting struct {
	Key  string // dotted path in the file
	Kind Kind
	// Default has the Go type that Kind decodes to: string, bool, int, float64, time.Duration, []string, []float64
	// or []any.
	Default any
	// DefaultText replaces the default in the documentation where it depends on other settings.
	DefaultText string
	Values      []string // KindEnum, KindEnums
	// Former says, of values that an older program takes, in lower case, what to write instead.
	Former  map[string]string
	Example string // a legal value, for error messages
	Help    string
}

// Env is the variable that sets it, or "" where only the file can.
func (s *Setting) Env() string {
	if !s.Kind.inFlags() {
		return ""
	}
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// Flag is the name of the flag that sets it, without dashes, or "" where only the file can.
func (s *Setting) Flag() string {
	if !s.Kind.inFlags() {
		return ""
	}
	return s.Key
}

// table is the settings by key.
type table struct {
	settings []*Setting
	byKey    map[string]*Setting
	known    []string // the keys of settings and of sections, in the order of the documentation
}

func newTable() *table {
	t := &table{byKey: map[string]*Setting{}}
	sections := map[string]bool{}
	for _, s := range Settings() {
		for i, c := range s.Key {
			if section := s.Key[:i]; c == '.' && !sections[section] {
				sections[section] = true
				t.known = append(t.known, section)
			}
		}
		t.known = append(t.known, s.Key)
		t.settings = append(t.settings, &s)
		t.byKey[s.Key] = &s
	}
	return t
}

// firstKey is the first setting of a section, or "" where there is no such section.
func (t *table) firstKey(section string) string {
	i := slices.IndexFunc(t.settings, func(s *Setting) bool { return strings.HasPrefix(s.Key, section+".") })
	if i < 0 {
		return ""
	}
	return t.settings[i].Key
}

// NearestKey returns the key that a misspelt one most likely means: one with up to two typing errors, else one with
// the same last word in another section, else the one with the fewest errors, less one for each letter that the last
// words have in common at the start. Of equals it is the first one.
func NearestKey(key string, known []string) string {
	best, bestCost := "", math.MaxInt
	for _, k := range known {
		cost, word, knownWord := suggest.Distance(key, k), lastWord(key), lastWord(k)
		switch {
		case cost <= 2:
		case word == knownWord:
			cost = 3
		default:
			shared := 0
			for shared < min(len(word), len(knownWord)) && word[shared] == knownWord[shared] {
				shared++
			}
			cost = max(4, cost-shared)
		}
		if cost < bestCost {
			best, bestCost = k, cost
		}
	}
	return best
}

func lastWord(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

func joinKey(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

// settingOf is the key of the setting that a path such as metrics.labels.add[0].name leads into.
func settingOf(path string) string {
	key, _, _ := strings.Cut(path, "[")
	return key
}
