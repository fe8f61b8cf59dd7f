package exposition

import (
	"strings"

	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

const (
	totalSuffix   = "_total"
	createdSuffix = "_created"
)

// names are the names of a family in one format under one escaping scheme.
type names struct {
	family string // in HELP, TYPE and UNIT
	sample string // of its samples, before _bucket, _sum and _count
	// altered is set if sample is not the store's own name. The store, which keeps its names apart, does not know it.
	altered bool
	// unknown is set if a counter is written as a family of unknown type, with the counter's own name: see unknownNames.
	unknown bool
}

// escape returns a name as the scheme writes it. Under NoEscaping it also replaces what makes Prometheus reject the
// whole page: invalid UTF-8 and NUL, at which its parsers end a quoted name; and other control characters
// (metric.Printable).
func escape(name string, scheme model.EscapingScheme) string {
	if model.LegacyValidation.IsValidMetricName(name) {
		return name
	}
	if scheme != model.NoEscaping {
		return model.EscapeName(name, scheme)
	}
	return metric.Printable(name)
}

// textNames names a family for the text format, in which metadata and samples have the same name.
func textNames(f *store.Family, scheme model.EscapingScheme) names {
	n := escape(f.Name, scheme)
	return names{family: n, sample: n, altered: n != f.Name}
}

// openMetricsNames names a family for OpenMetrics, in which the samples of a counter end in _total and its metadata
// does not. A verbatim counter name without _total gets it before the name is escaped, so that reversible schemes stay
// reversible.
func openMetricsNames(f *store.Family, scheme model.EscapingScheme) names {
	n := textNames(f, scheme)
	if f.Type != metric.TypeCounter || n.sample == "" {
		return n
	}
	if len(n.sample) <= len(totalSuffix) || !strings.HasSuffix(n.sample, totalSuffix) {
		n.sample = escape(f.Name+totalSuffix, scheme)
		n.altered = true
	}
	n.family = strings.TrimSuffix(n.sample, totalSuffix)
	return n
}

// unknownNames names a counter whose OpenMetrics names another family of the page has: a gauge x beside a counter
// x_total, as every program with client_golang has them, would both be the family x. Written as a family of unknown
// type the counter has no name but its own. Metadata of the text and protobuf formats, which have no such conflict,
// stay right.
func unknownNames(f *store.Family, scheme model.EscapingScheme) (n names, ok bool) {
	n = textNames(f, scheme)
	n.unknown = true
	return n, f.Type == metric.TypeCounter
}

// familySuffixes are the endings by which the samples of some type of family differ from its name.
var familySuffixes = [...]string{totalSuffix, createdSuffix, "_bucket", "_count", "_sum"}

// suffixes is a set of familySuffixes: bit i stands for the i-th.
type suffixes uint8

const (
	hasTotal suffixes = 1 << iota
	hasCreated
	hasBucket
	hasCount
	hasSum
)

// textSuffixes are the endings that a family of the type writes in the text format.
func textSuffixes(t metric.Type) suffixes {
	switch t {
	case metric.TypeHistogram:
		return hasBucket | hasCount | hasSum
	case metric.TypeSummary:
		return hasCount | hasSum
	default:
		return 0
	}
}

// openMetricsSuffixes are the endings that OpenMetrics reserves for a family of the type, written or not.
func openMetricsSuffixes(t metric.Type) suffixes {
	switch t {
	case metric.TypeCounter:
		return hasTotal | hasCreated
	case metric.TypeHistogram, metric.TypeSummary:
		return textSuffixes(t) | hasCreated
	default:
		return 0
	}
}

// claims holds the names that the families of one page use, so that no name is written twice. A check costs a few
// look-ups per family and nothing per sample; its memory is reused.
type claims struct {
	names   map[string]suffixes
	scratch []byte
}

func (c *claims) reset() {
	if c.names == nil {
		c.names = map[string]suffixes{}
	}
	clear(c.names)
}

// claim takes a family's name with all reserved endings. It returns false, and takes nothing, if one of them is taken.
func (c *claims) claim(name string, reserved suffixes) bool {
	if _, taken := c.names[name]; taken {
		return false
	}
	for i, suffix := range familySuffixes {
		if base, ok := strings.CutSuffix(name, suffix); ok && c.names[base]&(1<<i) != 0 {
			return false
		}
		if reserved&(1<<i) == 0 {
			continue
		}
		c.scratch = append(append(c.scratch[:0], name...), suffix...)
		if _, taken := c.names[string(c.scratch)]; taken {
			return false
		}
	}
	c.names[name] = reserved
	return true
}
