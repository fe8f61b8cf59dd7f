package grafana

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// Units of the panels, as Grafana calls them.
const (
	ratio    = units.PercentUnit // 0 to 1
	size     = units.BytesIEC
	byteRate = units.BytesPerSecondIEC
	seconds  = units.Seconds
	count    = units.Short
	perSec   = units.CountsPerSecond
	requests = units.RequestsPerSecond
	state    = units.Bool
)

type kind int

const (
	kindGraph kind = iota
	kindStat
	kindTable
)

// panel is one graph, number or table.
type panel struct {
	kind                     kind
	title, unit, description string
	width, height            uint32
	queries                  []query
	thresholds               []dashboard.Threshold
	fromZero, upToOne        bool
	isStacked                bool
	empty                    string // what stands where there is nothing, by nature
}

// query is what a panel asks; legend is a template of its series' names.
type query struct {
	expr, legend string
}

func q(expr, legend string) query { return query{expr, legend} }

// graph is a panel over time, three in a line.
func graph(title, unit, description string, queries ...query) *panel {
	return &panel{kind: kindGraph, title: title, unit: unit, description: description, width: 8, height: 8, queries: queries, fromZero: true}
}

// number is the present value in big letters, six in a line.
func number(title, unit, description string, queries ...query) *panel {
	return &panel{kind: kindStat, title: title, unit: unit, description: description, width: 4, height: statHeight, queries: queries}
}

// list is the present values as a table, a label a column.
func list(title, unit, description string, queries ...query) *panel {
	return &panel{kind: kindTable, title: title, unit: unit, description: description, width: 12, height: 9, queries: queries}
}

// wide takes half of a line.
func (p *panel) wide() *panel { p.width = 12; return p }

// full takes a whole line, and is higher.
func (p *panel) full() *panel { p.width, p.height = gridWidth, 11; return p }

// stacked adds the series up.
func (p *panel) stacked() *panel { p.isStacked = true; return p }

// signed lets the axis go below zero.
func (p *panel) signed() *panel { p.fromZero = false; return p }

// share ends the axis at 1.
func (p *panel) share() *panel { p.upToOne = true; return p }

// none says what stands there where there is nothing to show.
func (p *panel) none(text string) *panel { p.empty = text; return p }

// warn colours what is at or above two values.
func (p *panel) warn(yellow, red float64) *panel {
	return p.colours("green", "yellow", yellow, "red", red)
}

// atMost colours what is at or above a value.
func (p *panel) atMost(red float64) *panel {
	p.thresholds = []dashboard.Threshold{{Color: "green"}, {Value: &red, Color: "red"}}
	return p
}

// atLeast colours what is below two values.
func (p *panel) atLeast(yellow, green float64) *panel {
	return p.colours("red", "yellow", yellow, "green", green)
}

// up colours what is not 1.
func (p *panel) up() *panel {
	p.thresholds = []dashboard.Threshold{{Color: "red"}, {Value: new(1.0), Color: "green"}}
	return p
}

func (p *panel) colours(base, second string, at float64, third string, above float64) *panel {
	p.thresholds = []dashboard.Threshold{{Color: base}, {Value: &at, Color: second}, {Value: &above, Color: third}}
	return p
}

func (p *panel) build(b *board) (dashboard.Panel, error) {
	var built dashboard.Panel
	var err error
	switch p.kind {
	case kindStat:
		built, err = p.stat().Build()
	case kindTable:
		built, err = p.table().Build()
	default:
		built, err = p.graph().Build()
	}
	if err != nil {
		return built, err
	}
	source := datasource()
	built.Datasource = &source
	for i, q := range p.queries {
		target := prometheus.NewDataqueryBuilder().Expr(b.expr(q.expr)).RefId(string(rune('A' + i))).LegendFormat(q.legend).Datasource(source)
		switch p.kind {
		case kindGraph:
			target.Range().Format(prometheus.PromQueryFormatTimeSeries)
		case kindStat:
			target.Instant().Format(prometheus.PromQueryFormatTimeSeries)
		case kindTable:
			target.Instant().Format(prometheus.PromQueryFormatTable)
		}
		var query variants.Dataquery
		if query, err = target.Build(); err != nil {
			return built, fmt.Errorf("query %s: %w", q.expr, err)
		}
		built.Targets = append(built.Targets, query)
	}
	return built, nil
}

func (p *panel) steps() *dashboard.ThresholdsConfigBuilder {
	steps := p.thresholds
	if steps == nil {
		steps = []dashboard.Threshold{{Color: "green"}}
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}

func (p *panel) graph() *timeseries.PanelBuilder {
	builder := timeseries.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Thresholds(p.steps()).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeTable).
			Placement(common.LegendPlacementBottom).Calcs([]string{"lastNotNull", "max"})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassic)).
		LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeNever)
	if p.thresholds != nil {
		builder.ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeLine))
	}
	if p.isStacked {
		builder.FillOpacity(30).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
	}
	if p.fromZero {
		builder.Min(0)
	}
	if p.upToOne {
		builder.Max(1)
	}
	if p.empty != "" {
		builder.NoValue(p.empty)
	}
	return builder
}

func (p *panel) stat() *stat.PanelBuilder {
	builder := stat.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Thresholds(p.steps()).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeValue).TextMode(common.BigValueTextModeAuto)
	if p.empty != "" {
		builder.NoValue(p.empty)
	}
	return builder
}

func (p *panel) table() *table.PanelBuilder {
	builder := table.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Thresholds(p.steps()).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).
		ShowHeader(true).Filterable(true).Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{})).
		SortBy([]cog.Builder[common.TableSortByFieldState]{common.NewTableSortByFieldStateBuilder().DisplayName("Value").Desc(true)}).
		WithTransformation(dashboard.DataTransformerConfig{
			Id: "organize", Options: map[string]any{"excludeByName": map[string]any{"Time": true}},
		})
	if p.empty != "" {
		builder.NoValue(p.empty)
	}
	return builder
}
