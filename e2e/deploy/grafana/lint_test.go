package grafana

import (
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/prometheus/prometheus/promql/parser"
)

var wanted = []string{
	"applications", "cloud-controller-uaa", "component-runtime", "diego", "exporter-health", "foundation", "loggregator", "router", "services",
}

func TestDashboards(t *testing.T) {
	boards := readBoards(t)
	var names []string
	uids, titles := make(map[string]string), make(map[string]string)
	for name, d := range boards {
		names = append(names, name)
		if other, twice := uids[*d.Uid]; twice {
			t.Errorf("%s and %s have the uid %s", name, other, *d.Uid)
		}
		if other, twice := titles[*d.Title]; twice {
			t.Errorf("%s and %s have the title %s", name, other, *d.Title)
		}
		uids[*d.Uid], titles[*d.Title] = name, name
		t.Run(name, func(t *testing.T) { lintBoard(t, name, d) })
	}
	slices.Sort(names)
	if !slices.Equal(names, wanted) {
		t.Errorf("dashboards %q, want %q", names, wanted)
	}
}

func lintBoard(t *testing.T, name string, d *dashboard.Dashboard) {
	t.Helper()
	if *d.Uid != "cf-"+name || len(*d.Uid) > 40 || d.Id != nil || d.Version != nil {
		t.Errorf("uid %s, id %v, version %v: the first is stable, the others are Grafana's", *d.Uid, d.Id, d.Version)
	}
	if d.Description == nil || *d.Description == "" || !*d.Editable || d.Refresh == nil || d.Time == nil {
		t.Error("no description, not editable, no refresh or no time range")
	}
	if !slices.Contains(d.Tags, sharedTag) || len(d.Links) != 1 || !slices.Equal(d.Links[0].Tags, []string{sharedTag}) || !d.Links[0].IncludeVars || !d.Links[0].KeepTime {
		t.Errorf("tags %q, links %+v: each dashboard has the tag that links find the others by", d.Tags, d.Links)
	}
	if len(d.Annotations.List) == 0 {
		t.Error("no annotations")
	}
	for _, a := range d.Annotations.List {
		if target := dataquery(t, a.Target); target.Expr != *a.Expr || !isVariable(a.Datasource) {
			t.Errorf("annotation %s: %+v", a.Name, a)
		}
	}
	lintVariables(t, d)
	lintLayout(t, d)
	for _, p := range d.Panels {
		if p.Panel != nil {
			t.Run(*p.Panel.Title, func(t *testing.T) { lintPanel(t, p.Panel) })
		}
	}
	lintExpressions(t, name, d)
}

func lintVariables(t *testing.T, d *dashboard.Dashboard) {
	t.Helper()
	if first := d.Templating.List[0]; first.Type != dashboard.VariableTypeDatasource || first.Name != "datasource" || *first.Query.String != "prometheus" {
		t.Errorf("the first variable is %+v, not the data source", first)
	}
	seen := make(map[string]bool)
	for _, v := range d.Templating.List {
		if seen[v.Name] || v.Label == nil || v.Description == nil {
			t.Errorf("variable %s stands twice, or has no label or description", v.Name)
		}
		seen[v.Name] = true
		if v.Type != dashboard.VariableTypeQuery {
			continue
		}
		// All must find what has no such label at all.
		if !isVariable(v.Datasource) || *v.AllValue != ".*" || !*v.IncludeAll || !*v.Multi || !slices.Equal(v.Current.Value.ArrayOfString, []string{"$__all"}) {
			t.Errorf("variable %s: %+v", v.Name, v)
		}
	}
}

// lintLayout: panels keep to the grid, cover no other, leave no holes in a line, and have ids of their own.
func lintLayout(t *testing.T, d *dashboard.Dashboard) {
	t.Helper()
	ids, taken := make(map[uint32]bool), make(map[[2]uint32]string)
	place := func(id uint32, title string, g *dashboard.GridPos) {
		if ids[id] || id == 0 || title == "" {
			t.Errorf("%q has the id %d", title, id)
		}
		ids[id] = true
		if g.W == 0 || g.H == 0 || g.X+g.W > 24 {
			t.Errorf("%s lies at %+v", title, *g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[[2]uint32{x, y}]; other != "" {
					t.Errorf("%s covers %s", title, other)
				}
				taken[[2]uint32{x, y}] = title
			}
		}
	}
	if d.Panels[0].RowPanel == nil {
		t.Error("the first panel is no row")
	}
	for _, p := range d.Panels {
		if p.RowPanel != nil {
			place(p.RowPanel.Id, *p.RowPanel.Title, p.RowPanel.GridPos)
			continue
		}
		place(*p.Panel.Id, *p.Panel.Title, p.Panel.GridPos)
	}
}

func lintPanel(t *testing.T, p *dashboard.Panel) {
	t.Helper()
	config := p.FieldConfig.Defaults
	switch {
	case p.Description == nil || len(*p.Description) < 20 || !strings.HasSuffix(*p.Description, "."):
		t.Error("no description")
	case config.Unit == nil || *config.Unit == "":
		t.Error("no unit")
	case !isVariable(p.Datasource) || len(p.Targets) == 0:
		t.Error("no queries, or not of the chosen data source")
	case config.Thresholds == nil || len(config.Thresholds.Steps) == 0 || config.Thresholds.Steps[0].Value != nil:
		t.Error("no thresholds, or no colour below the first")
	}
	for i, step := range config.Thresholds.Steps[1:] {
		if before := config.Thresholds.Steps[i]; step.Value == nil || before.Value != nil && *before.Value > *step.Value {
			t.Error("thresholds do not rise")
		}
	}
	refs, legends := make(map[string]bool), make(map[string]bool)
	for _, target := range p.Targets {
		query := dataquery(t, target)
		if refs[*query.RefId] || !isVariable(query.Datasource) {
			t.Errorf("query %s stands twice, or is not of the chosen data source", *query.RefId)
		}
		refs[*query.RefId] = true
		if legends[*query.LegendFormat] || *query.LegendFormat == "" && p.Type != "stat" {
			t.Errorf("query %s: the legend %q tells nothing", *query.RefId, *query.LegendFormat)
		}
		legends[*query.LegendFormat] = true
	}
	if options, ok := p.Options.(*timeseries.Options); ok {
		if !options.Legend.ShowLegend || options.Legend.DisplayMode != common.LegendDisplayModeTable {
			t.Error("no legend")
		}
	} else if p.Type == "timeseries" {
		t.Errorf("options of type %T", p.Options)
	}
}

// lintExpressions: Prometheus can read them, rates look back as far as Grafana says, and quantiles are of sums by le.
func lintExpressions(t *testing.T, name string, d *dashboard.Dashboard) {
	t.Helper()
	values := make(map[string]string)
	for _, v := range d.Templating.List {
		values[v.Name] = ".*"
	}
	used := make(map[string]bool)
	p := parser.NewParser(parser.Options{})
	for _, q := range queries(t, name, d) {
		for _, m := range reference.FindAllStringSubmatch(q.expr, -1) {
			used[m[1]] = true
		}
		expr, err := expand(q.expr, values)
		if err != nil {
			t.Errorf("%s: %v", q.where, err)
			continue
		}
		if q.isLabel {
			continue
		}
		parsed, err := p.ParseExpr(expr)
		if err != nil {
			t.Errorf("%s: %v", q.where, err)
			continue
		}
		parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
			lintCall(t, q, node)
			return nil
		})
	}
	for _, v := range d.Templating.List {
		if !used[v.Name] && v.Name != "datasource" {
			t.Errorf("nothing uses the variable %s", v.Name)
		}
	}
}

func lintCall(t *testing.T, q asked, node parser.Node) {
	t.Helper()
	call, ok := node.(*parser.Call)
	if !ok {
		return
	}
	switch call.Func.Name {
	case "rate", "increase":
		if !strings.Contains(q.expr, "$__rate_interval") {
			t.Errorf("%s: a rate without $__rate_interval", q.where)
		}
	case "histogram_quantile":
		sum, ok := call.Args[1].(*parser.AggregateExpr)
		if !ok || sum.Op != parser.SUM || !slices.Contains(sum.Grouping, "le") {
			t.Errorf("%s: a quantile not of a sum by le", q.where)
		}
	}
}

func isVariable(ref *common.DataSourceRef) bool {
	return ref != nil && ref.Uid != nil && *ref.Uid == "${datasource}" && *ref.Type == "prometheus"
}
