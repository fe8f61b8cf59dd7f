package foundation

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed metrics.tsv
var metricsTable string

// protocol is the client library by which a component emits.
type protocol string

const (
	protocolNone      protocol = "-"         // a template: rows that others use
	protocolDropsonde protocol = "dropsonde" // one v1 envelope a metric
	protocolV2        protocol = "v2"        // one v2 envelope a metric
	protocolV2Batch   protocol = "v2-batch"  // one v2 gauge envelope for all gauges of equal tags
	protocolScraped   protocol = "scraped"   // as v2, by the prom scraper: counters have totals and no deltas
)

// definition is one metric of a component. Name and Tags may hold placeholders, see expand.
type definition struct {
	name    string
	counter bool
	unit    string
	model   string
	tags    []string // k=v
}

// componentDefinition is a component as metrics.tsv describes it, its templates unfolded.
type componentDefinition struct {
	id       string
	origin   string
	protocol protocol
	metrics  []definition
}

// parseDefinitions reads the format that metrics.tsv explains at its top.
func parseDefinitions(table string) (map[string]*componentDefinition, error) {
	components := make(map[string]*componentDefinition)
	var current *componentDefinition
	for number, line := range lines(table) {
		fields := strings.Split(line, "\t")
		if fields[0] == "@" {
			c, err := parseComponent(fields, components)
			if err != nil {
				return nil, fmt.Errorf("metrics.tsv:%d: %w", number, err)
			}
			components[c.id] = c
			current = c
			continue
		}
		if current == nil {
			return nil, fmt.Errorf("metrics.tsv:%d: a metric before the first component", number)
		}
		d, err := parseDefinition(fields)
		if err != nil {
			return nil, fmt.Errorf("metrics.tsv:%d: %w", number, err)
		}
		current.metrics = append(current.metrics, d)
	}
	return components, nil
}

func parseComponent(fields []string, known map[string]*componentDefinition) (*componentDefinition, error) {
	if len(fields) < 4 || len(fields) > 5 {
		return nil, fmt.Errorf("a component has 4 or 5 fields, not %d", len(fields))
	}
	c := &componentDefinition{id: fields[1], origin: fields[2], protocol: protocol(fields[3])}
	if known[c.id] != nil {
		return nil, fmt.Errorf("component %q stands twice", c.id)
	}
	if c.origin == "-" {
		c.origin = ""
	}
	valid := []protocol{protocolNone, protocolDropsonde, protocolV2, protocolV2Batch, protocolScraped}
	if !slices.Contains(valid, c.protocol) {
		return nil, fmt.Errorf("component %q has the unknown protocol %q", c.id, c.protocol)
	}
	if len(fields) == 5 {
		for template := range strings.FieldsSeq(fields[4]) {
			used := known[template]
			if used == nil {
				return nil, fmt.Errorf("component %q uses the template %q, which does not stand before it", c.id, template)
			}
			c.metrics = append(c.metrics, used.metrics...)
		}
	}
	return c, nil
}

func parseDefinition(fields []string) (definition, error) {
	if len(fields) < 4 || len(fields) > 5 {
		return definition{}, fmt.Errorf("a metric has 4 or 5 fields, not %d", len(fields))
	}
	d := definition{name: fields[0], counter: fields[1] == "counter", unit: fields[2], model: fields[3]}
	if !d.counter && fields[1] != "gauge" {
		return definition{}, fmt.Errorf("metric %q has the unknown kind %q", d.name, fields[1])
	}
	if len(fields) == 5 {
		d.tags = strings.Split(fields[4], ",")
		for _, tag := range d.tags {
			if !strings.Contains(tag, "=") {
				return definition{}, fmt.Errorf("metric %q has a tag without =: %q", d.name, tag)
			}
		}
	}
	return d, nil
}

// lines yields the lines of a table by their numbers, without comments and empty ones.
func lines(table string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		number := 0
		for line := range strings.SplitSeq(table, "\n") {
			number++
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if !yield(number, line) {
				return
			}
		}
	}
}
