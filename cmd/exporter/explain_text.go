package main

import (
	"fmt"
	"strings"

	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/tagger"
)

// maxTried is how many rules that did not match are shown for one step.
const maxTried = 8

// write shows the way of one name, step by step, as the production path recorded it, and what it is called by
// another exporter's names, where that is asked for.
func (e *explainer) write(q *question, r *resolver.Resolution, tr *resolver.Trace, old string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", q.name)
	if q.origin != "" {
		fmt.Fprintf(&b, "  of origin %s\n", q.origin)
	}
	for i := range tr.Rules.Steps {
		writeStep(&b, &tr.Rules.Steps[i])
	}
	switch {
	case r.Rules.Invalid != "":
		line(&b, "result", "invalid: %s", r.Rules.Invalid)
	case r.Dropped:
		line(&b, "result", "dropped by rule %s", r.Rules.Rule)
	default:
		if r.Rules.Rule == "" {
			e.writeNearest(&b, q.name)
		}
		writeSeries(&b, r, tr)
	}
	if old != "" {
		line(&b, "formerly", "%s", old)
	}
	b.WriteByte('\n')
	_, err := fmt.Fprint(e.out, b.String())
	return err
}

func line(b *strings.Builder, what, format string, args ...any) {
	fmt.Fprintf(b, "  %-11s %s\n", what, fmt.Sprintf(format, args...))
}

// stageWords is how the first column calls the stages.
var stageWords = map[tagger.Stage]string{
	tagger.StageOrigin: "origin", tagger.StageRule: "rule", tagger.StageFromOrigin: "from origin",
	tagger.StageQuarantine: "quarantine", tagger.StageMetadata: "metadata",
}

func writeStep(b *strings.Builder, s *tagger.Step) {
	word := stageWords[s.Stage]
	switch {
	case s.Rule != "":
		line(b, word, "%q matches %s", s.Text, s.Rule)
		if s.Pattern != "" && s.Pattern != s.Rule {
			line(b, "", "pattern %s (%s)", s.Pattern, s.Place)
		}
	case s.Stage == tagger.StageRule:
		line(b, word, "%q matches no rule", s.Text)
	case s.Stage == tagger.StageMetadata:
		line(b, word, "no entry for base name %q", s.Text)
	case s.Stage == tagger.StageOrigin:
		line(b, word, "%q is the component as a whole", s.Text)
	default:
		line(b, word, "%q", s.Text)
	}
	writeLabels(b, "captured", s.Captures)
	writeLabels(b, "tags", s.Tags)
	writeLabels(b, "kept, not replaced by", s.Kept)
	if s.Rest != "" {
		line(b, "", "goes on with %q", s.Rest)
	}
	if len(s.Metadata) > 0 {
		line(b, "", "says %s", strings.Join(s.Metadata, ", "))
	}
	for i, t := range s.Tried {
		if i == maxTried {
			line(b, "", "... and %d more that share the first segment", len(s.Tried)-i+s.Omitted)
			break
		}
		line(b, "", "tried %s: %s", t.Rule, t.Reason)
	}
}

func writeLabels(b *strings.Builder, what string, labels []metric.Label) {
	if len(labels) == 0 {
		return
	}
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = fmt.Sprintf("%s=%q", l.Name, l.Value)
	}
	line(b, "", "%s %s", what, strings.Join(parts, " "))
}

func (e *explainer) writeNearest(b *strings.Builder, name string) {
	nearest := e.tagger.Nearest(name, 3)
	if len(nearest) == 0 {
		line(b, "nearest", "no rule is like this name")
	}
	for _, s := range nearest {
		line(b, "nearest", "%s: %s", s.Rule, s.Pattern)
	}
}

// writeSeries shows naming, conversion, labels with their provenance, and the series as it would be exposed.
func writeSeries(b *strings.Builder, r *resolver.Resolution, tr *resolver.Trace) {
	line(b, "base name", "%s", r.Rules.Base)
	line(b, "metric", "%s, a %s", r.Metric, r.Type)
	if r.Rules.Unit != "" {
		line(b, "unit", "%s%s", r.Rules.Unit, conversionWords(r))
	}
	line(b, "help", "%s", r.Help)
	for i, l := range r.Labels {
		word := ""
		if i == 0 {
			word = "labels"
		}
		line(b, word, "%s=%q from %s", l.Name, l.Value, tr.Sources[l.Name])
	}
	for _, o := range r.Overrides {
		line(b, "conflict", "label %s was asked for twice; the envelope's value is kept as envelope_%s", o, o)
	}
	line(b, "series", "%s{%s}", r.Metric, metric.RenderLabels(r.Labels))
}

func conversionWords(r *resolver.Resolution) string {
	switch {
	case r.Div != 1:
		return fmt.Sprintf(", divided by %v to %s", r.Div, r.Unit)
	case r.Mul != 1:
		return fmt.Sprintf(", times %v to %s", r.Mul, r.Unit)
	default:
		return ""
	}
}
