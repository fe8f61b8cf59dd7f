package grafana

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// readBoards reads the dashboards that are delivered, as strictly as Grafana's own schema allows.
func readBoards(t *testing.T) map[string]*dashboard.Dashboard {
	t.Helper()
	plugins.RegisterDefaultPlugins()
	files, err := filepath.Glob(filepath.Join(folder(t), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d dashboards: %v", len(files), err)
	}
	out := make(map[string]*dashboard.Dashboard)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := &dashboard.Dashboard{}
		if err := d.UnmarshalJSONStrict(text); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if err := d.Validate(); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".json")] = d
	}
	return out
}

// asked is a query of a dashboard and where it stands.
type asked struct {
	where, expr string
	legend      string
	isRange     bool
	isLabel     bool // label_values(metric, label)
}

// queries are all of a dashboard: those of panels, variables and annotations.
func queries(t *testing.T, name string, d *dashboard.Dashboard) []asked {
	t.Helper()
	var out []asked
	for _, v := range d.Templating.List {
		if v.Type == dashboard.VariableTypeQuery {
			out = append(out, asked{where: name + ", variable " + v.Name, expr: *v.Query.String, isLabel: true})
		}
	}
	for _, a := range d.Annotations.List {
		out = append(out, asked{where: name + ", annotation " + a.Name, expr: *a.Expr, isRange: true})
	}
	for _, p := range d.Panels {
		if p.Panel == nil {
			continue
		}
		for _, target := range p.Panel.Targets {
			query, legend := dataquery(t, target), ""
			if p.Panel.Type == "timeseries" { // a table's largest values may all lack a label
				legend = *query.LegendFormat
			}
			out = append(out, asked{
				where: fmt.Sprintf("%s, panel %q, %s", name, *p.Panel.Title, *query.RefId), expr: query.Expr, legend: legend,
				isRange: query.Range != nil && *query.Range,
			})
		}
	}
	return out
}

func dataquery(t *testing.T, target any) prometheus.Dataquery {
	t.Helper()
	switch query := target.(type) {
	case prometheus.Dataquery:
		return query
	case *prometheus.Dataquery:
		return *query
	default:
		t.Fatalf("a query of type %T", target)
		panic("unreachable")
	}
}

// macros are those of Grafana's Prometheus data source, for a scrape interval of 1 s and an hour on the screen.
var macros = strings.NewReplacer("$__rate_interval", "30s", "$__range", "5m", "$__interval", "15s")

var reference = regexp.MustCompile(`\$\{?([a-zA-Z_]\w*)`)

// expand fills macros and variables in, as Grafana does for a regular expression. Nothing may be left.
func expand(expr string, values map[string]string) (string, error) {
	out := macros.Replace(expr)
	var unknown string
	out = regexp.MustCompile(`\$(\w+)`).ReplaceAllStringFunc(out, func(name string) string {
		value, ok := values[name[1:]]
		if !ok {
			unknown = name
		}
		return value
	})
	if unknown != "" || reference.MatchString(out) {
		return "", fmt.Errorf("no variable %s: %s", unknown, expr)
	}
	return out, nil
}
