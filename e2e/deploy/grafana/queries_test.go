package grafana

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/e2e/peer"
)

// TestQueries: every query of every panel, variable and annotation has an answer of a real Prometheus that scrapes
// exporters of the simulated foundation: with All chosen everywhere, and with every value chosen by itself. A metric
// name that is misspelt, anywhere, leaves none.
func TestQueries(t *testing.T) {
	boards := readBoards(t)
	server := startStack(t)
	ctx := peer.Within(t, 15*time.Minute)

	pending := make(map[string]question)
	for name, d := range boards {
		for number, query := range queries(t, name, d) {
			pending[fmt.Sprintf("%s %d", name, number)] = question{query, allOf(d)}
		}
	}
	questions := maps.Clone(pending)
	t.Logf("%d queries", len(questions))
	server.await(ctx, t, pending)

	chosen := maps.Clone(questions)
	for name, d := range boards {
		values := server.choose(ctx, t, d)
		for key := range chosen {
			if strings.HasPrefix(key, name+" ") {
				chosen[key] = question{chosen[key].asked, values}
			}
		}
	}
	server.await(ctx, t, chosen)
	t.Run("misspelt", func(t *testing.T) { server.misspell(ctx, t, questions) })
}

// question is a query and what the variables in it stand for.
type question struct {
	asked
	values map[string]string
}

// allOf are the values that stand for All.
func allOf(d *dashboard.Dashboard) map[string]string {
	values := make(map[string]string)
	for _, v := range d.Templating.List {
		if v.AllValue != nil {
			values[v.Name] = *v.AllValue
		}
	}
	return values
}

// prometheusServer answers queries.
type prometheusServer struct{ url string }

// await asks again and again until all questions have answers.
func (s prometheusServer) await(ctx context.Context, t *testing.T, pending map[string]question) {
	t.Helper()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	began, last := time.Now(), ""
	for {
		for key, q := range pending {
			expr, err := expand(q.expr, q.values)
			if err != nil {
				t.Fatalf("%s: %v", q.where, err)
			}
			if s.answers(ctx, t, q.asked, expr) {
				delete(pending, key)
				last = q.where
			}
		}
		if len(pending) == 0 {
			t.Logf("all have answers after %v, the last one was that of %s", time.Since(began).Round(time.Second), last)
			return
		}
		select {
		case <-ctx.Done():
			for _, key := range slices.Sorted(maps.Keys(pending)) {
				t.Errorf("no answer, or none with the labels of %q: %s: %s", pending[key].legend, pending[key].where, pending[key].expr)
			}
			t.FailNow()
		case <-tick.C:
		}
	}
}

var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// inLegend is a label in a legend.
var inLegend = regexp.MustCompile(`\{\{(\w+)\}\}`)

// answers says whether a query has any value that is a number, and a series with each label that its legend shows.
func (s prometheusServer) answers(ctx context.Context, t *testing.T, q asked, expr string) bool {
	t.Helper()
	if q.isLabel {
		return len(s.labelValues(ctx, t, expr)) > 0
	}
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
			Values [][2]any
		}
	}
	now := time.Now()
	if q.isRange {
		s.ask(ctx, t, "query_range", url.Values{
			"query": {expr}, "start": {unix(now.Add(-5 * time.Minute))}, "end": {unix(now)}, "step": {"15"},
		}, &data)
	} else {
		s.ask(ctx, t, "query", url.Values{"query": {expr}, "time": {unix(now)}}, &data)
	}
	found, labels := false, make(map[string]bool)
	for _, r := range data.Result {
		for label := range r.Metric {
			labels[label] = true
		}
		for _, sample := range append(r.Values, r.Value) {
			text, ok := sample[1].(string)
			found = found || ok && text != "NaN"
		}
	}
	for _, m := range inLegend.FindAllStringSubmatch(q.legend, -1) {
		found = found && labels[m[1]]
	}
	return found
}

func unix(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// labelValues does what Grafana makes of label_values(metric, label).
func (s prometheusServer) labelValues(ctx context.Context, t *testing.T, text string) []string {
	t.Helper()
	m := labelValues.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%q is not label_values(metric, label)", text)
	}
	var values []string
	s.ask(ctx, t, "label/"+m[2]+"/values", url.Values{"match[]": {m[1]}}, &values)
	return values
}

// ask fails the test where Prometheus refuses or warns.
func (s prometheusServer) ask(ctx context.Context, t *testing.T, path string, form url.Values, into any) {
	t.Helper()
	reply, err := peer.Ask(ctx, http.MethodGet, s.url+"/api/v1/"+path+"?"+form.Encode())
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Status, Error string
		Warnings      []string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(reply.Body, &answer); err != nil || answer.Status != "success" || len(answer.Warnings) > 0 {
		t.Fatalf("%v: %v %s %q", form, err, answer.Error, answer.Warnings)
	}
	if err := json.Unmarshal(answer.Data, into); err != nil {
		t.Fatal(err)
	}
}

// choose picks every value of each variable, one after the other as Grafana does, and writes them as Grafana writes
// several values for a regular expression.
func (s prometheusServer) choose(ctx context.Context, t *testing.T, d *dashboard.Dashboard) map[string]string {
	t.Helper()
	values := make(map[string]string)
	for _, v := range d.Templating.List {
		if v.Type != dashboard.VariableTypeQuery {
			continue
		}
		text, err := expand(*v.Query.String, values)
		if err != nil {
			t.Fatalf("variable %s: %v", v.Name, err)
		}
		var escaped []string
		for _, value := range s.labelValues(ctx, t, text) {
			escaped = append(escaped, strings.ReplaceAll(regexp.QuoteMeta(value), `\`, `\\`))
		}
		values[v.Name] = "(" + strings.Join(escaped, "|") + ")"
	}
	return values
}

// misspell changes one metric name at a time; what still has an answer would not have been noticed.
func (s prometheusServer) misspell(ctx context.Context, t *testing.T, questions map[string]question) {
	t.Helper()
	p, changed := parser.NewParser(parser.Options{}), 0
	for _, key := range slices.Sorted(maps.Keys(questions)) {
		q := questions[key]
		expr, err := expand(q.expr, q.values)
		if err != nil {
			t.Fatal(err)
		}
		if q.isLabel {
			wrong := strings.NewReplacer("(cf_", "(cf_mis_", "(loggregator_", "(mis_", `"cf_`, `"cf_mis_`, "|cf_", "|cf_mis_").Replace(expr)
			if wrong == expr || s.answers(ctx, t, q.asked, wrong) {
				t.Errorf("%s has an answer as %s", q.where, wrong)
			}
			continue
		}
		for number := range selectors(t, p, expr) {
			wrong, err := p.ParseExpr(expr)
			if err != nil {
				t.Fatal(err)
			}
			rename(selectorsOf(wrong)[number])
			changed++
			if s.answers(ctx, t, q.asked, wrong.String()) {
				t.Errorf("%s has an answer as %s", q.where, wrong)
			}
		}
	}
	t.Logf("%d names misspelt", changed)
}

func selectors(t *testing.T, p parser.Parser, expr string) []*parser.VectorSelector {
	t.Helper()
	parsed, err := p.ParseExpr(expr)
	if err != nil {
		t.Fatal(err)
	}
	return selectorsOf(parsed)
}

func selectorsOf(expr parser.Expr) (out []*parser.VectorSelector) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			out = append(out, s)
		}
		return nil
	})
	return out
}

func rename(s *parser.VectorSelector) {
	s.Name += "_misspelt"
	for _, m := range s.LabelMatchers {
		if m.Name == "__name__" {
			m.Value = s.Name
		}
	}
}
