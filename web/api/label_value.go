package api

import (
	"cmp"
	"context"
	"slices"

	"loggregator_exporter/store"
)

// maxSetsEach is about how many label sets of one metric are looked at for a value.
const maxSetsEach = 1000

// oneValue lists the metrics that have series with one value of a label, the most first, and the labels of these
// series.
func (a *API) oneValue(ctx context.Context, q *CardinalityQuery, s *sizes, out *Cardinality) error {
	looked := 0
	var rows []MetricSize
	var labels labelCount
	labels.begin()
	for i := range s.metrics {
		m := &s.metrics[i]
		stride, n := 1+m.Series/maxSetsEach, 0
		looked += m.Series / stride
		a.options.Store.FamilyLabelSets(m.Name, stride, func(chunk []store.LabelSet) bool {
			for k := range chunk {
				if chunk[k].Labels.Value(q.Label) == q.Value {
					n += stride
					labels.add(chunk[k:k+1], stride)
				}
			}
			return ctx.Err() == nil
		})
		if ctx.Err() != nil {
			return canceled(ctx)
		}
		if n > 0 {
			n = min(n, m.Series)
			rows = append(rows, MetricSize{
				Metric: m.Name, Type: m.Type.String(), Series: n, Lines: n * m.Lines / m.Series, // each has the same, or nearly
			})
		}
	}
	out.Series, out.Lines, out.Families, out.Share = 0, 0, len(rows), min(1, float64(looked)/float64(max(1, s.series)))
	for i := range rows {
		out.Series += rows[i].Series
		out.Lines += rows[i].Lines
	}
	slices.SortStableFunc(rows, func(x, y MetricSize) int { return cmp.Compare(y.Series, x.Series) })
	labels.finish(1)
	var errs [3]error
	out.Metrics, errs[0] = metricList.show(rows, q, out)
	out.Labels, errs[1] = labelList.show(labels.sorted, q, out)
	out.LabelValues, errs[2] = valueList.show(labels.top, q, out)
	return cmp.Or(errs[:]...)
}
