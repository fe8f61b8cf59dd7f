package naming

import (
	"slices"
	"strings"
	"unicode"
)

// unit is a unit of measurement that components emit, or that their names hold, and the way to its base unit.
type unit struct {
	name     string   // canonical spelling, as in Units
	baseUnit string   // that values are converted to; name itself if it is one
	mul, div float64  // value*mul/div is the value in the base unit; division keeps decimal fractions exact
	words    []string // words by which a metric's name says that it is in this unit
	spelt    []string // further spellings in envelopes, lower case
}

// units is a table, never changed. The spellings are those of the components: `Kb`, `kb` and `KiB` all mean 1024
// bytes, as do the decimal prefixes of the BOSH agent, of Diego and of GemFire.
var units = []unit{
	{"seconds", "seconds", 1, 1, []string{"seconds", "second", "secs", "sec"}, []string{"s"}},
	{"milliseconds", "seconds", 1, 1e3, []string{"milliseconds", "millisecond", "millis", "msecs", "msec", "ms"}, nil},
	{
		"microseconds", "seconds", 1, 1e6,
		[]string{"microseconds", "microsecond", "micros", "usecs", "usec"},
		[]string{"us", "µs", "μs"},
	},
	{"nanoseconds", "seconds", 1, 1e9, []string{"nanoseconds", "nanosecond", "nanos", "nsecs", "nsec", "ns"}, nil},
	{"minutes", "seconds", 60, 1, []string{"minutes", "mins"}, []string{"minute", "min"}},
	{"hours", "seconds", 3600, 1, []string{"hours"}, []string{"hour", "h"}},
	{"days", "seconds", 86400, 1, []string{"days"}, []string{"day", "d"}},
	{"bytes", "bytes", 1, 1, []string{"bytes"}, []string{"byte"}},
	{"kibibytes", "bytes", 1 << 10, 1, []string{"kibibytes", "kilobytes", "kib", "kb"}, []string{"kibibyte", "kilobyte"}},
	{"mebibytes", "bytes", 1 << 20, 1, []string{"mebibytes", "megabytes", "mib", "mb"}, []string{"mebibyte", "megabyte"}},
	{"gibibytes", "bytes", 1 << 30, 1, []string{"gibibytes", "gigabytes", "gib", "gb"}, []string{"gibibyte", "gigabyte"}},
	{"tebibytes", "bytes", 1 << 40, 1, []string{"tebibytes", "terabytes", "tib", "tb"}, []string{"tebibyte", "terabyte"}},
	{"percent", "ratio", 1, 100, []string{"percent", "percentage", "pct"}, []string{"%"}},
	{"ratio", "ratio", 1, 1, []string{"ratio"}, []string{"fraction"}},
	{
		"bytes_per_second", "bytes_per_second", 1, 1, nil,
		[]string{"b/s", "bytes/s", "bytes/sec", "bytes/second", "byte/s"},
	},
	{"bytes_per_minute", "bytes_per_second", 1, 60, nil, []string{"bytes/min", "bytes/minute", "byte/minute"}},
	{"per_second", "per_second", 1, 1, nil, []string{"/s", "1/s"}},
	{"per_minute", "per_second", 1, 60, nil, []string{"/min", "1/min"}},
	{"decimal_kilobytes", "bytes", 1e3, 1, nil, nil},
	{"decimal_megabytes", "bytes", 1e6, 1, nil, nil},
	{"decimal_gigabytes", "bytes", 1e9, 1, nil, nil},
	{"decimal_terabytes", "bytes", 1e12, 1, nil, nil},
	{"meters", "meters", 1, 1, nil, nil},
	{"grams", "grams", 1, 1, nil, nil},
	{"volts", "volts", 1, 1, nil, nil},
	{"amperes", "amperes", 1, 1, nil, nil},
	{"joules", "joules", 1, 1, nil, nil},
	{"watts", "watts", 1, 1, nil, nil},
	{"hertz", "hertz", 1, 1, nil, nil},
	{"celsius", "celsius", 1, 1, nil, nil},
}

// ucum are the codes by which OpenTelemetry writes units, where components do not write them so: those of the Unified
// Code for Units of Measure, in which upper and lower case differ. They are the ones that OpenTelemetry's rules for
// Prometheus give names (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics).
var ucum = map[string]string{
	"By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes", "TiBy": "tebibytes",
	"kBy": "decimal_kilobytes", "KBy": "decimal_kilobytes", "MBy": "decimal_megabytes", "GBy": "decimal_gigabytes",
	"TBy": "decimal_terabytes", "By/s": "bytes_per_second", "By/min": "bytes_per_minute",
	"m": "meters", "g": "grams", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "Hz": "hertz",
	"Cel": "celsius",
}

// Units returns the canonical units, in the spelling that rules and Result use.
func Units() []string {
	names := make([]string, len(units))
	for i := range units {
		names[i] = units[i].name
	}
	return names
}

// CanonicalUnit returns the one of Units that a component's spelling means. It returns "" for words that are no unit
// of measurement: a type (gauge, counter, int), a filler (count, Metric, total) or a thing counted (connection,
// page). A single `b` is no unit either: the BOSH health monitor writes it for a boolean. What OpenTelemetry writes in
// braces says what is counted: {request}, By{sent}.
func CanonicalUnit(emitted string) string {
	s := strings.TrimSpace(emitted)
	if from, to := strings.IndexByte(s, '{'), strings.IndexByte(s, '}'); from >= 0 && from < to {
		return CanonicalUnit(s[:from] + s[to+1:])
	}
	if s == "B" {
		return "bytes"
	}
	if u := unitSpelt(strings.ToLower(s)); u != nil {
		return u.name
	}
	return ucum[s]
}

func unitSpelt(s string) *unit {
	for i := range units {
		u := &units[i]
		if u.name == s || slices.Contains(u.words, s) || slices.Contains(u.spelt, s) {
			return u
		}
	}
	return nil
}

func unitNamed(name string) *unit {
	for i := range units {
		if units[i].name == name {
			return &units[i]
		}
	}
	return nil
}

// UnitOfName returns the unit that the words of a base name state, or "": `memory_in_mb`, `lastGCPauseTimeNS`,
// `system.disk.percent`, `numBytesAllocated`, `seconds_behind_master`. It serves metrics of which neither a rule nor
// the envelope states a unit. It looks at the end, before `total`; for times also at the start; for bytes and
// percentages anywhere. A rate (`per`) has none of these units.
func UnitOfName(base string) string {
	if !mayStateUnit(base) {
		return ""
	}
	return statedUnit(base)
}

func statedUnit(base string) string {
	// Names of the usual length cost no memory.
	var runeBuffer [96]rune
	var spanBuffer [24]wordSpan
	name := runeBuffer[:0]
	for _, r := range base {
		name = append(name, r)
	}
	words := wordSpans(spanBuffer[:0], name)
	if n := len(words); n > 0 && wordIs(name, words[n-1], "total") {
		words = words[:n-1]
	}
	if len(words) < 2 {
		return ""
	}
	anywhere := ""
	for i, w := range words {
		switch {
		case wordIs(name, w, "per"):
			return ""
		case anywhere != "":
		case wordIs(name, w, "bytes"),
			wordIs(name, w, "byte") && i+1 < len(words) &&
				(wordIs(name, words[i+1], "count") || wordIs(name, words[i+1], "size")):
			anywhere = "bytes"
		case wordIs(name, w, "percent"), wordIs(name, w, "percentage"):
			anywhere = "percent"
		}
	}
	if anywhere != "" {
		return anywhere
	}
	first, last := words[0], words[len(words)-1]
	for i := range units {
		u := &units[i]
		for _, word := range u.words {
			if wordIs(name, last, word) || u.baseUnit == "seconds" && wordIs(name, first, word) {
				return u.name
			}
		}
	}
	return ""
}

// mayStateUnit returns false for most names that state no unit, at a fraction of the cost of statedUnit.
func mayStateUnit(name string) bool {
	name = strings.TrimFunc(name, isPunctuation)
	for i := 0; i+4 <= len(name); i++ {
		switch name[i] | 0x20 {
		case 'b':
			if strings.EqualFold(name[i:i+4], "byte") {
				return true
			}
		case 'p':
			if strings.EqualFold(name[i:i+4], "perc") {
				return true
			}
		}
	}
	if n := len(name) - len("total"); n > 0 && strings.EqualFold(name[n:], "total") {
		name = strings.TrimRightFunc(name[:n], isPunctuation)
	}
	if len(name) < 2 {
		return false
	}
	switch bytePair(name) { // of words for times
	case bytePair("se"), bytePair("mi"), bytePair("ms"), bytePair("us"), bytePair("na"), bytePair("ns"),
		bytePair("ho"), bytePair("da"):
		return true
	}
	switch bytePair(name[len(name)-2:]) { // ends of all words
	case bytePair("ds"), bytePair("nd"), bytePair("cs"), bytePair("ec"), bytePair("ms"), bytePair("is"),
		bytePair("os"), bytePair("ns"), bytePair("es"), bytePair("rs"), bytePair("ys"), bytePair("ib"),
		bytePair("kb"), bytePair("mb"), bytePair("gb"), bytePair("tb"), bytePair("nt"), bytePair("ge"),
		bytePair("ct"), bytePair("io"):
	default:
		return false
	}
	return slices.ContainsFunc(units, func(u unit) bool {
		return slices.ContainsFunc(
			u.words,
			func(w string) bool { return len(w) <= len(name) && strings.EqualFold(name[len(name)-len(w):], w) },
		)
	})
}

// bytePair returns the first two bytes of a text, in lower case if they are letters.
func bytePair(s string) uint16 { return uint16(s[0]|0x20)<<8 | uint16(s[1]|0x20) }

func isPunctuation(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

func wordIs(name []rune, at wordSpan, word string) bool {
	if at.end-at.start != len(word) {
		return false
	}
	for i := range len(word) {
		if lower(name[at.start+i]) != rune(word[i]) {
			return false
		}
	}
	return true
}
