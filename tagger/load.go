package tagger

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"loggregator_exporter/metric"
	"loggregator_exporter/tagger/naming"
)

// maxSequences bounds the patterns of all rule files together, alternatives and optional parts written out.
const maxSequences = 200_000

// Tagger takes names apart by compiled rules. It is immutable and serves any number of goroutines.
type Tagger struct {
	names, origins, metrics *ruleSet
	quarantine              bool
	units                   map[string]string // canonical unit by spelling, for the usual spellings
}

// New reads and compiles rules. All errors of all files are returned, joined, each a *FileError; the Tagger is nil then.
func New(opts Options) (*Tagger, []Warning, error) {
	l := &loader{
		tagger: &Tagger{names: newRuleSet(), origins: newRuleSet(), metrics: newRuleSet(), quarantine: opts.Quarantine, units: usualUnits()},
		ids:    make(map[string]place),
	}
	for _, s := range opts.UserRules {
		l.load(s, 0)
	}
	if opts.Catalogue != nil {
		if err := l.loadCatalogue(opts.Catalogue); err != nil {
			return nil, nil, err
		}
	}
	l.assemble()
	if len(l.errs) > 0 {
		return nil, nil, errors.Join(l.errs...)
	}
	return l.tagger, l.warnings(), nil
}

// Load compiles rule files alone, without catalogue and quarantine: it is for checking them.
func Load(sources ...Source) (*Tagger, []Warning, error) {
	return New(Options{UserRules: sources})
}

type loader struct {
	tagger *Tagger
	ids    map[string]place
	files  []*compiledFile
	sum    int
	errs   []error
}

type compiledFile struct {
	rules, origins, metrics []*rule
}

func (l *loader) loadCatalogue(catalogue fs.FS) error {
	names, err := fs.Glob(catalogue, "*.yaml")
	if err != nil {
		return fmt.Errorf("built-in rules: %w", err)
	}
	slices.Sort(names)
	for _, name := range names {
		data, err := fs.ReadFile(catalogue, name)
		if err != nil {
			return fmt.Errorf("built-in rules: %w", err)
		}
		l.load(Source{File: name, Data: data}, 1)
	}
	return nil
}

func (l *loader) load(s Source, layer int) {
	d := &document{file: s.File}
	f := &compiledFile{}
	if root := d.root(s.Data); root != nil {
		if isMappingFile(root) {
			f.rules = compileMappings(d, root, layer)
		} else {
			f.compile(d, readFile(d, root), layer)
		}
	}
	d.rule = ""
	l.unique(d, f.rules)
	l.unique(d, f.origins)
	for _, r := range slices.Concat(f.rules, f.origins, f.metrics) {
		l.sum += len(r.sequences)
	}
	if l.sum > maxSequences {
		d.failAt(0, 0, "the rule files stand for more than %d patterns: remove some rules or alternatives", maxSequences)
	}
	l.files = append(l.files, f)
	l.errs = append(l.errs, d.sorted()...)
}

func (f *compiledFile) compile(d *document, spec *fileSpec, layer int) {
	for _, section := range []struct {
		specs []*ruleSpec
		dst   *[]*rule
	}{{spec.rules, &f.rules}, {spec.origins, &f.origins}, {spec.metrics, &f.metrics}} {
		for _, s := range section.specs {
			if r := compileRule(d, s, spec.types, layer); r != nil {
				r.ownID = slices.Contains(s.given, "id")
				r.isPrefix = s.prefix != nil
				*section.dst = append(*section.dst, r)
			}
		}
	}
}

// unique sees to it that ids are. Ids that users gave must be; derived ones get a number.
func (l *loader) unique(d *document, rules []*rule) {
	for _, r := range rules {
		if first, taken := l.ids[r.id]; taken {
			if r.ownID {
				d.rule = r.id
				d.failAt(r.place.line, r.place.column, "the id is taken by the rule at %s: choose another", first)
				continue
			}
			id := r.id
			for n := 2; taken; n++ {
				r.id = id + "#" + strconv.Itoa(n)
				_, taken = l.ids[r.id]
			}
		}
		l.ids[r.id] = r.place
	}
	d.rule = ""
}

func (p place) String() string {
	return p.file + ":" + strconv.Itoa(p.line) + ":" + strconv.Itoa(p.column)
}

// assemble puts the rules of all files into the sets that are searched.
func (l *loader) assemble() {
	t := l.tagger
	for _, f := range l.files {
		for _, r := range f.origins {
			t.origins.add(r, r.sequences)
		}
		for _, r := range f.metrics {
			t.metrics.add(r, r.sequences)
		}
	}
	for _, f := range l.files {
		for _, r := range f.rules {
			if !r.isPrefix {
				t.names.add(r, r.sequences)
				continue
			}
			t.names.add(r, withRest(r.sequences))
			if !usesOrigin(r.sequences) {
				t.origins.add(r, r.sequences)
			}
		}
	}
	t.names.finish()
	t.origins.finish()
	t.metrics.finish()
}

// TagsRead returns the names of the envelope tags that rules for metrics of a kind read, sorted: in `when`, in `{$tag.NAME}`, as labels to
// rename, and as labels that a mapping with honor_labels takes from the envelope. Results can differ only by these tags.
func (t *Tagger) TagsRead(kind metric.Kind) []string {
	var names []string
	for _, set := range []*ruleSet{t.names, t.origins, t.metrics} {
		for _, r := range set.rules {
			if r.when == nil || r.when.kinds == nil || r.when.kinds.fits(kind.String()) {
				names = r.appendTagsRead(names)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *rule) appendTagsRead(names []string) []string {
	if r.when != nil {
		for _, c := range r.when.tags {
			names = append(names, c.name)
		}
	}
	templates := []template{r.name, r.metric}
	for _, tag := range r.tags {
		templates = append(templates, tag.value)
		if r.honor {
			names = append(names, tag.name)
		}
	}
	for _, part := range slices.Concat(templates...) {
		if part.kind == partTag {
			names = append(names, part.text)
		}
	}
	for _, l := range r.renameLabels {
		names = append(names, l.Name)
	}
	return names
}

// withRest appends a dot and the rest of the name to the sequences of a prefix.
func withRest(prefix []sequence) []sequence {
	return product(prefix, []sequence{{token{lit: "."}, token{cap: &capture{name: restName, kind: kindRest}}}})
}

func usesOrigin(seqs []sequence) bool {
	for _, q := range seqs {
		for _, t := range q {
			if t.cap != nil && t.cap.kind == kindOrigin {
				return true
			}
		}
	}
	return false
}

// usualUnits maps the spellings of units that are seen most to canonical ones, so that they need not be folded each time.
func usualUnits() map[string]string {
	m := make(map[string]string)
	for _, s := range append(naming.Units(), "count", "Count", "counter", "gauge", "metric", "Metric", "total", "percentage", "Percent", "ms", "ns", "nanos",
		"s", "kb", "Kb", "KiB", "MiB", "b", "B") {
		m[s] = naming.CanonicalUnit(s)
	}
	return m
}

func (t *Tagger) unit(emitted string) string {
	if emitted == "" {
		return ""
	}
	if u, ok := t.units[emitted]; ok {
		return u
	}
	return naming.CanonicalUnit(emitted)
}
