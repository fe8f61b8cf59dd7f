package store

import (
	"slices"
	"strings"

	"loggregator_exporter/metric"
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

const envelopePrefix = "envelope_"

// labelBuilder collects labels. The first to set a label keeps it.
type labelBuilder struct {
	labels   []metric.Label
	resolved *Resolved
	trace    *Trace
}

func (b *labelBuilder) value(name string) string {
	return lookup(b.labels, name)
}

// set adds a label unless it is there already, and says whether the label now has this value.
func (b *labelBuilder) set(name, value, source string) bool {
	if value == "" {
		return true
	}
	value = metric.Printable(value)
	for _, l := range b.labels {
		if l.Name == name {
			return l.Value == value
		}
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

// setEnvelope adds a label from the envelope; where the name or the configuration said otherwise, its value is kept under
// another label and counted.
func (b *labelBuilder) setEnvelope(name, value, source string) {
	if b.set(name, value, source) {
		return
	}
	b.resolved.Overrides = append(b.resolved.Overrides, name)
	b.set(envelopePrefix+strings.TrimPrefix(name, envelopePrefix), value, source)
}

// label assembles all labels of a series, in the order of their right to a name: the configuration's constants, what the
// name says, what the envelope says, what can be concluded.
func (r *Resolver) label(id *Identity, b *labelBuilder) {
	b.set("environment", r.environment, "metrics.environment")
	for _, l := range r.labels.Add {
		b.set(l.Name, l.Value, "metrics.labels.add")
	}
	for _, t := range b.resolved.Tags {
		name := legalLabel(t.Name)
		if tagLabels[name] != "" && strings.HasPrefix(tagLabels[name], envelopePrefix) {
			name = tagLabels[name]
		}
		b.setEnvelope(name, t.Value, "name")
	}
	b.setEnvelope("source_id", id.SourceID, "envelope field source_id")
	b.setEnvelope("instance_id", id.InstanceID, "envelope field instance_id")
	r.labelTags(id, b)
	r.labelComponent(id, b)
	if id.Kind == metric.KindTimer {
		b.labels = slices.DeleteFunc(b.labels, func(l metric.Label) bool {
			return !r.timerLabels[l.Name] && !r.always[l.Name]
		})
	}
	for _, n := range b.resolved.RenameLabels {
		b.rename(n.Name, n.Value)
	}
	b.drop(b.resolved.DropLabels)
	for _, n := range r.labels.Rename {
		b.rename(n.From, n.To)
	}
	b.drop(r.labels.Drop)
	slices.SortFunc(b.labels, func(x, y metric.Label) int { return strings.Compare(x.Name, y.Name) })
}

// labelTags sets the labels of tags: first those that mean something else under another name, then those whose names are labels as they are,
// at last those whose names are made legal. So a tag app-id never takes the label of app_id, nor bosh_job_name that of job.
func (r *Resolver) labelTags(id *Identity, b *labelBuilder) {
	router := isRouter(lookup(b.resolved.OriginTags, "component"))
	for rank := range 3 {
		for _, t := range id.Tags {
			if strings.HasPrefix(t.Name, "__") {
				continue
			}
			name, of := legalLabel(t.Name), 0
			switch {
			case tagLabels[t.Name] != "":
				name = tagLabels[t.Name]
			case t.Name == "component" && router:
				name = "target_component"
			case t.Name == tagStatusCode && id.Kind == metric.KindTimer:
				name = labelStatus
			case name == t.Name:
				of = 1
			default:
				of = 2
			}
			if of == rank {
				b.setEnvelope(name, t.Value, "envelope tag "+t.Name)
			}
		}
	}
}

// labelComponent says which component, and which index of it, where neither the name nor a tag does.
func (r *Resolver) labelComponent(id *Identity, b *labelBuilder) {
	source := "origin"
	if lookup(id.Tags, "origin") == "" {
		source = "source id"
	}
	component := lookup(b.resolved.OriginTags, "component")
	if b.value("component") == "" {
		b.set("component", component, source)
	}
	if b.value("component") != component {
		// The origin's index counts the instances of another component.
		return
	}
	for _, t := range b.resolved.OriginTags {
		if t.Name != "component" && b.value(t.Name) == "" {
			b.set(legalLabel(t.Name), t.Value, source)
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
		b.resolved.Overrides = append(b.resolved.Overrides, to)
		return
	}
	b.labels[i].Name = to
	if b.trace != nil {
		b.trace.Sources[to] = b.trace.Sources[from] + ", renamed from " + from
		delete(b.trace.Sources, from)
	}
}

func (b *labelBuilder) drop(names []string) {
	b.labels = slices.DeleteFunc(b.labels, func(l metric.Label) bool { return slices.Contains(names, l.Name) })
}

// isRouter says whether a component is the gorouter, whose tag component means the target of a request.
func isRouter(component string) bool { return component == "gorouter" || component == "router" }

// legalLabel makes a label name of a tag's: what is not a letter, digit or underscore becomes an underscore, and none
// starts with a digit or with the two underscores that Prometheus keeps for itself.
func legalLabel(tag string) string {
	legal := func(i int) bool {
		c := tag[i]
		return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	}
	clean := tag != "" && (tag[0] < '0' || tag[0] > '9') && !strings.HasPrefix(tag, "__")
	for i := 0; clean && i < len(tag); i++ {
		clean = legal(i)
	}
	if clean {
		return tag
	}
	b := []byte(tag)
	for i := range b {
		if !legal(i) {
			b[i] = '_'
		}
	}
	name := strings.TrimLeft(string(b), "_")
	if name == "" || len(name) < len(b) || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

func lookup(labels []metric.Label, name string) string {
	for _, l := range labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// isGUID says whether a source id is an app's: 8-4-4-4-12 hexadecimal digits.
func isGUID[T string | []byte](s T) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F'):
			return false
		}
	}
	return true
}

// statusClass makes 2xx of 200; what is not a status code is no class.
func statusClass(code []byte) []byte {
	if len(code) != 3 || code[0] < '1' || code[0] > '9' || code[1] < '0' || code[1] > '9' || code[2] < '0' || code[2] > '9' {
		return nil
	}
	return statusClasses[code[0]-'1']
}

var statusClasses = [...][]byte{
	[]byte("1xx"), []byte("2xx"), []byte("3xx"), []byte("4xx"), []byte("5xx"), []byte("6xx"), []byte("7xx"), []byte("8xx"), []byte("9xx"),
}
