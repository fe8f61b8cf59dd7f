package migrate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/migrate/promql"
	"loggregator_exporter/store"
)

// rewriteQuantile makes histogram_quantile of a summary's quantile: over the aggregation in which it stands, or for
// each series.
func (r *rewriter) rewriteQuantile(s *translation) error {
	quantile, err := r.quantileOf(s)
	if err != nil {
		return err
	}
	n := s.selector.Node
	r.note("quantiles are calculated from the buckets of a histogram, over ten minutes: they are less exact")
	outer, _ := r.parents[n].(*parser.AggregateExpr)
	merges := outer != nil && !outer.Without &&
		(outer.Op == parser.AVG || outer.Op == parser.MAX || outer.Op == parser.MIN)
	if !merges {
		r.quantilesOfSeries(s, quantile, outer == nil || keepsLabels(outer.Op))
		return nil
	}
	switch list := r.q.Grouping(outer); {
	case list == nil:
		r.replaceOperation(outer, "sum by (le) ")
	case len(list.Labels) == 0:
		r.insert(list.Inside.Start, "le")
		r.replaceOperation(outer, "sum")
	default:
		r.insert(list.Inside.End, ", le")
		r.replaceOperation(outer, "sum")
	}
	r.wrap(outer, "histogram_quantile("+quantile+", ", ")")
	return nil
}

// quantilesOfSeries makes a quantile of each series of the summary, and gives them its label where they are shown.
func (r *rewriter) quantilesOfSeries(s *translation, quantile string, shown bool) {
	before, after := "histogram_quantile("+quantile+", ", ")"
	if excess := r.excessLabels(s); excess != "" {
		before, after = before+"sum without ("+excess+") (", ")"+after
	}
	if shown {
		before, after = "label_replace("+before, after+`, "quantile", `+quote(quantile)+`, "", "")`
	}
	r.wrap(s.selector.Node, before, after)
}

// rateQuantiles makes rates of what quantiles are made of, before anything else stands around these.
func (r *rewriter) rateQuantiles() error {
	for _, s := range r.series() {
		if s.special == nil || !s.special.quantile {
			continue
		}
		if _, err := r.quantileOf(s); err != nil {
			return fmt.Errorf("%s: %w", shorten(r.q.Slice(s.selector.Span)), err)
		}
		r.wrap(s.selector.Node, "rate(", "[10m])")
	}
	return nil
}

// quantileOf returns the quantile that a selector of a summary asks for, where it can be made from a histogram.
func (r *rewriter) quantileOf(s *translation) (quantile string, err error) {
	for _, m := range s.selector.Matchers {
		if m.Label == labelQuantile && m.Type == labels.MatchEqual {
			quantile = m.Value
		}
	}
	_, notNumber := strconv.ParseFloat(quantile, 64)
	n, err := r.vectorOf(s)
	switch {
	case quantile == "":
		return "", errors.New("say which quantile: histogram_quantile gives one")
	case notNumber != nil && len(promql.FindVariables(quantile)) == 0:
		return "", fmt.Errorf("the quantile %q is no number", quantile)
	case err != nil || n != parser.Expr(s.selector.Node):
		return "", errors.New("a range of quantiles cannot be made from a histogram")
	case s.selector.Node.OriginalOffset != 0 || s.selector.Node.Timestamp != nil:
		return "", errors.New("an offset of quantiles cannot be made from a histogram")
	default:
		return quantile, nil
	}
}

// replaceOperation writes another aggregation.
func (r *rewriter) replaceOperation(n *parser.AggregateExpr, text string) {
	at := r.q.SpanOf(n)
	at.End = at.Start + len(n.Op.String())
	if rest := r.q.Text[at.End:]; strings.HasSuffix(text, " ") {
		at.End += len(rest) - len(strings.TrimLeft(rest, " \t\n"))
	}
	r.edit(at, text)
}

// limitBuckets leaves out those buckets of a histogram that the old one had not, where the buckets themselves are asked
// for. A quantile is no worse for them.
func (r *rewriter) limitBuckets() error {
	for _, s := range r.series() {
		if s.special == nil || s.special.buckets == nil || r.isForQuantile(s.selector.Node) || hasMatcher(s, labelBucket) {
			continue
		}
		is := func(list []float64) func(float64) bool {
			return func(bound float64) bool { return slices.Contains(list, bound) }
		}
		if slices.ContainsFunc(s.special.buckets, func(b float64) bool { return !is(s.special.newBuckets)(b) }) {
			return fmt.Errorf("%s: the new histogram has not all buckets of the old one: see metrics.http.buckets",
				s.selector.Name)
		}
		excess := slices.DeleteFunc(slices.Clone(s.special.newBuckets), is(s.special.buckets))
		if len(excess) == 0 {
			continue
		}
		var bounds []string
		for _, b := range excess {
			bounds = append(bounds, regexp.QuoteMeta(strconv.FormatFloat(b, 'g', -1, 64)))
		}
		pattern := "(" + strings.Join(bounds, "|") + ")([.]0)?" // Prometheus writes whole numbers in either way
		s.matchers = append(s.matchers, &matcher{label: labelBucket, pattern: pattern, not: true})
	}
	return nil
}

// isForQuantile says whether series are what histogram_quantile is calculated from.
func (r *rewriter) isForQuantile(n parser.Node) bool {
	for ; n != nil; n = r.parents[n] {
		if call, ok := n.(*parser.Call); ok && call.Func.Name == "histogram_quantile" {
			return true
		}
	}
	return false
}

func hasMatcher(s *translation, label string) bool {
	return slices.ContainsFunc(s.selector.Matchers, func(m promql.Matcher) bool { return m.Label == label })
}

// splitQuantiles writes a query whose result has several quantiles of a summary by their label, such as
// avg(sizes) by (quantile), as one that asks for each by itself. It returns "" if there is no such part.
func (r *rewriter) splitQuantiles() string {
	for _, s := range r.series() {
		if s.special == nil || !s.special.quantile {
			continue
		}
		outer, ok := r.parents[s.selector.Node].(*parser.AggregateExpr)
		if !ok || outer.Without || !slices.Contains(outer.Grouping, labelQuantile) {
			continue
		}
		at := r.q.SpanOf(outer)
		text := quantilesApart(r.q.Slice(at))
		if text == "" {
			continue
		}
		if r.parents[outer] != nil {
			text = "(" + text + ")"
		}
		return r.q.Text[:at.Start] + text + r.q.Text[at.End:]
	}
	return ""
}

// quantilesApart makes of an aggregation by quantile the same for each quantile that a summary has.
func quantilesApart(aggregation string) string {
	q, err := promql.Parse(aggregation)
	if err != nil || len(q.Selectors) != 1 {
		return ""
	}
	outer, ok := q.Expr.(*parser.AggregateExpr)
	if !ok {
		return ""
	}
	list, s := q.Grouping(outer), q.Selectors[0]
	var others []string
	for _, l := range list.Labels {
		if l.Name != labelQuantile {
			others = append(others, l.Name)
		}
	}
	var parts []string
	for _, quantile := range store.ObservedQuantiles {
		value := quote(strconv.FormatFloat(quantile, 'g', -1, 64))
		edits := []promql.Edit{{Span: list.Inside, Text: strings.Join(others, ", ")}}
		matcher, wanted := labelQuantile+"="+value, true
		i := slices.IndexFunc(s.Matchers, func(m promql.Matcher) bool { return m.Label == labelQuantile })
		switch {
		case i >= 0:
			m, err := labels.NewMatcher(s.Matchers[i].Type, labelQuantile, s.Matchers[i].Value)
			if err != nil || q.HasVariable(s.Matchers[i].ValueAt) {
				return ""
			}
			wanted = m.Matches(strings.Trim(value, `"`))
			edits = append(edits, promql.Edit{Span: s.Matchers[i].Span, Text: matcher})
		case s.Braces.Start == s.Braces.End:
			edits = append(edits, promql.Edit{Span: s.Braces, Text: "{" + matcher + "}"})
		case len(s.Matchers) > 0:
			matcher += ","
			fallthrough
		default:
			at := s.Braces.Start + 1
			edits = append(edits, promql.Edit{Span: promql.Span{Start: at, End: at}, Text: matcher})
		}
		text, err := q.Apply(edits)
		if err != nil {
			return ""
		}
		if wanted {
			parts = append(parts, fmt.Sprintf(`label_replace(%s, "quantile", %s, "", "")`, text, value))
		}
	}
	return strings.Join(parts, " or ")
}
