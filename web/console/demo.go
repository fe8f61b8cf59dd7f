package console

import (
	"context"

	"loggregator_exporter/metric"
	"loggregator_exporter/web/api"
)

// demo shows how flat names become one metric.
type demo struct {
	Metric string
	Rows   []demoRow
}

// demoRow is one flat name and its series.
type demoRow struct {
	Origin, Name string
	Parts        []part
	Series       *api.LiveSeries
}

// Shown are the labels that came from the name.
func (*demo) Shown(labels map[string]string) []metric.Label {
	var shown []metric.Label
	for _, name := range []string{"component", "index", "type"} {
		if v := labels[name]; v != "" {
			shown = append(shown, metric.Label{Name: name, Value: v})
		}
	}
	return shown
}

// demoSearch finds the names of the proposal, demoNames is how many of them are shown.
const (
	demoSearch = "memoryStats.numBytesAllocated"
	demoNames  = 20
)

// demo finds the names of the proposal and their series.
func (c *Console) demo(ctx context.Context) (*demo, error) {
	names, err := c.options.Data.Names(ctx, api.NamesQuery{Search: demoSearch, Limit: demoNames})
	if err != nil {
		return nil, err
	}
	d := &demo{}
	for i := range names.Names {
		n := &names.Names[i]
		q := api.ExplainQuery{Name: n.Name, Kind: n.Kind, Unit: n.Unit, Series: 1}
		if len(n.Origins) > 0 {
			q.Origin = n.Origins[0]
		}
		e, err := c.options.Data.Explain(ctx, q)
		if err != nil {
			return nil, err
		}
		row := demoRow{Origin: q.Origin, Name: n.Name, Parts: partsOf(n.Name, e.Steps, map[string]string{})}
		if len(e.Live) > 0 {
			row.Series = &e.Live[0]
		}
		d.Metric = e.Metric
		d.Rows = append(d.Rows, row)
	}
	return d, nil
}
