package diff

import (
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/compat"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
)

// setting is a setting of the exporter's own names: its key, its value as text, and how to take it from another side.
type setting struct {
	key  string
	text func(o *resolver.Options) string
	take func(to *resolver.Options, from *resolver.Options)
}

var ownSettings = [...]setting{
	{
		"metrics.namespace",
		func(o *resolver.Options) string { return o.Naming.Namespace },
		func(to, from *resolver.Options) { to.Naming.Namespace = from.Naming.Namespace },
	},
	{
		"metrics.naming",
		func(o *resolver.Options) string { return choose(o.Naming.Verbatim, "verbatim", "prometheus") },
		func(to, from *resolver.Options) { to.Naming.Verbatim = from.Naming.Verbatim },
	},
	{
		"metrics.units",
		func(o *resolver.Options) string { return choose(o.Naming.KeepUnits, "keep", "convert") },
		func(to, from *resolver.Options) { to.Naming.KeepUnits = from.Naming.KeepUnits },
	},
	{
		"metrics.environment",
		func(o *resolver.Options) string { return o.Environment },
		func(to, from *resolver.Options) { to.Environment = from.Environment },
	},
	{
		"metrics.labels.add",
		func(o *resolver.Options) string { return string(metric.RenderLabels(slices.Clone(o.Labels.Add))) },
		func(to, from *resolver.Options) { to.Labels.Add = from.Labels.Add },
	},
	{
		"metrics.labels.rename",
		func(o *resolver.Options) string {
			var all []string
			for _, r := range o.Labels.Rename {
				all = append(all, r.From+": "+r.To)
			}
			return strings.Join(all, ", ")
		},
		func(to, from *resolver.Options) { to.Labels.Rename = from.Labels.Rename },
	},
	{
		"metrics.labels.drop",
		func(o *resolver.Options) string { return strings.Join(o.Labels.Drop, ", ") },
		func(to, from *resolver.Options) { to.Labels.Drop = from.Labels.Drop },
	},
	{
		"metrics.http.labels",
		func(o *resolver.Options) string { return strings.Join(o.HTTP.Labels, ", ") },
		func(to, from *resolver.Options) { to.HTTP.Labels = from.HTTP.Labels },
	},
	{
		"metrics.http.buckets",
		func(o *resolver.Options) string { return numbers(o.HTTP.Buckets) },
		func(to, from *resolver.Options) { to.HTTP.Buckets = from.HTTP.Buckets },
	},
	{
		"metrics.http.size_buckets",
		func(o *resolver.Options) string { return numbers(o.HTTP.SizeBuckets) },
		func(to, from *resolver.Options) { to.HTTP.SizeBuckets = from.HTTP.SizeBuckets },
	},
}

func choose(holds bool, yes, no string) string {
	if holds {
		return yes
	}
	return no
}

func numbers(values []float64) string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strings.Join(all, ", ")
}

// trial is the old side with one setting of the new one.
type trial struct {
	setting  Setting
	resolver *resolver.Resolver
}

// trialsOf returns a trial for each setting that differs.
func trialsOf(before, after *resolver.Options) (trials []trial) {
	for _, s := range ownSettings {
		was, is := s.text(before), s.text(after)
		if was == is {
			continue
		}
		o := *before
		s.take(&o, after)
		trials = append(trials, trial{Setting{s.key, was, is}, resolver.New(o)})
	}
	return trials
}

// keyVersion stands among the settings that an exporter states for its version.
const keyVersion = "version"

// statedDiffer are the settings of names, and the version, in which what both sides state of themselves differs.
func statedDiffer(before, after map[string]string) (differ []Setting) {
	if before == nil || after == nil {
		return nil
	}
	keys := []string{keyVersion}
	for _, s := range ownSettings {
		keys = append(keys, s.key)
	}
	for _, key := range keys {
		if was, is := before[key], after[key]; was != is {
			differ = append(differ, Setting{key, was, is})
		}
	}
	return differ
}

// compatSettings are those of firehose_exporter's names that differ; all of them concern all such series.
func compatSettings(before, after *compat.Options) (differ []Setting) {
	add := func(key, was, is string) {
		if was != is {
			differ = append(differ, Setting{key, was, is})
		}
	}
	labels := func(o *compat.Options) string { return string(metric.RenderLabels(slices.Clone(o.Add))) }
	add("metrics.compatibility_namespace", before.Namespace, after.Namespace)
	add("metrics.environment", before.Environment, after.Environment)
	add("metrics.labels.add", labels(before), labels(after))
	add("nozzle.deterministic_name", before.NodeIndex, after.NodeIndex)
	return differ
}

// compatibility says which kinds of names a side makes.
func (s *Side) compatibility() string {
	switch {
	case s.Compat == nil:
		return "none"
	case s.Own == nil && s.Answers == nil:
		return "firehose_exporter, alone"
	default:
		return "firehose_exporter, beside"
	}
}
