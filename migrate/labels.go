package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
)

const (
	labelEnvironment = "environment"
	labelOrigin      = "origin"
	labelComponent   = "component"
	labelSourceID    = "source_id"
	labelInstanceID  = "instance_id"
	labelUnit        = "unit"
	labelStatusCode  = "status_code"
	labelQuantile    = "quantile"
	labelBucket      = "le"

	exportedPrefix = "exported_" // Prometheus' for labels that a target's own labels hide
)

// probe is a value of a tag that is recognised again in a label, probeCode one of a status code.
const (
	probe     = "probe-of-migrate"
	probeCode = "599"
)

const tagDeployment = "deployment"

// tagsBehind are the tags that a label of firehose_exporter may repeat under another name.
var tagsBehind = map[string]string{
	"bosh_deployment": tagDeployment, "bosh_job_name": "job", "bosh_job_id": "index", "bosh_job_ip": "ip",
	"application_id": "app_id", "application_name": "app_name",
}

// targetLabels are those that Prometheus gives to a target. What firehose_exporter has under these names, Prometheus
// stores with exportedPrefix unless the scrape says honor_labels.
var targetLabels = []string{"job", "instance"}

// newLabel returns what a label of firehose_exporter is in the new names, for the series of a translation; ok is false
// if no label holds what it held. Of requests it is a label that metrics.http.labels can list, see need.
func (m *Migrator) newLabel(label string, s *translation) (name string, ok bool) {
	if s.recorded != nil {
		return s.recordedLabel(label), true
	}
	of := s.identity
	if of == nil {
		return label, label == labelEnvironment || slices.Contains(targetLabels, label)
	}
	if label == labelEnvironment || label == labelName || label == labelBucket || slices.Contains(targetLabels, label) {
		return label, true
	}
	if label == labelUnit || of.Kind == metric.KindTimer && !s.special.has(label) {
		return "", false // the unit is one of the envelope, not a tag
	}
	return m.follow(m.wide, label, s)
}

// follow is newLabel by one of the resolvers, for labels of tags.
func (m *Migrator) follow(now *resolver.Resolver, label string, s *translation) (name string, ok bool) {
	if bare, exported := strings.CutPrefix(label, exportedPrefix); exported && slices.Contains(targetLabels, bare) {
		label = bare
	}
	for _, tag := range []string{tagsBehind[label], label} {
		if tag == "" {
			continue
		}
		if name, ok = m.followTag(now, tag, label, s); ok {
			return name, true
		}
	}
	return "", false
}

// noLabel says that no label of the new series holds what an old one held.
func noLabel(label string) error {
	return fmt.Errorf("no label of the new series holds what %s held", label)
}

// followTag sends an envelope with a tag through both resolvers: where the old one makes the label of it, it returns
// what the new one makes. Of older versions it is known without asking.
func (m *Migrator) followTag(now *resolver.Resolver, tag, label string, s *translation) (string, bool) {
	of, value := s.identity, probe
	id := *of
	id.Tags = slices.DeleteFunc(slices.Clone(of.Tags), func(l metric.Label) bool { return l.Name == tag })
	switch {
	case tag == labelSourceID:
		id.SourceID = value
	case tag == labelInstanceID && of.Kind != metric.KindTimer:
		id.InstanceID = value
	case tag == labelStatusCode:
		value = probeCode
		fallthrough
	default:
		id.Tags = append(id.Tags, metric.Label{Name: tag, Value: value})
		slices.SortFunc(id.Tags, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
	}
	was := id
	older := false
	if of.Kind == metric.KindTimer {
		was.Name = "http_total"
		older = tag == tagDeployment
	}
	if !older && metric.LabelValue(m.old.Resolve(&was).Labels, label) != value {
		return "", false
	}
	made := now.Explain(&id, nil).Labels
	if metric.LabelValue(made, label) == value {
		return label, true
	}
	for _, l := range made {
		if l.Value == value {
			return l.Name, true
		}
	}
	return "", false
}

// statusClasses are the classes of status codes that the new names tell apart.
var statusClasses = []string{"1xx", "2xx", "3xx", "4xx", "5xx"}

// classesOf returns the classes of the status codes that a regular expression or text matches, with the type of the
// matcher; ok is false if it takes a part of a class only.
func classesOf(t labels.MatchType, value string) (class string, of labels.MatchType, ok bool) {
	negative := t == labels.MatchNotEqual || t == labels.MatchNotRegexp
	if t == labels.MatchEqual || t == labels.MatchNotEqual {
		value = regexp.QuoteMeta(value)
	}
	pattern, err := regexp.Compile("^(?s:" + value + ")$")
	if err != nil {
		return "", t, false
	}
	var classes []string
	for i, class := range statusClasses {
		n := 0
		for code := 100 * (i + 1); code < 100*(i+2); code++ {
			if pattern.MatchString(strconv.Itoa(code)) {
				n++
			}
		}
		switch n {
		case 0:
		case 100:
			classes = append(classes, class)
		default:
			return "", t, false
		}
	}
	if pattern.MatchString("") {
		classes = append(classes, "")
	}
	if len(classes) == 0 {
		return "", t, false
	}
	of = labels.MatchRegexp
	switch {
	case negative && len(classes) == 1:
		of = labels.MatchNotEqual
	case negative:
		of = labels.MatchNotRegexp
	case len(classes) == 1:
		of = labels.MatchEqual
	}
	return strings.Join(classes, "|"), of, true
}
