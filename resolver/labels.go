package resolver

import (
	"slices"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
)

// tagLabels are the envelope tags whose own names would collide with Prometheus' target labels, or mean something else
// there, and the labels that they become: the ones that bosh_exporter writes too, so that the two can be joined.
var tagLabels = map[string]string{
	"deployment": "bosh_deployment",
	"job":        "bosh_job_name",
	"index":      "bosh_job_id",
	"ip":         "bosh_job_ip",
	"instance":   "envelope_instance",
	"le":         "envelope_le",
	"quantile":   "envelope_quantile",
}

const (
	envelopePrefix   = "envelope_"
	labelEnvironment = "environment"
	labelStatus      = "status"
	tagStatusCode    = "status_code"
	tagStatusGroup   = "status_group" // of the gorouter's Prometheus endpoint
	tagUnit          = "unit"
)

// labelBuilder collects the labels of a series. The first value that a label is set to stays.
type labelBuilder struct {
	labels    []metric.Label
	overrides []string // as in store.Resolved
	rules     *tagger.Result
	trace     *Trace
}

func (b *labelBuilder) value(name string) string { return metric.LabelValue(b.labels, name) }

// set adds a label unless it is there already, and says whether the label now has this value.
func (b *labelBuilder) set(name, value, source string) bool {
	if value == "" {
		return true
	}
	value = metric.Printable(value)
	if is := b.value(name); is != "" {
		return is == value
	}
	b.labels = append(b.labels, metric.Label{Name: name, Value: value})
	if b.trace != nil {
		if b.trace.Sources == nil {
			b.trace.Sources = map[string]string{}
		}
		b.trace.Sources[name] = source
	}
	return true
}

// setEnvelope adds a label from the envelope; where the name or the configuration said otherwise, its value is kept
// under another label and counted.
func (b *labelBuilder) setEnvelope(name, value, source string) {
	if b.set(name, value, source) {
		return
	}
	b.overrides = append(b.overrides, name)
	b.set(envelopePrefix+strings.TrimPrefix(name, envelopePrefix), value, source)
}

// label assembles all labels of a series, in the order of their right to a name: the configuration's constants, what
// the name says, what the envelope says, what can be concluded.
func (r *Resolver) label(id *store.Identity, b *labelBuilder) {
	r.labelConstants(b)
	b.labelName()
	r.labelSender(id, b, metric.IsRouter(b.rules.OriginTag("component")))
	source := "origin"
	if metric.LabelValue(id.Tags, "origin") == "" {
		source = "source id"
	}
	b.labelComponent(source)
	if isHTTP(id) {
		b.remove("metrics.http.labels", func(name string) bool { return !r.httpLabels[name] })
	}
	for _, n := range b.rules.RenameLabels {
		b.rename(n.Name, n.Value)
	}
	b.drop(b.rules.DropLabels, "a rule")
	for _, n := range r.options.Labels.Rename {
		b.rename(n.From, n.To)
	}
	b.drop(r.options.Labels.Drop, settingDrop)
	slices.SortFunc(b.labels, func(x, y metric.Label) int { return strings.Compare(x.Name, y.Name) })
}

func (r *Resolver) labelConstants(b *labelBuilder) {
	b.set(labelEnvironment, r.options.Environment, "metrics.environment")
	for _, l := range r.options.Labels.Add {
		b.set(l.Name, l.Value, "metrics.labels.add")
	}
}

// labelName sets the labels that the rules found in the name.
func (b *labelBuilder) labelName() {
	for _, t := range b.rules.Tags {
		name := metric.LegalLabel(t.Name)
		if name == "le" || name == "quantile" { // they belong to histograms and summaries
			name = envelopePrefix + name
		}
		b.setEnvelope(name, t.Value, "name")
	}
}

// labelSender sets the labels that the envelope says, of a sender that is the gorouter or another.
func (r *Resolver) labelSender(id *store.Identity, b *labelBuilder, router bool) {
	b.setEnvelope("source_id", id.SourceID, "envelope field source_id")
	b.setEnvelope("instance_id", id.InstanceID, "envelope field instance_id")
	b.labelTags(id, router)
	if b.value("app_id") == "" && metric.IsGUID(id.SourceID) {
		b.set("app_id", id.SourceID, "source id")
	}
}

// labelTags sets the labels of tags: first those that mean something else under another name, then those whose names
// are labels as they are, at last those whose names are made legal. So a tag app-id never takes the label of app_id,
// nor bosh_job_name that of job.
func (b *labelBuilder) labelTags(id *store.Identity, router bool) {
	for rank := range 3 {
		for _, t := range id.Tags {
			if strings.HasPrefix(t.Name, "__") {
				continue
			}
			name, of := metric.LegalLabel(t.Name), 0
			switch {
			case t.Name == tagUnit && id.Kind == metric.KindCounter:
				// The prom scraper makes the label `unit` of a gauge the unit of the envelope, and leaves that of a counter a tag.
				continue
			case tagLabels[t.Name] != "":
				name = tagLabels[t.Name]
			case t.Name == "component" && router:
				name = "target_component"
			case t.Name == tagStatusGroup && router:
				name = labelStatus
			case t.Name == tagStatusCode && isHTTP(id):
				b.labelStatus(t.Value, rank)
				continue
			case name == t.Name:
				of = 1
			default:
				of = 2
			}
			if of != rank {
				continue
			}
			source := ""
			if b.trace != nil {
				source = "envelope tag " + t.Name
			}
			b.setEnvelope(name, t.Value, source)
		}
	}
}

// labelStatus sets the labels of a status code, which stands in an identity as its class unless codes are wanted.
func (b *labelBuilder) labelStatus(code string, rank int) {
	const source = "envelope tag " + tagStatusCode
	isCode := metric.IsStatusCode(code)
	switch {
	case rank == 0 && isCode:
		b.setEnvelope(labelStatus, string(metric.StatusClass(code)), source)
	case rank == 0:
		b.setEnvelope(labelStatus, code, source)
	case rank == 1 && isCode:
		b.setEnvelope(tagStatusCode, code, source)
	}
}

// labelComponent says which component, and which index of it, where neither the name nor a tag does.
func (b *labelBuilder) labelComponent(source string) {
	component := b.rules.OriginTag("component")
	if b.value("component") == "" {
		b.set("component", component, source)
	}
	if b.value("component") != component {
		// The origin's index counts the instances of another component.
		return
	}
	for _, t := range b.rules.OriginTags {
		if t.Name != "component" && b.value(t.Name) == "" {
			b.set(metric.LegalLabel(t.Name), t.Value, source)
		}
	}
}

// rename gives a label another name, unless that is taken.
func (b *labelBuilder) rename(from, to string) {
	i := slices.IndexFunc(b.labels, func(l metric.Label) bool { return l.Name == from })
	if i < 0 {
		return
	}
	if b.value(to) != "" {
		b.overrides = append(b.overrides, to)
		return
	}
	b.labels[i].Name = to
	if b.trace != nil {
		b.trace.Sources[to] = b.trace.Sources[from] + ", renamed from " + from
		delete(b.trace.Sources, from)
	}
}

func (b *labelBuilder) drop(names []string, by string) {
	if len(names) > 0 {
		b.remove(by, func(name string) bool { return slices.Contains(names, name) })
	}
}

// remove removes labels, as a rule or setting says.
func (b *labelBuilder) remove(by string, which func(name string) bool) {
	b.labels = slices.DeleteFunc(b.labels, func(l metric.Label) bool {
		removed := which(l.Name)
		if removed && b.trace != nil {
			b.trace.Removed = append(b.trace.Removed, RemovedLabel{l, by})
		}
		return removed
	})
}
