package compat

import (
	"strings"

	"loggregator_exporter/metric"
)

// copies are the labels that repeat a tag under another name, unless a tag has that name itself.
var copies = [...]struct{ label, of string }{
	{"bosh_deployment", "deployment"},
	{"bosh_job_name", "job"},
	{"bosh_job_id", "index"},
	{"bosh_job_ip", "ip"},
	{"application_id", tagAppID},
	{"application_name", tagAppName},
}

// labels collects the labels of a series. The first to set one keeps it.
type labels struct {
	all       []metric.Label
	overrides []string
	ignore    string // a tag that is no label
}

func (l *labels) value(name string) string { return metric.LabelValue(l.all, name) }

// set adds a label unless it is there, and says whether it has this value now.
func (l *labels) set(name, value string) bool {
	if value == "" {
		return true
	}
	value = metric.Printable(value)
	if is := l.value(name); is != "" {
		return is == value
	}
	l.all = append(l.all, metric.Label{Name: name, Value: value})
	return true
}

// setTag adds the label of a tag. Where that is another's already, the value is kept beside, and counted.
func (l *labels) setTag(name, value string) {
	if !l.set(name, value) {
		l.overrides = append(l.overrides, name)
		l.set("envelope_"+name, value)
	}
}

// setTags adds the tags of an envelope: first those that are legal labels as they are. Those that begin with two
// underscores are none.
func (l *labels) setTags(tags []metric.Label) {
	for _, legal := range []bool{true, false} {
		for _, t := range tags {
			name := metric.LegalLabel(t.Name)
			if (name == t.Name) == legal && t.Name != l.ignore && !strings.HasPrefix(t.Name, "__") {
				l.setTag(name, t.Value)
			}
		}
	}
}

func (l *labels) copy() {
	for _, c := range copies {
		if l.value(c.label) == "" {
			l.set(c.label, l.value(c.of))
		}
	}
}
