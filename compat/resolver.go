// Package compat is the resolver of firehose_exporter's names: the names, labels and HTTP families by which it
// exposes what comes from Loggregator, so that dashboards and alerts that were written for it go on working.
//
// The rules are those of firehose_exporter as of 2026 in its default (retro-compatible) mode. Where its output is
// not valid (a label or a name twice on a page, names that are not legal) this one is; docs/firehose-exporter.md
// lists the differences.
package compat

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
)

// The families of HTTP requests, and the timer that they are made of.
const (
	timerHTTP    = "http"
	nameTotal    = "http_total"
	nameDuration = "http_duration_seconds"
	nameSize     = "http_response_size_bytes"
)

const (
	tagAppID      = "app_id"
	tagAppName    = "app_name"
	tagSourceID   = "source_id"
	tagInstanceID = "instance_id"
	tagOrigin     = "origin"

	labelEnvironment = "environment"
	labelUnit        = "unit"
	labelNodeIndex   = "node_index"
)

// durationBuckets are the upper bounds of the buckets of the requests' durations, in seconds.
var durationBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// The texts of HELP are those of firehose_exporter; where it has none, or one that holds for some series of the
// family only, ours.
const (
	helpGauge     = "Cloud Foundry Firehose value metrics."
	helpCounter   = "Cloud Foundry Firehose counter metrics."
	helpPlain     = "Cloud Foundry Firehose metric whose name ends like that of a container metric."
	helpTotal     = "Cloud Foundry Firehose HTTP requests."
	helpDuration  = "Cloud Foundry Firehose durations of HTTP requests."
	helpSize      = "Cloud Foundry Firehose sizes of HTTP responses, with quantiles of the last ten minutes."
	helpContainer = "Cloud Foundry Firehose container metric: "
)

var containerHelp = map[string]string{
	"cpu":          helpContainer + "CPU used, on a scale of 0 to 100.",
	"memory":       helpContainer + "bytes of memory used.",
	"disk":         helpContainer + "bytes of disk used.",
	"memory_quota": helpContainer + "maximum bytes of memory allocated to container.",
	"disk_quota":   helpContainer + "maximum bytes of disk allocated to container.",
}

// Options are what users of firehose_exporter could set.
type Options struct {
	Namespace   string // first word of every name
	Environment string // value of the label environment; none where empty
	NodeIndex   string // value of the label node_index of HTTP families
	// Add are constant labels for every series.
	Add []metric.Label
}

// Resolver gives series the names and labels of firehose_exporter. It is immutable, and implements store.Resolver.
type Resolver struct{ options Options }

// New makes a resolver.
func New(o Options) (*Resolver, error) {
	if err := CheckNamespace(o.Namespace); err != nil {
		return nil, err
	}
	o.Add = slices.Clone(o.Add)
	return &Resolver{options: o}, nil
}

// CheckNamespace says what is wrong with a namespace.
func CheckNamespace(namespace string) error {
	const want = "start with a letter and use letters, digits and _, as in firehose"
	switch {
	case namespace == "":
		return errors.New("must not be empty: " + want)
	case !model.LegacyValidation.IsValidLabelName(namespace) || strings.HasPrefix(namespace, "_"):
		return fmt.Errorf("%q cannot start a metric name: %s", namespace, want)
	case normalize(namespace) != namespace:
		return fmt.Errorf(
			"%q would become %q, as firehose_exporter makes snake case of whole names: write that", namespace,
			normalize(namespace),
		)
	default:
		return nil
	}
}

// Prefix is what every name begins with.
func (r *Resolver) Prefix() string { return r.options.Namespace + "_" }

// Name returns the name of a gauge or counter that an origin emits.
func (r *Resolver) Name(origin, name string, kind metric.Kind) string {
	return normalize(r.Prefix() + rawName(origin, name, kind))
}

// Identification implements store.Resolver. A Sink chooses the tags of timers, and each part of a histogram is a
// series.
func (r *Resolver) Identification() store.Identification { return store.Identification{} }

// Resolve implements store.Resolver. Timers are those that a Sink makes.
func (r *Resolver) Resolve(id *store.Identity) store.Resolved {
	out := store.Resolved{Mul: 1, Div: 1}
	l := labels{all: make([]metric.Label, 0, len(id.Tags)+len(r.options.Add)+len(copies)+3)}
	l.set(labelEnvironment, r.options.Environment)
	for _, a := range r.options.Add {
		l.set(a.Name, a.Value)
	}
	switch id.Kind {
	case metric.KindHistogram, metric.KindSummary:
		out.Dropped = true // firehose_exporter knows none
	case metric.KindTimer:
		r.timer(id, &out)
		l.set(labelNodeIndex, r.options.NodeIndex)
		if metric.LabelValue(id.Tags, tagAppID) != "" {
			l.set(tagOrigin, "cf_app")
		}
		l.set(tagSourceID, id.SourceID)
	case metric.KindCounter:
		out.Type, out.Help = metric.TypeCounter, helpCounter
		r.envelope(id, &out, &l)
	default:
		out.Type, out.Help = metric.TypeGauge, helpGauge
		l.set(labelUnit, id.Unit)
		r.envelope(id, &out, &l)
	}
	l.setTags(id.Tags)
	l.copy()
	out.Labels, out.Overrides = l.all, l.overrides
	return out
}

// envelope is the part of Resolve for gauges and counters.
func (r *Resolver) envelope(id *store.Identity, out *store.Resolved, l *labels) {
	out.Metric = r.Name(metric.LabelValue(id.Tags, tagOrigin), id.Name, id.Kind)
	if !strings.HasSuffix(out.Metric, "_total") {
		out.Type = metric.TypeGauge // OpenMetrics would give a counter another name
	}
	switch container, ok := containerHelp[id.Name]; {
	case ok:
		out.Help = container
	case out.Metric == r.Prefix()+nameTotal:
		out.Help = helpTotal
	case rawName("", id.Name, id.Kind) == id.Name:
		out.Help = helpPlain
	}
	// A tag source_id wins over the envelope's field, the field instance_id over the tag.
	if metric.LabelValue(id.Tags, tagSourceID) == "" {
		l.set(tagSourceID, id.SourceID)
	}
	if l.set(tagInstanceID, id.InstanceID); id.InstanceID != "" {
		l.ignore = tagInstanceID
	}
}

func (r *Resolver) timer(id *store.Identity, out *store.Resolved) {
	out.Metric = r.Prefix() + id.Name
	switch id.Name {
	case nameTotal:
		out.Type, out.Help = metric.TypeCounter, helpTotal
	case nameDuration:
		out.Type, out.Help, out.Buckets, out.Unit = metric.TypeHistogram, helpDuration, durationBuckets, "seconds"
	case nameSize:
		out.Type, out.Help, out.Unit = metric.TypeSummary, helpSize, "bytes"
	default:
		out.Dropped = true
	}
}
