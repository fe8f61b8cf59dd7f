package config

import (
	"strings"

	"loggregator_exporter/compat"
)

// Compatible says whether names of firehose_exporter are exposed, and whether they alone are.
func (m *Metrics) Compatible() (on, alone bool) {
	on = m.Compatibility == "firehose_exporter"
	return on, on && m.CompatibilityMode == "alone"
}

// ownWords begin the names of the exporter's metrics of itself.
var ownWords = [...]string{"loggregator_exporter", "go", "process", "promhttp"}

func (v *validator) compatibility(m *Metrics) {
	const mode, namespace = "metrics.compatibility_mode", "metrics.compatibility_namespace"
	on, alone := m.Compatible()
	if !on {
		if m.CompatibilityMode == "alone" {
			v.warnings = append(v.warnings, v.where(mode)+" has no effect, since metrics.compatibility is none: set it to firehose_exporter")
		}
		return
	}
	if m.Environment == "" {
		v.warnings = append(v.warnings, "metrics.environment is not set: firehose_exporter always has the label environment, and its dashboards choose by it")
	}
	err := compat.CheckNamespace(m.CompatibilityNamespace)
	if !v.check(err == nil, namespace, "%v", err) {
		return
	}
	for _, word := range ownWords {
		v.check(!strings.HasPrefix(m.CompatibilityNamespace+"_", word+"_"), namespace,
			"%s begins the names of metrics of the exporter itself: choose another one, as in firehose", quote(word))
	}
	key, own, other := "metrics.namespace", m.Namespace, namespace
	if v.isSet(namespace) {
		key, own, other = namespace, m.CompatibilityNamespace, key
	}
	v.check(alone || !strings.HasPrefix(m.Namespace+"_", m.CompatibilityNamespace+"_"), key,
		"%s cannot stand beside the names that %s begins, since none may be of both kinds: choose another one, or set %s to alone", quote(own), other, mode)
}
