package config

import (
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"loggregator_exporter/compat"
	"loggregator_exporter/internal/check"
	"loggregator_exporter/tagger"
)

// check looks for what single values cannot show: ranges, spellings, and what must fit together.
func (l *loader) check(cfg *Config) {
	section := func(name string) check.Section { return check.NewSection(l, name) }
	cfg.Nozzle.Check(section("nozzle"), cfg.Nozzle.AllowOverlap)
	if cfg.Nozzle.NeedToken() {
		cfg.UAA.Check(section("uaa"))
	}
	cfg.Tagger.check(section("tagger"))
	cfg.Metrics.check(section("metrics"))
	remoteWrite := section("remote_write")
	remoteWrite.Switch(cfg.RemoteWrite.Enabled)
	if cfg.RemoteWrite.Enabled {
		cfg.RemoteWrite.Check(remoteWrite)
	}
	cfg.Web.check(section("web"))
}

// check finds files that cannot be read; their rules are checked when they are compiled.
func (c *Tagger) check(s check.Section) {
	s.Unique("rules_files", c.RulesFiles)
	for i, file := range c.RulesFiles {
		s.FileOf(check.Item("rules_files", i), file, tagger.MaxFileBytes)
	}
}

// maxBuckets bounds what every HTTP series costs.
const maxBuckets = 100

func (m *Metrics) check(s check.Section) {
	s.That(m.Namespace == "" || model.LegacyValidation.IsValidLabelName(m.Namespace), "namespace",
		"%s cannot start a metric name: use letters, digits and _, and no digit first", check.Quote(m.Namespace))
	checkOwnWords(s, "namespace", strings.Trim(m.Namespace, "_"),
		", so that every other would be refused: choose another one, as in cf")
	s.That(m.Expiration > 0, "expiration", "must be more than 0, is %s", m.Expiration)
	s.That(m.MaxSeries > 0, "max_series", "must be more than 0, is %d", m.MaxSeries)
	s.That(m.MaxSeriesPerMetric >= 0, "max_series_per_metric", "must be 0 or more, is %d", m.MaxSeriesPerMetric)
	s.That(m.MaxSeriesPerOwner >= 0, "max_series_per_owner", "must be 0 or more, is %d", m.MaxSeriesPerOwner)
	m.checkLabels(s)
	m.checkCompatibility(s)
	http := s.Section("http")
	checkBuckets(http, "buckets", m.HTTP.Buckets)
	checkBuckets(http, "size_buckets", m.HTTP.SizeBuckets)
	http.Unique("labels", m.HTTP.Labels)
	for i, name := range m.HTTP.Labels {
		http.Label(check.Item("labels", i), name)
	}
}

// checkOwnWords refuses a namespace with which names would begin as those of the exporter's metrics of itself do.
func checkOwnWords(s check.Section, name, namespace, remedy string) {
	for _, word := range []string{"loggregator_exporter", "go", "process", "promhttp"} {
		s.That(!strings.HasPrefix(namespace+"_", word+"_"), name,
			"%s begins the names of metrics of the exporter itself%s", check.Quote(word), remedy)
	}
}

func (m *Metrics) checkLabels(s check.Section) {
	taken := map[string]string{} // label names that are set, and by what
	if m.Environment != "" {
		taken["environment"] = s.Key("environment")
	}
	s = s.Section("labels")
	for i, a := range m.Labels.Add {
		at := check.Item("add", i)
		checkNewLabel(s, at+".name", a.Name, taken)
		s.That(a.Value != "", at+".value", "must not be empty: a label without a value is no label")
	}
	s.Unique("drop", m.Labels.Drop)
	for i, name := range m.Labels.Drop {
		s.That(name != "", check.Item("drop", i), "must not be empty")
	}
	renamed := map[string]bool{}
	for i, r := range m.Labels.Rename {
		at := check.Item("rename", i)
		s.That(r.From != "", at+".from", "must not be empty")
		s.That(r.From != r.To, at, "renames %s to itself", check.Quote(r.From))
		s.That(!renamed[r.From] || r.From == "", at+".from", "%s is renamed twice", check.Quote(r.From))
		s.That(r.From == "" || !slices.Contains(m.Labels.Drop, r.From), at+".from",
			"%s is dropped by %s and renamed as well: do one of the two", check.Quote(r.From), s.Key("drop"))
		renamed[r.From] = true
		checkNewLabel(s, at+".to", r.To, taken)
	}
}

// checkNewLabel checks a label that the user makes.
func checkNewLabel(s check.Section, path, name string, taken map[string]string) {
	if !s.Label(path, name) {
		return
	}
	s.That(taken[name] == "", path, "the label %s is already set by %s", name, taken[name])
	taken[name] = s.Key(path)
	if name == model.JobLabel || name == model.InstanceLabel {
		s.Warn(path, "Prometheus sets the label %s itself and will rename this one to exported_%s", name, name)
	}
}

func checkBuckets(s check.Section, name string, bounds []float64) {
	if !s.That(len(bounds) > 0 && len(bounds) <= maxBuckets, name, "must hold 1 to %d bounds, holds %d", maxBuckets,
		len(bounds)) {
		return
	}
	for i, b := range bounds {
		if !s.That(!math.IsNaN(b) && !math.IsInf(b, 0), name,
			"%v is no bound: the bucket +Inf is always there, and need not be named", b) {
			return
		}
		if i > 0 && !s.That(b > bounds[i-1], name, "bounds must ascend, but %v follows %v", b, bounds[i-1]) {
			return
		}
	}
}

// Compatible says whether names of firehose_exporter are exposed, and whether they alone are.
func (m *Metrics) Compatible() (on, alone bool) {
	on = m.Compatibility == "firehose_exporter"
	return on, on && m.CompatibilityMode == "alone"
}

func (m *Metrics) checkCompatibility(s check.Section) {
	const mode, namespace = "compatibility_mode", "compatibility_namespace"
	on, alone := m.Compatible()
	if !on {
		if m.CompatibilityMode == "alone" {
			s.Warn(mode, "has no effect, since %s is none: set it to firehose_exporter", s.Key("compatibility"))
		}
		return
	}
	if m.Environment == "" {
		s.Warn("environment", "is not set: firehose_exporter always has the label environment, and its dashboards "+
			"choose by it")
	}
	err := compat.CheckNamespace(m.CompatibilityNamespace)
	if !s.That(err == nil, namespace, "%v", err) {
		return
	}
	checkOwnWords(s, namespace, m.CompatibilityNamespace, ": choose another one, as in firehose")
	name, value, other := "namespace", m.Namespace, namespace
	if s.IsSet(namespace) {
		name, value, other = namespace, m.CompatibilityNamespace, name
	}
	s.That(alone || !strings.HasPrefix(m.Namespace+"_", m.CompatibilityNamespace+"_"), name,
		"%s cannot stand beside the names that %s begins, since none may be of both kinds: choose another one, or set "+
			"%s to alone",
		check.Quote(value), s.Key(other), s.Key(mode))
}
