package grafana

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

const (
	sharedTag  = "loggregator_exporter"
	schema     = 42 // of the SDK's release; Grafana migrates older ones itself
	allValues  = ".*"
	gridWidth  = 24
	statHeight = 4
)

// board is a dashboard before it is laid out. In its queries @ stands for filter.
type board struct {
	name, title, description string
	filter                   string // label matchers, of which none demands a label that may be missing
	variables                []variable
	annotations              []annotation
	rows                     []row
}

// variable is a choice at the top of a dashboard, filled from the values of a label.
type variable struct {
	name, label, description string
	metric, of               string // of which label's values: label_values(metric, of)
}

// annotation marks moments in all graphs: those at which its query has a value. Grafana asks once a minute.
type annotation struct {
	name, color, expr string
}

// row is a titled group of panels, which flow from left to right and wrap.
type row struct {
	title  string
	panels []*panel
}

// file is what stands in deploy/grafana/dashboards, and how it is called there.
func (b *board) file() (name string, text []byte, err error) {
	built, err := b.build()
	if err != nil {
		return "", nil, fmt.Errorf("dashboard %s: %w", b.name, err)
	}
	if text, err = json.MarshalIndent(built, "", "  "); err != nil {
		return "", nil, fmt.Errorf("dashboard %s: %w", b.name, err)
	}
	return b.name + ".json", append(text, '\n'), nil
}

func (b *board) build() (*dashboard.Dashboard, error) {
	builder := dashboard.NewDashboardBuilder(b.title).
		Uid("cf-"+b.name).Description(b.description).Tags([]string{"cloudfoundry", sharedTag}).
		Editable().Tooltip(dashboard.DashboardCursorSyncCrosshair).Refresh("30s").Time("now-1h", "now").
		Link(dashboard.NewDashboardLinkBuilder("Cloud Foundry").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{sharedTag}).AsDropdown(true).IncludeVars(true).KeepTime(true).
			Tooltip("The other dashboards of loggregator_exporter")).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus").
			Description("The Prometheus that scrapes the exporter, or that it writes to"))
	for _, v := range b.variables {
		builder.WithVariable(v.build(b))
	}
	for _, a := range b.annotations {
		builder.Annotation(a.build(b))
	}
	built, err := builder.Build()
	if err != nil {
		return nil, err
	}
	built.SchemaVersion = schema
	return &built, b.layOut(&built)
}

// layOut gives panels their ids and places. It does so by itself, so that a panel keeps its id when another one
// changes its size.
func (b *board) layOut(into *dashboard.Dashboard) error {
	var errs []error
	id, y := uint32(0), uint32(0)
	for _, r := range b.rows {
		id++
		title := r.title
		into.Panels = append(into.Panels, dashboard.PanelOrRowPanel{RowPanel: &dashboard.RowPanel{
			Type:    "row",
			Title:   &title,
			Id:      id,
			Panels:  []dashboard.Panel{},
			GridPos: &dashboard.GridPos{H: 1, W: gridWidth, Y: y},
		}})
		y++
		x, highest := uint32(0), uint32(0)
		for _, p := range r.panels {
			built, err := p.build(b)
			if err != nil {
				errs = append(errs, fmt.Errorf("panel %s: %w", p.title, err))
				continue
			}
			if x+p.width > gridWidth {
				x, y, highest = 0, y+highest, 0
			}
			id++
			number := id
			built.Id = &number
			built.GridPos = &dashboard.GridPos{X: x, Y: y, W: p.width, H: p.height}
			x, highest = x+p.width, max(highest, p.height)
			into.Panels = append(into.Panels, dashboard.PanelOrRowPanel{Panel: &built})
		}
		y += highest
	}
	return errors.Join(errs...)
}

// expr fills the filter in.
func (b *board) expr(text string) string { return strings.ReplaceAll(text, "@", b.filter) }

func datasource() common.DataSourceRef {
	return common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
}

// build makes a variable of several values, all of them at first. All is a pattern that a missing label matches as
// well.
func (v variable) build(b *board) *dashboard.QueryVariableBuilder {
	query := fmt.Sprintf("label_values(%s, %s)", b.expr(v.metric), v.of)
	all := dashboard.VariableOption{
		Selected: new(true),
		Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
		Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
	}
	return dashboard.NewQueryVariableBuilder(v.name).Label(v.label).Description(v.description).
		Datasource(datasource()).Query(dashboard.StringOrMap{String: &query}).Definition(query).
		Multi(true).IncludeAll(true).AllValue(allValues).Current(all).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalCaseInsensitiveAsc)
}

// build says the query twice: Grafana before 11 reads the first one.
func (a annotation) build(b *board) *dashboard.AnnotationQueryBuilder {
	expr := b.expr(a.expr)
	return dashboard.NewAnnotationQueryBuilder().Name(a.name).Datasource(datasource()).Enable(true).IconColor(a.color).
		Expr(expr).
		Target(prometheus.NewDataqueryBuilder().Expr(expr).Range().RefId("Anno").Interval("1m").Datasource(datasource()))
}

// What most dashboards have in common: metrics of the foundation, chosen by environment and deployment.
const foundationFilter = `environment=~"$environment",bosh_deployment=~"$deployment"`

// foundationVariables choose among the values that a metric has. The first one cannot depend on the second.
func foundationVariables(metric string) []variable {
	return []variable{
		{
			name:        "environment",
			label:       "Environment",
			description: "metrics.environment of the exporter; without one, All is the only choice",
			metric:      metric,
			of:          "environment",
		},
		{
			name: "deployment", label: "Deployment", description: "BOSH deployment",
			metric: metric + `{environment=~"$environment"}`, of: "bosh_deployment",
		},
	}
}

// exporterRestarts mark when an exporter has started: counters begin again there.
func exporterRestarts(jobs string) annotation {
	return annotation{
		name:  "Exporter started",
		color: "purple",
		expr:  `time() - (process_start_time_seconds` + jobs + ` and on (instance, job) loggregator_exporter_build_info) < 60`,
	}
}

// appCrashes mark when more instances of applications have crashed than shortly before.
func appCrashes() annotation {
	return annotation{name: "App instances crashed", color: "red", expr: "max(delta(cf_crashed_actual_lrps{@}[2m])) >= 1"}
}
