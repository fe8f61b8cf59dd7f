package tagger

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"loggregator_exporter/metric"
)

// A mapping file of statsd_exporter as written.
type (
	mappingFile struct {
		Defaults *mappingDefaults `yaml:"defaults"`
		Mappings []*yaml.Node     `yaml:"mappings"` // of mapping
	}

	mappingDefaults struct {
		Unordered bool `yaml:"glob_disable_ordering"`
		observerKeys
	}

	mapping struct {
		Match           *text      `yaml:"match"`
		Name            *text      `yaml:"name"`
		Labels          []textPair `yaml:"labels"`
		HonorLabels     bool       `yaml:"honor_labels"`
		Help            string     `yaml:"help"`
		Action          *text      `yaml:"action"`
		MatchMetricType *text      `yaml:"match_metric_type"`
		Scale           float64    `yaml:"scale"`
		observerKeys
	}

	observerKeys struct {
		ObserverType *text             `yaml:"observer_type"`
		MatchType    *text             `yaml:"match_type"`
		TTL          time.Duration     `yaml:"ttl"`
		Summary      *summaryOptions   `yaml:"summary_options"`
		Histogram    *histogramOptions `yaml:"histogram_options"`
		buckets      []float64
	}

	// summaryOptions are checked and otherwise ignored: the store makes histograms of all timers, since quantiles of
	// several instances cannot be aggregated.
	summaryOptions struct {
		Quantiles  []*yaml.Node  `yaml:"quantiles"`
		MaxAge     time.Duration `yaml:"max_age"`
		AgeBuckets float64       `yaml:"age_buckets"`
		BufferCap  float64       `yaml:"buf_cap"`
	}

	// The options of native histograms are checked and ignored, since histograms of mappings are classic.
	histogramOptions struct {
		Buckets          []text  `yaml:"buckets"`
		NativeFactor     float64 `yaml:"native_histogram_bucket_factor"`
		NativeMaxBuckets float64 `yaml:"native_histogram_max_buckets"`
	}
)

// successor returns what stands in place of a key that earlier versions of statsd_exporter had, or "".
func (*observerKeys) successor(key string) string {
	switch key {
	case "timer_type":
		return "observer_type"
	case "buckets":
		return "histogram_options: {buckets: [...]}"
	case "quantiles":
		return "summary_options: {quantiles: [...]}"
	default:
		return ""
	}
}

// isMappingFile tells mapping files of statsd_exporter from rule files.
func isMappingFile(root *yaml.Node) bool {
	return valueNode(root, "mappings") != nil || valueNode(root, "defaults") != nil
}

// compileMappings makes rules of a mapping file: of the globs, in the order of the file or the most specific
// first, and then of the regular expressions.
func compileMappings(d *document, root *yaml.Node, layer int) []*rule {
	var file mappingFile
	d.decode(root, "the mapping file", &file)
	if file.Defaults == nil {
		file.Defaults = &mappingDefaults{}
	}
	defaults := &file.Defaults.observerKeys
	compileObserver(d, defaults)
	var globs, expressions []*rule
	for i, n := range file.Mappings {
		d.rule = ruleID(d.file, n, "rules", i+1)
		switch r := compileMapping(d, n, defaults, layer); {
		case r == nil:
		case r.regex != nil:
			expressions = append(expressions, r)
		default:
			globs = append(globs, r)
		}
	}
	if file.Defaults.Unordered {
		slices.SortStableFunc(globs, func(a, b *rule) int {
			return cmp.Compare(specificity(a.source), specificity(b.source))
		})
	}
	return append(globs, expressions...)
}

// specificity orders globs so that in each field a word comes before a star.
func specificity(glob string) string {
	fields := strings.Split(glob, ".")
	for i, field := range fields {
		fields[i] = "0"
		if field == "*" {
			fields[i] = "1"
		}
	}
	return strings.Join(fields, "")
}

// compileObserver checks the keys that defaults and mappings share, and compiles the buckets.
func compileObserver(d *document, k *observerKeys) {
	d.word(k.ObserverType, "observer_type", "histogram", "summary")
	d.word(k.MatchType, "match_type", "glob", "regex")
	if k.Histogram != nil {
		k.buckets = compileBuckets(d, k.Histogram.Buckets)
	}
	if k.Summary == nil {
		return
	}
	for _, n := range k.Summary.Quantiles {
		var q struct {
			Quantile float64 `yaml:"quantile"`
			Error    float64 `yaml:"error"`
		}
		d.decode(n, "the quantile", &q)
	}
}

var (
	mappingGlob = regexp.MustCompile(`^(\*|[a-zA-Z_][a-zA-Z0-9_-]*)(\.(\*|[a-zA-Z0-9_][a-zA-Z0-9_-]*))*$`)
	mappingName = regexp.MustCompile(`^([a-zA-Z_]|\$\{?[0-9]+\}?)([a-zA-Z0-9_]|\$\{?[0-9]+\}?)*$`)
)

// compileMapping returns nil after an error.
func compileMapping(d *document, n *yaml.Node, defaults *observerKeys, layer int) *rule {
	before := d.failed
	m := mapping{Scale: 1}
	d.decode(n, "the mapping", &m)
	compileObserver(d, &m.observerKeys)
	if m.Match == nil || m.Name == nil || m.Match.s == "" || m.Name.s == "" {
		d.fail(n, "the mapping needs match and name, even to drop: add what is missing")
		return nil
	}
	if !mappingName.MatchString(m.Name.s) {
		d.failAt(*m.Name, "%q is no name of a metric: use letters, digits, underscores and references such as ${1}",
			m.Name.s)
	}
	r := &rule{
		id: d.rule, layer: layer, place: place{d.file, n.Line, n.Column}, source: m.Match.s, rest: -1,
		drop: d.word(m.Action, "action", "map", "drop") == "drop", when: compileMetricType(d, m.MatchMetricType),
		isMapping: true, honorLabels: m.HonorLabels, scale: m.Scale,
		metadata: metadata{help: m.Help, expiry: cmp.Or(m.TTL, defaults.TTL)},
	}
	r.noName = fmt.Sprintf("mapping %q gives an empty name (name: %s)", r.id, m.Name.s)
	references := globReferences
	if cmp.Or(m.MatchType.value(), defaults.MatchType.value()) == "regex" {
		references = regexReferences
		compileMappingRegex(d, *m.Match, r)
	} else {
		compileMappingGlob(d, *m.Match, r)
	}
	if d.failed > before {
		return nil
	}
	r.keep = make([]bool, len(r.captures))
	r.name = compileReferences(d, *m.Name, references, r)
	for _, p := range m.Labels {
		checkLabel(d, p.key, p.key.s)
		r.tags = append(r.tags, tagTemplate{p.key.s, compileReferences(d, p.value, references, r)})
	}
	r.buckets = chooseBuckets(d, n, &m.observerKeys, defaults)
	if d.failed > before {
		return nil
	}
	return r
}

// compileMetricType makes a condition of match_metric_type.
func compileMetricType(d *document, t *text) *condition {
	kind := t.value()
	switch kind {
	case "":
		return nil
	case "timer":
		d.failAt(*t, `match_metric_type "timer" is from earlier versions of statsd_exporter: write observer`)
	default:
		d.word(t, "match_metric_type", "counter", "gauge", "observer")
	}
	if kind == "observer" {
		kind = metric.KindTimer.String()
	}
	return &condition{kind: &valueCondition{any: []metric.Glob{conditionGlob(kind)}}}
}

// compileMappingGlob compiles a glob. Its captures are called 1, 2 and so on.
func compileMappingGlob(d *document, match text, r *rule) {
	if !mappingGlob.MatchString(match.s) {
		d.failAt(match, "%q is no glob: each part between dots is a star or made of letters, digits, _ and -; "+
			"use match_type: regex for more", match.s)
		return
	}
	r.sequences = []sequence{nil}
	for i, field := range strings.Split(match.s, ".") {
		if i > 0 {
			r.sequences = product(r.sequences, []sequence{{token{lit: "."}}})
		}
		t := token{lit: field}
		if field == "*" {
			t = token{cap: &capture{name: strconv.Itoa(len(r.captures) + 1), typ: typeField}}
			r.captures = append(r.captures, t.cap.name)
		}
		r.sequences = product(r.sequences, []sequence{{t}})
	}
	if len(r.captures) > maxCaptures || len(match.s) > maxPatternBytes {
		d.failAt(match, "the glob has %d bytes and %d stars, at most %d and %d are allowed",
			len(match.s), len(r.captures), maxPatternBytes, maxCaptures)
	}
}

// compileMappingRegex compiles a regular expression, which may match anywhere in the name. A group around it makes
// the matched text its first capture, called 0; the captures are called by the numbers of the groups.
func compileMappingRegex(d *document, match text, r *rule) {
	if _, err := compileRegex(match.s, false); err != nil {
		d.failInside(match, err)
		return
	}
	re, err := compileRegex("("+match.s+")", false)
	if err != nil {
		d.failInside(match, err)
		return
	}
	if re.NumSubexp() > maxRuleCaptures {
		d.failAt(match, "the expression has %d groups, at most %d are allowed: make some (?:...)",
			re.NumSubexp()-1, maxRuleCaptures-1)
		return
	}
	r.regex = re
	for i := range re.NumSubexp() {
		r.captures = append(r.captures, strconv.Itoa(i))
	}
}

// chooseBuckets returns the buckets of a mapping that asks for a histogram, nil for a summary: the store has its own.
func chooseBuckets(d *document, n *yaml.Node, m, defaults *observerKeys) []float64 {
	observer := cmp.Or(m.ObserverType.value(), defaults.ObserverType.value())
	if observer == "summary" && m.Histogram != nil {
		d.fail(n, "histogram_options mean nothing to a summary: remove them, or say observer_type: histogram")
	}
	if observer != "histogram" {
		return nil
	}
	if m.Summary != nil {
		d.fail(n, "summary_options mean nothing to a histogram: remove them, or say observer_type: summary")
	}
	switch {
	case len(m.buckets) > 0:
		return m.buckets
	case len(defaults.buckets) > 0:
		return defaults.buckets
	default: // as in statsd_exporter, those of the Prometheus client
		return []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	}
}

// References in templates of mappings. Of globs, `$1` and `${1}` are what the stars matched and `$0` is the name;
// a reference runs over letters, digits, underscores and dollars. Those of regular expressions are read as
// regexp.Expand reads them.
var (
	globReferences  = regexp.MustCompile(`\$\{?([a-zA-Z0-9_$]+)\}?`)
	regexReferences = regexp.MustCompile(`\$(?:(\$)|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})`)
)

// compileReferences compiles a template of a mapping. A reference to nothing is empty.
func compileReferences(d *document, t text, references *regexp.Regexp, r *rule) template {
	if len(t.s) > maxTemplateBytes {
		d.failAt(t, "the template has %d bytes, at most %d are allowed", len(t.s), maxTemplateBytes)
		return nil
	}
	var compiled template
	at := 0
	for _, m := range references.FindAllStringSubmatchIndex(t.s, -1) {
		compiled = compiled.withText(t.s[at:m[0]])
		at = m[1]
		for g := 2; g < len(m); g += 2 {
			if m[g] < 0 {
				continue
			}
			if name := t.s[m[g]:m[g+1]]; name == "$" && r.regex != nil {
				compiled = compiled.withText("$")
			} else if part, ok := r.reference(name); ok {
				compiled = append(compiled, part)
			}
		}
	}
	return compiled.withText(t.s[at:])
}

// reference returns what a name means in templates of a mapping; ok is false if it means nothing.
func (r *rule) reference(name string) (part templatePart, ok bool) {
	if r.regex != nil {
		slot := slices.Index(r.captures, name)
		if slot < 0 { // a named group; the first capture is the group around the expression
			slot = slices.Index(r.regex.SubexpNames(), name) - 1
		}
		return templatePart{kind: partCapture, slot: slot}, slot >= 0
	}
	n, err := strconv.Atoi(name)
	switch {
	case err != nil || n < 0 || n > len(r.captures):
		return templatePart{}, false
	case n == 0:
		return templatePart{kind: partName}, true
	default:
		return templatePart{kind: partCapture, slot: n - 1}, true
	}
}

// escapeName makes a name legal as statsd_exporter does: an underscore for each character that is no letter, digit
// or underscore, for a run of dashes, and before a digit at the start.
func escapeName(name string) string {
	legal := func(c byte) bool { return isAlphanumeric(c) || c == '_' }
	illegal := 0
	for illegal < len(name) && legal(name[illegal]) {
		illegal++
	}
	if illegal == len(name) && (name == "" || !isDigit(name[0])) {
		return name
	}
	var b strings.Builder
	if isDigit(name[0]) {
		b.WriteByte('_')
	}
	b.WriteString(name[:illegal])
	dashed := false
	for i := illegal; i < len(name); {
		_, size := utf8.DecodeRuneInString(name[i:])
		dash := name[i] == '-'
		switch {
		case legal(name[i]):
			b.WriteByte(name[i])
		case !dash || !dashed:
			b.WriteByte('_')
		}
		dashed = dash
		i += size
	}
	return b.String()
}
