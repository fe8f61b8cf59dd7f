package migrate

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"loggregator_exporter/compat"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
)

// namesFile holds origin, raw name, kind and unit of the metrics that components of Cloud Foundry are known to emit.
//
//go:embed names.tsv
var namesFile string

// builtInNames reads namesFile.
func builtInNames() ([]Name, error) {
	var all []Name
	for line := range strings.Lines(namesFile) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("names.tsv: %d fields: %q", len(f), line)
		}
		kind, ok := metric.ParseKind(f[2])
		if !ok {
			return nil, fmt.Errorf("names.tsv: no kind: %q", line)
		}
		all = append(all, Name{Origin: f[0], Name: f[1], Kind: kind, Unit: f[3]})
	}
	return all, nil
}

// labelName is what PromQL calls the label that holds a metric's name.
const labelName = "__name__"

// known is a metric that a component emits, with what both resolvers make of it.
type known struct {
	identity store.Identity
	old      string         // name in firehose_exporter
	tail     string         // what follows the origin in the old name, with the underscore before it; "" if it has none
	short    string         // the old name without an origin that the raw name repeats before a dot; "" if it does not
	labels   []metric.Label // in our exporter, with the metric's name as labelName, as far as name and origin tell
	fixed    []string       // labels that a rule sets to text of its own
	mul, div float64        // the new value is the old one * mul / div
	anywhere bool           // the old name does not hold the origin
	delta    bool           // the old name is that of the last increment of a counter
}

func (k *known) metric() string { return metric.LabelValue(k.labels, labelName) }

// names are all metrics that are known.
type names struct {
	all      []*known
	byOld    map[string][]*known
	bySquash map[string][]*known // by old names with single underscores only
	byMetric map[string][]*known
	byTail   map[string][]*known
}

func newNames(old *compat.Resolver, now *resolver.Resolver, list []Name) *names {
	n := &names{
		byOld: map[string][]*known{}, bySquash: map[string][]*known{}, byMetric: map[string][]*known{},
		byTail: map[string][]*known{},
	}
	type key struct {
		origin, name string
		kind         metric.Kind
	}
	seen := map[key]bool{}
	for i := range list {
		of := &list[i]
		k := key{of.Origin, of.Name, of.Kind}
		if seen[k] || of.Kind != metric.KindGauge && of.Kind != metric.KindCounter {
			continue
		}
		seen[k] = true
		n.add(old, now, of)
	}
	return n
}

// identity is the metric as a store would look it up, with tags beside origin.
func (n *Name) identity(tags ...metric.Label) store.Identity {
	if n.Origin != "" {
		tags = append(tags, metric.Label{Name: "origin", Value: n.Origin})
	}
	slices.SortFunc(tags, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
	return store.Identity{Kind: n.Kind, Name: n.Name, Unit: n.Unit, SourceID: n.SourceID, Tags: tags}
}

func (n *names) add(old *compat.Resolver, now *resolver.Resolver, of *Name) {
	k := &known{identity: of.identity(), old: old.Name(of.Origin, of.Name, of.Kind)}
	r := now.Explain(&k.identity, nil)
	if r.Dropped || r.Invalid != "" {
		return
	}
	k.mul, k.div = r.Mul, r.Div
	k.anywhere = old.Name("a", of.Name, of.Kind) == old.Name("b", of.Name, of.Kind)
	if !k.anywhere && of.Origin != "" {
		before := strings.TrimSuffix(strings.TrimSuffix(old.Name(of.Origin, "", of.Kind), "_total"), "_")
		k.tail = strings.TrimPrefix(k.old, before)
	}
	if bare, ok := strings.CutPrefix(of.Name, of.Origin+"."); ok {
		k.short = old.Name(of.Origin, bare, of.Kind)
	}
	k.labels = append(k.labels, metric.Label{Name: labelName, Value: r.Metric})
	for _, l := range r.Labels {
		tag := slices.ContainsFunc(r.Rules.Tags, func(t metric.Label) bool { return t.Value == l.Value })
		if l.Name == labelEnvironment || l.Name == labelSourceID || k.anywhere && !tag {
			continue
		}
		k.labels = append(k.labels, l)
		if !strings.Contains(fold(of.Name), fold(l.Value)) && !strings.Contains(fold(of.Origin), fold(l.Value)) {
			k.fixed = append(k.fixed, l.Name)
		}
	}
	n.index(k)
	if total, ok := strings.CutSuffix(k.old, "_total"); ok && of.Kind == metric.KindCounter {
		d := *k
		d.old, d.delta = total+"_delta", true
		n.index(&d)
	}
}

func (n *names) index(k *known) {
	n.byOld[k.old] = append(n.byOld[k.old], k)
	n.bySquash[squash(k.old)] = append(n.bySquash[squash(k.old)], k)
	if !k.delta {
		n.all = append(n.all, k)
		n.byMetric[k.metric()] = append(n.byMetric[k.metric()], k)
		if k.tail != "" && k.short == "" {
			n.byTail[k.tail] = append(n.byTail[k.tail], k)
		}
	}
}

// severalOrigins is how many components must emit a name before others are taken to emit it as well.
const severalOrigins = 3

// likeOthers is for names that many components emit, such as those of Go's runtime, by an origin that is not known: it
// returns the origin as the old name spells it, and the metrics of the others.
func (n *names) likeOthers(old string) (origin string, like []*known) {
	for at := range len(old) {
		if old[at] != '_' {
			continue
		}
		like = n.byTail[old[at:]]
		if len(valuesOf(like, labelOrigin)) < severalOrigins || len(valuesOf(like, labelName)) > 1 {
			continue
		}
		for _, kind := range kindWords {
			if _, origin, ok := strings.Cut(old[:at], kind); ok && origin != "" {
				return origin, like
			}
		}
	}
	return "", nil
}

// squash makes one underscore of several: older versions of firehose_exporter did.
func squash(name string) string {
	for strings.Contains(name, "__") {
		name = strings.ReplaceAll(name, "__", "_")
	}
	return name
}

// fold makes spellings of one word equal.
func fold(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_./ ", r) {
			return -1
		}
		return r
	}, s))
}

// lookUp returns the metrics that have an old name. Where no metric has it, forms of it that older versions of
// firehose_exporter used are tried.
func (n *names) lookUp(old string) []*known {
	if found := n.byOld[old]; len(found) > 0 {
		return found
	}
	if found := n.bySquash[squash(old)]; len(found) > 0 {
		return found
	}
	if found := n.byOld[old+"_total"]; len(found) > 0 {
		return found // counters had no suffix
	}
	if found := n.byOld[old+"l"]; len(found) > 0 {
		return found // prometheus-boshrelease has _tota in place of _total
	}
	return n.withoutOrigin(old)
}

// kindWords stand before the origin in the names of value metrics and counter events.
var kindWords = []string{"_value_metric_", "_counter_event_"}

// withoutOrigin is for a name that is sent without an origin, as log-cache once did: it returns the metrics with that
// name if they have an origin in common.
func (n *names) withoutOrigin(old string) []*known {
	for _, kind := range kindWords {
		if _, tail, ok := strings.Cut(old, kind); ok && strings.HasPrefix(tail, "_") {
			if found := n.byTail[tail]; len(valuesOf(found, labelOrigin)) == 1 {
				return found
			}
		}
	}
	return nil
}
