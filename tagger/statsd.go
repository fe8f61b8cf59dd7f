package tagger

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// StatsdOptions is what only mappings of statsd_exporter can say of a metric.
type StatsdOptions struct {
	// Scale is what values are multiplied by; 1 where the mapping does not say.
	Scale float64
	// Summary says that the file asks for a summary, as it does unless told otherwise; nil where it asks for a histogram with
	// Result.Buckets. The store makes histograms of both: quantiles cannot be put together, buckets can.
	Summary *SummaryOptions
}

// SummaryOptions are the options of a summary. Zero values mean the defaults of the Prometheus client.
type SummaryOptions struct {
	Quantiles  []Quantile
	MaxAge     time.Duration
	AgeBuckets uint32
	BufferSize uint32
}

// Quantile is a quantile of a summary and the error that it may have.
type Quantile struct{ Quantile, Error float64 }

// mapping is an item of a mapping file as it is written, or its defaults.
type mapping struct {
	node      *yaml.Node
	match     *text
	name      *text
	labels    []textPair
	honor     bool
	observer  string
	matchType string
	help      string
	drop      bool
	kind      string
	ttl       time.Duration
	summary   *SummaryOptions
	buckets   []float64
	histogram bool // histogram_options is there
	scale     float64
	unordered bool // defaults only
}

// isMappingFile tells files of statsd_exporter from rule files.
func isMappingFile(root *yaml.Node) bool {
	for i := 0; root.Kind == yaml.MappingNode && i+1 < len(root.Content); i += 2 {
		if key := root.Content[i].Value; key == "mappings" || key == "defaults" {
			return true
		}
	}
	return false
}

// compileMappings makes rules of a mapping file: the globs, in the order of the file or the most specific first, and then
// the regular expressions.
func compileMappings(d *document, root *yaml.Node, layer int) []*rule {
	defaults := &mapping{node: root, scale: 1}
	var items *yaml.Node
	d.fields(root, "the mapping file", map[string]func(*yaml.Node){
		"defaults": func(n *yaml.Node) { readMapping(d, n, defaults, "defaults", mappingDefaultKeys()) },
		"mappings": func(n *yaml.Node) { items = n },
	})
	if items == nil {
		return nil
	}
	var globs, expressions []*rule
	at := 0
	d.items(items, "mappings", func(n *yaml.Node) {
		at++
		d.rule = mappingID(d.file, n, at)
		m := &mapping{node: n, scale: 1, match: &text{}, name: &text{}}
		readMapping(d, n, m, "the mapping", mappingKeys())
		if r := compileMapping(d, m, defaults); r != nil {
			r.id, r.layer = d.rule, layer
			if r.regex != nil {
				expressions = append(expressions, r)
			} else {
				globs = append(globs, r)
			}
		}
	})
	if defaults.unordered {
		slices.SortStableFunc(globs, func(a, b *rule) int { return cmp.Compare(specificity(a.source), specificity(b.source)) })
	}
	return append(globs, expressions...)
}

// specificity orders globs so that at each level a name comes before a star.
func specificity(glob string) string {
	var b strings.Builder
	for field := range strings.SplitSeq(glob, ".") {
		if field == "*" {
			b.WriteByte('1')
		} else {
			b.WriteByte('0')
		}
	}
	return b.String()
}

func mappingID(file string, n *yaml.Node, at int) string {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "match" {
			return fileBase(file) + "/" + n.Content[i+1].Value
		}
	}
	return fileBase(file) + "/" + strconv.Itoa(at)
}

func mappingDefaultKeys() []string {
	return []string{"observer_type", "match_type", "glob_disable_ordering", "ttl", "summary_options", "histogram_options"}
}

func mappingKeys() []string {
	return []string{
		"match", "name", "labels", "honor_labels", "observer_type", "match_type", "help", "action", "match_metric_type", "ttl",
		"summary_options", "histogram_options", "scale",
	}
}

func readMapping(d *document, n *yaml.Node, m *mapping, what string, keys []string) {
	word := func(dst *string, key string, allowed ...string) func(*yaml.Node) {
		return func(n *yaml.Node) {
			t, ok := d.scalar(n, key)
			if *dst = t.s; ok && t.s != "" && !slices.Contains(allowed, t.s) {
				d.fail(n, "no %s %q: use %s", key, t.s, strings.Join(allowed, ", "))
			}
		}
	}
	var action string
	all := map[string]func(*yaml.Node){
		"match":             func(n *yaml.Node) { *m.match, _ = d.scalar(n, "match") },
		"name":              func(n *yaml.Node) { *m.name, _ = d.scalar(n, "name") },
		"labels":            func(n *yaml.Node) { m.labels = readTexts(d, n, "labels") },
		"honor_labels":      func(n *yaml.Node) { m.honor = d.flag(n, "honor_labels") },
		"help":              func(n *yaml.Node) { t, _ := d.scalar(n, "help"); m.help = t.s },
		"observer_type":     word(&m.observer, "observer_type", "histogram", "summary"),
		"match_type":        word(&m.matchType, "match_type", "glob", "regex"),
		"action":            word(&action, "action", "map", "drop"),
		"match_metric_type": word(&m.kind, "match_metric_type", "counter", "gauge", "observer"),
		"ttl":               func(n *yaml.Node) { m.ttl = d.duration(n, "ttl") },
		"scale":             func(n *yaml.Node) { m.scale = d.number(n, "scale") },
		"summary_options":   func(n *yaml.Node) { m.summary = readSummary(d, n) },
		"histogram_options": func(n *yaml.Node) { m.histogram, m.buckets = true, readHistogram(d, n) },
		"glob_disable_ordering": func(n *yaml.Node) {
			m.unordered = d.flag(n, "glob_disable_ordering")
		},
	}
	known := make(map[string]func(*yaml.Node))
	for _, key := range keys {
		known[key] = all[key]
	}
	d.fields(n, what, known)
	m.drop = action == "drop"
}

func readSummary(d *document, n *yaml.Node) *SummaryOptions {
	o := &SummaryOptions{}
	count := func(dst *uint32, key string) func(*yaml.Node) {
		return func(n *yaml.Node) { *dst = uint32(max(0, min(d.number(n, key), 1<<31))) }
	}
	d.fields(n, "summary_options", map[string]func(*yaml.Node){
		"quantiles": func(n *yaml.Node) {
			d.items(n, "quantiles", func(n *yaml.Node) {
				var q Quantile
				d.fields(n, "the quantile", map[string]func(*yaml.Node){
					"quantile": func(n *yaml.Node) { q.Quantile = d.number(n, "quantile") },
					"error":    func(n *yaml.Node) { q.Error = d.number(n, "error") },
				})
				o.Quantiles = append(o.Quantiles, q)
			})
		},
		"max_age":     func(n *yaml.Node) { o.MaxAge = d.duration(n, "max_age") },
		"age_buckets": count(&o.AgeBuckets, "age_buckets"),
		"buf_cap":     count(&o.BufferSize, "buf_cap"),
	})
	return o
}

// readHistogram returns the buckets. The options of native histograms are read and mean nothing here.
func readHistogram(d *document, n *yaml.Node) []float64 {
	var buckets []float64
	d.fields(n, "histogram_options", map[string]func(*yaml.Node){
		"buckets":                        func(n *yaml.Node) { buckets = compileBuckets(d, d.list(n, "buckets")) },
		"native_histogram_bucket_factor": func(n *yaml.Node) { d.number(n, "native_histogram_bucket_factor") },
		"native_histogram_max_buckets":   func(n *yaml.Node) { d.number(n, "native_histogram_max_buckets") },
	})
	return buckets
}

var (
	mappingGlob = regexp.MustCompile(`^(\*|[a-zA-Z_][a-zA-Z0-9_-]*)(\.(\*|[a-zA-Z0-9_][a-zA-Z0-9_-]*))*$`)
	mappingName = regexp.MustCompile(`^([a-zA-Z_]|\$\{?[0-9]+\}?)([a-zA-Z0-9_]|\$\{?[0-9]+\}?)*$`)
)

// defaultBuckets are those of the Prometheus client, which statsd_exporter uses where a file has none.
func defaultBuckets() []float64 { return []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10} }

func compileMapping(d *document, m, defaults *mapping) *rule {
	before := len(d.errs)
	r := &rule{
		place: place{d.file, m.node.Line, m.node.Column}, rest: -1, final: true, drop: m.drop, honor: m.honor, help: m.help,
		expiry: cmp.Or(m.ttl, defaults.ttl), source: m.match.s, says: true,
	}
	if m.match.s == "" || m.name.s == "" {
		d.fail(m.node, "the mapping needs match and name, even to drop: add what is missing")
		return nil
	}
	if !mappingName.MatchString(m.name.s) {
		d.failAt(m.name.line, m.name.column,
			"%q is no name of a metric: use letters, digits, underscores and references such as ${1}", m.name.s)
	}
	if m.kind != "" {
		kind := map[string]string{"counter": "counter", "gauge": "gauge", "observer": "timer"}[m.kind]
		r.when = &condition{kinds: &matcher{any: []glob{newGlob(kind)}}}
	}
	references := globReferences
	if cmp.Or(m.matchType, defaults.matchType, "glob") == "regex" {
		references = expressionReferences
		compileMappingExpression(d, m, r)
	} else {
		compileMappingGlob(d, m, r)
	}
	if len(d.errs) > before {
		return nil
	}
	r.keep = make([]bool, len(r.captures))
	r.name = references(m.name.s, r)
	for _, p := range m.labels {
		checkLabel(d, p.key, p.key.s)
		r.tags = append(r.tags, tagTemplate{p.key.s, references(p.value.s, r)})
	}
	compileObserver(d, m, defaults, r)
	if len(d.errs) > before {
		return nil
	}
	return r
}

// compileMappingGlob compiles a glob. Its captures are called 1, 2 and so on.
func compileMappingGlob(d *document, m *mapping, r *rule) {
	if !mappingGlob.MatchString(m.match.s) {
		d.failAt(m.match.line, m.match.column,
			"%q is no glob: each part between dots is a star or made of letters, digits, _ and -; use match_type: regex for more", m.match.s)
		return
	}
	q := []sequence{nil}
	for i, field := range strings.Split(m.match.s, ".") {
		if i > 0 {
			q = product(q, []sequence{{token{lit: "."}}})
		}
		t := token{lit: field}
		if field == "*" {
			r.captures = append(r.captures, strconv.Itoa(len(r.captures)+1))
			t = token{cap: &capture{name: r.captures[len(r.captures)-1], kind: kindDotted}}
		}
		q = product(q, []sequence{{t}})
	}
	if len(r.captures) > maxCaptures || len(m.match.s) > maxPatternBytes {
		d.failAt(m.match.line, m.match.column, "the glob has %d bytes and %d stars, at most %d and %d are allowed",
			len(m.match.s), len(r.captures), maxPatternBytes, maxCaptures)
	}
	r.sequences = q
}

// compileMappingExpression compiles a regular expression, which may match anywhere in the name. A group around it makes what it
// matched its first capture, called 0.
func compileMappingExpression(d *document, m *mapping, r *rule) {
	_, err := compileRegex(m.match.s, false)
	if err != nil {
		d.failIn(*m.match, err)
		return
	}
	re, err := compileRegex("("+m.match.s+")", false)
	if err != nil {
		d.failIn(*m.match, err)
		return
	}
	if re.NumSubexp() > maxRuleCaptures {
		d.failAt(m.match.line, m.match.column, "the expression has %d groups, at most %d are allowed: make some (?:...)", re.NumSubexp()-1, maxRuleCaptures-1)
		return
	}
	r.regex = re
	for i := range re.NumSubexp() {
		r.captures = append(r.captures, strconv.Itoa(i))
	}
}

func compileObserver(d *document, m, defaults *mapping, r *rule) {
	r.statsd = &StatsdOptions{Scale: m.scale}
	if cmp.Or(m.observer, defaults.observer, "summary") == "histogram" {
		if m.summary != nil {
			d.fail(m.node, "summary_options mean nothing to a histogram: remove them, or say observer_type: summary")
		}
		for _, buckets := range [][]float64{m.buckets, defaults.buckets, defaultBuckets()} {
			if len(buckets) > 0 && r.buckets == nil {
				r.buckets = buckets
			}
		}
		return
	}
	if m.histogram && cmp.Or(m.observer, defaults.observer) == "summary" {
		d.fail(m.node, "histogram_options mean nothing to a summary: remove them, or say observer_type: histogram")
	}
	var own, general SummaryOptions
	if m.summary != nil {
		own = *m.summary
	}
	if defaults.summary != nil {
		general = *defaults.summary
	}
	r.statsd.Summary = &SummaryOptions{
		Quantiles:  own.Quantiles,
		MaxAge:     cmp.Or(own.MaxAge, general.MaxAge),
		AgeBuckets: cmp.Or(own.AgeBuckets, general.AgeBuckets),
		BufferSize: cmp.Or(own.BufferSize, general.BufferSize),
	}
	for _, q := range [][]Quantile{general.Quantiles, {{0.5, 0.05}, {0.9, 0.01}, {0.99, 0.001}}} {
		if len(r.statsd.Summary.Quantiles) == 0 {
			r.statsd.Summary.Quantiles = q
		}
	}
}
