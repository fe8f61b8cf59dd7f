package exposition

import (
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

const (
	totalSuffix       = "_total"
	createdSuffixText = "_created"
)

// names are what a family is called in one format under one escaping scheme.
type names struct {
	family string // in HELP, TYPE and UNIT
	sample string // of its samples, before _bucket, _sum and _count
	// altered is set where sample is not the store's own name, so that the store cannot have kept it apart from others.
	altered bool
}

// escape makes a name sayable. Unlike client_golang it also mends what no scheme covers and what would cost the scraper
// the whole page: Prometheus' parsers end at a NUL in a quoted name and refuse invalid UTF-8.
func escape(name string, scheme model.EscapingScheme) string {
	if model.LegacyValidation.IsValidMetricName(name) {
		return name
	}
	if scheme != model.NoEscaping {
		return model.EscapeName(name, scheme)
	}
	if !utf8.ValidString(name) {
		name = strings.ToValidUTF8(name, "\uFFFD")
	}
	return strings.ReplaceAll(name, "\x00", "\uFFFD")
}

// textNames names a family for the text format, where metadata and samples share the name.
func textNames(f *store.Family, scheme model.EscapingScheme) names {
	n := escape(f.Name, scheme)
	return names{family: n, sample: n, altered: n != f.Name}
}

// openMetricsNames names a family for OpenMetrics, where the samples of a counter end in _total and its metadata does
// not. A counter under a verbatim name that lacks it gets it here, before the name is escaped, so that schemes that can
// be undone still can be.
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

// ownedSuffixes are the endings that some type of family adds to its name.
var ownedSuffixes = [...]string{totalSuffix, "_created", "_bucket", "_count", "_sum"}

// suffixes is a set of ownedSuffixes: bit i stands for the i-th.
type suffixes uint8

const (
	counterSuffixes   suffixes = 1<<0 | 1<<1
	createdSuffix     suffixes = 1 << 1
	histogramSuffixes suffixes = 1<<2 | 1<<3 | 1<<4
	summarySuffixes   suffixes = 1<<3 | 1<<4
)

// textSuffixes are the endings that a family of the type writes in the text format.
func textSuffixes(t metric.Type) suffixes {
	switch t {
	case metric.TypeHistogram:
		return histogramSuffixes
	case metric.TypeSummary:
		return summarySuffixes
	default:
		return 0
	}
}

// openMetricsSuffixes are the endings that OpenMetrics reserves for a family of the type, written or not.
func openMetricsSuffixes(t metric.Type) suffixes {
	switch t {
	case metric.TypeCounter:
		return counterSuffixes
	case metric.TypeHistogram, metric.TypeSummary:
		return textSuffixes(t) | createdSuffix
	default:
		return 0
	}
}

// claims holds the names of the families of one page, so that no name is written twice. A check costs a few look-ups a
// family and nothing a sample; its memory is reused.
type claims struct {
	by      map[string]suffixes
	scratch []byte
}

func (c *claims) reset() {
	if c.by == nil {
		c.by = map[string]suffixes{}
	}
	clear(c.by)
}

// claim takes a family's name with all the endings in owned, or says no where any of these names is taken.
func (c *claims) claim(name string, owned suffixes) bool {
	if _, taken := c.by[name]; taken {
		return false
	}
	for i, suffix := range ownedSuffixes {
		if base, ok := strings.CutSuffix(name, suffix); ok && c.by[base]&(1<<i) != 0 {
			return false
		}
		if owned&(1<<i) == 0 {
			continue
		}
		c.scratch = append(append(c.scratch[:0], name...), suffix...)
		if _, taken := c.by[string(c.scratch)]; taken {
			return false
		}
	}
	c.by[name] = owned
	return true
}
