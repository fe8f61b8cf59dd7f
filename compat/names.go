package compat

import (
	"strings"
	"unicode/utf8"

	"loggregator_exporter/metric"
)

// containers are the names of container metrics, and what they become.
var containers = map[string]string{
	"cpu":          "container_metric_cpu_percentage",
	"memory":       "container_metric_memory_bytes",
	"disk":         "container_metric_disk_bytes",
	"memory_quota": "container_metric_memory_bytes_quota",
	"disk_quota":   "container_metric_disk_bytes_quota",
}

// containerSuffixes are the endings by which firehose_exporter takes a metric for one of a container, which then
// gets neither its kind nor its origin into its name.
var containerSuffixes = [...]string{"_cpu", "_memory", "_disk", "_memory_quota", "_disk_quota"}

// rawName returns the name of a gauge or counter without namespace and before it is made snake case.
func rawName(origin, name string, kind metric.Kind) string {
	if c, ok := containers[name]; ok {
		return c
	}
	for _, suffix := range containerSuffixes {
		if strings.HasSuffix(name, suffix) {
			return name
		}
	}
	switch {
	case kind == metric.KindGauge:
		return "value_metric_" + origin + "_" + name
	case kind == metric.KindCounter && !strings.HasSuffix(name, "_delta") && name != nameTotal:
		return "counter_event_" + origin + "_" + name + "_total"
	default:
		return name
	}
}

// normalize makes snake case of a name: words of letters or digits begin where upper case, lower case and digits
// meet, the last upper-case letter before a lower-case one belonging to the next word, and are joined by an
// underscore. Every other character between words becomes an underscore of its own, those at either end all but one.
// Letters outside ASCII are such characters.
func normalize(name string) string {
	b := make([]byte, 0, len(name)+8)
	for name != "" {
		c := classOf(name)
		if c == classOther {
			n, rest := others(name)
			if len(b) == 0 || rest == "" {
				n--
			}
			for range n {
				b = append(b, '_')
			}
			name = rest
			continue
		}
		if n := len(b); n > 0 && b[n-1] != '_' {
			b = append(b, '_')
		}
		size := wordSize(name, c)
		for i := range size {
			b = append(b, lower(name[i]))
		}
		name = name[size:]
	}
	return string(b)
}

type class uint8

const (
	classOther class = iota
	classLower
	classUpper
	classDigit
)

// classOf is the class of the first character.
func classOf(s string) class {
	switch c := s[0]; {
	case c >= 'a' && c <= 'z':
		return classLower
	case c >= 'A' && c <= 'Z':
		return classUpper
	case c >= '0' && c <= '9':
		return classDigit
	default:
		return classOther
	}
}

// others returns the number of characters of class other that a string begins with, and the rest.
func others(s string) (n int, rest string) {
	for s != "" && classOf(s) == classOther {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		n++
	}
	return n, s
}

// wordSize is the length of the word that a string begins with, whose first character is of the class.
func wordSize(s string, c class) int {
	end := run(s, c)
	if c != classUpper || end == len(s) || classOf(s[end:]) != classLower {
		return end
	}
	if end > 1 {
		return end - 1
	}
	return end + run(s[end:], classLower) // an upper-case letter alone begins the word
}

// run is the length of the run of a class that a string begins with.
func run(s string, c class) (end int) {
	for end < len(s) && classOf(s[end:]) == c {
		end++
	}
	return end
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
