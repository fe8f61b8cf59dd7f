package diff

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/util/teststorage"
	"golang.org/x/tools/txtar"

	"loggregator_exporter/diff"
	"loggregator_exporter/diff/queries"
	"loggregator_exporter/metric"
	"loggregator_exporter/migrate/documents"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
)

// scene is a change of rules, the names that it is about, and queries.
type scene struct {
	sides     [2]*diff.Side // before and after
	names     []*diff.Name
	documents []*documents.Document
}

func sideOf(t *testing.T, rules string) *diff.Side {
	t.Helper()
	var o tagger.Options
	if rules != "" {
		o.UserRules = []tagger.Source{{File: "rules.yaml", Data: []byte(rules)}}
	}
	compiled, _, err := tagger.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &diff.Side{Own: &resolver.Options{Tagger: compiled, Naming: naming.Style{Namespace: "cf"}}}
}

// namesOf reads names, a line each: origin, name, kind and unit.
func namesOf(t *testing.T, text, separator string) (names []*diff.Name) {
	t.Helper()
	for line := range strings.Lines(text) {
		fields := append(strings.Split(strings.TrimRight(line, "\n"), separator), "", "")
		n := &diff.Name{Origin: fields[0], Name: fields[1], Kind: metric.KindGauge, Unit: fields[3]}
		if fields[2] != "" && fields[2] != "-" {
			var ok bool
			if n.Kind, ok = metric.ParseKind(fields[2]); !ok {
				t.Fatalf("no kind: %q", line)
			}
		}
		if n.Kind == metric.KindGauge || n.Kind == metric.KindCounter {
			names = append(names, n)
		}
	}
	return names
}

// board is a dashboard with queries, a line each; a legend stands behind two slashes.
func board(t *testing.T, text string) *documents.Document {
	t.Helper()
	type object map[string]any
	var targets []object
	for line := range strings.Lines(text) {
		query, legend, _ := strings.Cut(strings.TrimSpace(line), " // ")
		targets = append(targets, object{"refId": fmt.Sprint(len(targets)), "expr": query, "legendFormat": legend})
	}
	panel := object{"title": "P", "id": 1, "datasource": object{"type": "prometheus"}, "targets": targets}
	file, err := json.Marshal(object{"panels": []object{panel}})
	if err != nil {
		t.Fatal(err)
	}
	return read(t, "d.json", string(file))
}

func read(t *testing.T, name, text string) *documents.Document {
	t.Helper()
	d, err := documents.Read(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// archived is a scene of a text archive.
func archived(t *testing.T, file string) *scene {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{sides: [2]*diff.Side{sideOf(t, ""), sideOf(t, "")}}
	for _, f := range archive.Files {
		switch f.Name {
		case "old.yaml":
			s.sides[0] = sideOf(t, string(f.Data))
		case "new.yaml":
			s.sides[1] = sideOf(t, string(f.Data))
		case "names":
			s.names = namesOf(t, string(f.Data), " ")
		case "queries":
			s.documents = append(s.documents, board(t, string(f.Data)))
		}
	}
	return s
}

var block = regexp.MustCompile("(?ms)^```\\w+ (\\S+)\n(.*?)^```$")

// documented is the scene of docs/diff.md.
func documented(t *testing.T) *scene {
	t.Helper()
	page, err := os.ReadFile("../../docs/diff.md")
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{sides: [2]*diff.Side{sideOf(t, ""), sideOf(t, "")}}
	for _, b := range block.FindAllStringSubmatch(string(page), -1) {
		switch name, text := b[1], b[2]; {
		case name == "names.tsv":
			s.names = namesOf(t, text, "\t")
		case name == "rules.yaml":
			s.sides[1] = sideOf(t, text)
		case filepath.Ext(name) != "":
			s.documents = append(s.documents, read(t, name, text))
		}
	}
	return s
}

const (
	step    = 15 * time.Second
	samples = 80
	job     = "x" // a label that Prometheus sets
)

// load writes the series of a side in promqltest's language: of each name the values that are sent, converted as the
// exporter does it. Of several names with one series the first has it.
func (s *scene) load(t *testing.T, side int) string {
	t.Helper()
	r := resolver.New(*s.sides[side].Own)
	var text strings.Builder
	fmt.Fprintf(&text, "load %s\n", step)
	taken := map[string]bool{}
	for k, n := range s.names {
		e := metric.Envelope{Kind: n.Kind, Name: []byte(n.Name)}
		e.AddTag([]byte("origin"), []byte(n.Origin))
		if n.Kind == metric.KindGauge {
			e.Points = []metric.Point{{Name: []byte(n.Name), Unit: []byte(n.Unit)}}
		}
		ids, err := store.Identities(r, &e)
		if err != nil {
			t.Fatal(err)
		}
		made := r.Resolve(&ids[0])
		series := fmt.Sprintf(`{__name__=%q,job=%q,%s}`, made.Metric, job, metric.RenderLabels(made.Labels))
		if made.Dropped || made.Invalid != "" || taken[series] {
			continue
		}
		taken[series] = true
		factor := made.Mul / made.Div
		if n.Unit == "ms" {
			factor *= 1000 // so that times are seconds at least
		}
		fmt.Fprintf(&text, "  %s", series)
		for i := range samples {
			fmt.Fprintf(&text, " %g", factor*float64(7*(k+1)+i*(k+2)+i%5))
		}
		text.WriteString("\n")
	}
	return text.String()
}

// variables stand in place of Grafana's in both queries.
var variables = strings.NewReplacer(
	"$__rate_interval", "2m", "$__interval", "1m", "$__range", "5m", "$job", job, "$c", ".*", "$limit", "3", "[[queue]]", "orders",
	"${queue}", "orders",
)

// database holds the series of a side.
type database struct {
	storage *teststorage.TestStorage
	engine  *promql.Engine
}

func newDatabase(t *testing.T, load string) *database {
	t.Helper()
	return &database{promqltest.LoadedStorage(t, load), promqltest.NewTestEngine(t, false, 0, 1e6)}
}

// ask evaluates a query over the time of the samples.
func (d *database) ask(t *testing.T, query string) (promql.Matrix, error) {
	t.Helper()
	start := time.Unix(0, 0).Add(20 * step)
	q, err := d.engine.NewRangeQuery(t.Context(), d.storage, nil, variables.Replace(query), start, start.Add(40*step), 4*step)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	result := q.Exec(t.Context())
	if result.Err != nil {
		return nil, result.Err
	}
	matrix, err := result.Matrix()
	if err != nil {
		return nil, err
	}
	copied := make(promql.Matrix, len(matrix)) // whose memory the query takes back
	for i, s := range matrix {
		copied[i] = promql.Series{Metric: s.Metric, Floats: slices.Clone(s.Floats)}
	}
	return copied, nil
}

// differ says how a result differs from that of the query that it stands for: there must be the same series, with the
// labels that they had under the names that the proposal tells, and the same values. Series may have more labels.
func differ(was, is promql.Matrix, renames []queries.Rename) string {
	if len(was) != len(is) {
		return fmt.Sprintf("%d series, were %d", len(is), len(was))
	}
	rest := slices.Clone(is)
	for _, old := range was {
		i := slices.IndexFunc(rest, func(s promql.Series) bool { return holds(s.Metric, old.Metric, renames) && same(s.Floats, old.Floats) })
		if i < 0 {
			return fmt.Sprintf("none is %s with these values, but %d others, such as %s", old.Metric, len(rest), rest[0].Metric)
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return ""
}

func holds(all, some labels.Labels, renames []queries.Rename) bool {
	now := map[string]string{}
	for _, r := range renames {
		now[r.Before] = r.After
	}
	ok := true
	some.Range(func(l labels.Label) {
		ok = ok && (l.Name == model.MetricNameLabel || all.Get(cmp.Or(now[l.Name], l.Name)) == l.Value)
	})
	return ok
}

func same(a, b []promql.FPoint) bool {
	return slices.EqualFunc(a, b, func(x, y promql.FPoint) bool {
		near := math.Abs(x.F-y.F) <= 1e-6*math.Max(math.Abs(x.F), math.Abs(y.F))
		return x.T == y.T && (near || math.IsNaN(x.F) && math.IsNaN(y.F))
	})
}

// TestProposals runs each query of the cases and of docs/diff.md on the old series, and what is proposed for it on the new
// ones, or the query itself where nothing is said to change: both must find the same.
func TestProposals(t *testing.T) {
	scenes := map[string]*scene{"docs/diff.md": documented(t)}
	for _, pattern := range []string{"../../diff/testdata/*.txtar", "testdata/*.txtar"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			scenes[filepath.Base(file)] = archived(t, file)
		}
	}
	proposed := 0
	for _, name := range slices.Sorted(maps.Keys(scenes)) {
		s := scenes[name]
		report, err := diff.Compare(t.Context(), slices.Values(s.names), s.sides[0], s.sides[1], diff.Options{Documents: s.documents})
		if err != nil {
			t.Fatal(err)
		}
		if report.Queries == nil {
			continue
		}
		before, after := newDatabase(t, s.load(t, 0)), newDatabase(t, s.load(t, 1))
		changes := map[string]*queries.Change{}
		for i := range report.Queries.Changes {
			c := &report.Queries.Changes[i]
			changes[c.File+c.Path] = c
		}
		unread := map[string]bool{}
		for _, u := range report.Queries.Unread {
			unread[u.File+u.Where] = true
		}
		for _, d := range s.documents {
			for _, q := range d.Queries {
				c := changes[d.File+q.Path]
				switch {
				case q.Expr == nil || unread[d.File+q.Where] || c != nil && (c.Proposal == "" || !c.Breaks):
					continue
				case c == nil:
					// It is said to find what it found, though labels that it does not name may have other names.
					text := q.Expr.String()
					c = &queries.Change{Query: text, Proposal: text, Renames: []queries.Rename{{Before: "pool", After: "backend"}}}
				default:
					proposed++
				}
				was, err := before.ask(t, c.Query)
				is, newErr := after.ask(t, c.Proposal)
				if c.Breaks && err == nil && len(was) == 0 {
					t.Errorf("%s: %s finds nothing before, so that it shows nothing", name, c.Query)
				}
				if err := errors.Join(err, newErr); err != nil {
					t.Errorf("%s: %s: %s: %v", name, c.Query, c.Proposal, err)
				} else if d := differ(was, is, c.Renames); d != "" {
					t.Errorf("%s: %s: %s: %s", name, c.Query, c.Proposal, d)
				}
			}
		}
	}
	if proposed < 56 {
		t.Errorf("%d queries have proposals, want 54 at least", proposed)
	}
}
