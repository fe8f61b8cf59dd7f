package migrate

import (
	"fmt"
	"regexp"
	"strings"

	"loggregator_exporter/migrate/promql"
)

// variableQuery is a call of one of the functions that Grafana's variables have beside PromQL.
var variableQuery = regexp.MustCompile(
	`(?s)^(\s*(label_values|label_names|metrics|query_result)\s*\(\s*)(.*?)(\s*\)\s*)$`)

// lastArgument is the label at the end of label_values(metric, label).
var lastArgument = regexp.MustCompile(`(?s)^(.*?)(\s*,\s*)([\w$\[\]{}:.]+)$`)

// Variable rewrites the query of a variable of a dashboard: label_values(metric, label), label_values(label),
// label_names(metric), metrics(regex), query_result(expr), or a query of PromQL.
func (m *Migrator) Variable(query string) Result {
	call := variableQuery.FindStringSubmatch(query)
	if call == nil {
		return m.Query(query)
	}
	before, argument, after := call[1], call[3], call[4]
	var r Result
	switch call[2] {
	case "query_result":
		r = m.query(argument, (*rewriter).rewriteAll)
	case "metrics":
		if r = m.metricsOf(argument); !r.OK {
			if values := m.valuesOfNames(argument); values.OK {
				r, before = values, strings.Replace(before, "metrics", "label_values", 1)
			}
		}
	case "label_names":
		r = m.metricsOf(argument)
	default:
		r = m.labelValues(argument)
	}
	if !r.OK {
		r.Migrated = query
		return r
	}
	r.tellNeeds()
	r.Migrated = before + r.Migrated + after
	r.Changed = r.Migrated != query
	return r
}

// metricsOf rewrites what is a selector, or a regular expression for names.
func (m *Migrator) metricsOf(pattern string) Result {
	if !strings.Contains(pattern, m.old.Prefix()) {
		return Result{Migrated: pattern, OK: true}
	}
	if strings.Contains(pattern, "{") || len(m.names.lookUp(pattern)) > 0 {
		return m.seriesOf(pattern)
	}
	return refused(pattern, "names by a regular expression cannot be translated: write out what the new ones are")
}

// labelValues rewrites the arguments of label_values.
func (m *Migrator) labelValues(arguments string) Result {
	parts := lastArgument.FindStringSubmatch(arguments)
	if parts == nil {
		return Result{Migrated: arguments, OK: true} // of all series, whoever exposes them
	}
	metric, separator, label := parts[1], parts[2], parts[3]
	q, err := promql.Parse(metric)
	if err != nil {
		return refused(arguments, "the metric cannot be parsed: "+err.Error())
	}
	r := m.seriesOf(metric)
	if !r.OK || len(r.Metrics) == 0 {
		return r.with(r.Migrated + separator + label)
	}
	if label == labelName {
		return m.labelOfNames(q, r, separator)
	}
	name := ""
	for _, s := range q.Selectors {
		selected, err := m.selectSeries(s)
		if err != nil || selected == nil {
			continue
		}
		now, ok := m.newLabel(label, selected)
		if !ok || name != "" && name != now {
			return refused(arguments, noLabel(label).Error())
		}
		name = now
		r.need(m.need(label, selected))
	}
	return r.with(r.Migrated + separator + name)
}

func (r Result) with(migrated string) Result {
	r.Migrated = migrated
	return r
}

// labelOfNames is for the names of metrics by a regular expression, from which the variable takes a part: the label
// has it.
func (m *Migrator) labelOfNames(q *promql.Query, r Result, separator string) Result {
	if len(q.Selectors) == 1 {
		if selected, err := m.selectSeries(q.Selectors[0]); err == nil && len(selected.matchers[0].values) == 1 {
			if label := m.labelBehind(nameMatcher(q.Selectors[0])); label != "" {
				r.Notes = append(r.Notes, fmt.Sprintf(
					"what stood in the metrics' names is the label %s: drop the regular expression of the variable", label))
				return r.with(r.Migrated + separator + label)
			}
		}
	}
	return r.with(r.Migrated + separator + labelName)
}

// anyText matches the part of a regular expression that stands for any text.
var anyText = regexp.MustCompile(`\(?(?:\.|\\w|\[[^\]]+\])[*+]\??\)?`)

// labelBehind is the label that holds what the only open part of a regular expression for names stands for; "" if
// there is none.
func (m *Migrator) labelBehind(names *promql.Matcher) string {
	if names == nil {
		return ""
	}
	open := anyText.FindAllStringIndex(names.Value, -1)
	for len(open) > 1 && open[0][0] == 0 { // what stands before the names
		open = open[1:]
	}
	if len(open) != 1 {
		return ""
	}
	start := strings.LastIndex(names.Value[:open[0][0]], m.old.Prefix())
	if start < 0 {
		return ""
	}
	label, _ := m.labelOf(m.names.between(names.Value[start:open[0][0]], names.Value[open[0][1]:]))
	return label
}

// valuesOfNames makes of a regular expression for names, from which a variable takes a part, the values of the label
// that holds that part: the arguments of label_values.
func (m *Migrator) valuesOfNames(pattern string) Result {
	names := strings.TrimSuffix(strings.TrimPrefix(pattern, "^"), "$")
	if !strings.HasPrefix(pattern, "^") {
		names = ".*" + strings.TrimPrefix(names, ".*")
	}
	r := m.labelValues("{" + labelName + "=~" + quote(names) + "}, " + labelName)
	r.OK = r.OK && r.Changed && !strings.HasSuffix(r.Migrated, labelName)
	return r
}
