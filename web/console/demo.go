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

// proposal are the names of components that the proposal wants as one metric; routers come with an index.
var proposal = []string{
	"router__1", "auctioneer", "cc_uploader", "converger", "file_server", "nsync_bulker", "nsync_listener",
	"route_emitter", "ssh-proxy", "stager", "tps_listener", "tps_watcher", "garden-linux", "rep", "DopplerServer",
	"syslog_drain_binder", "LoggregatorTrafficController", "dea_logging_agent", "etcd", "bbs",
}

const proposalLeaf = ".memoryStats.numBytesAllocated"

// demo finds the names of the proposal that have arrived, and a series of each.
func (c *Console) demo(ctx context.Context) (*demo, error) {
	first, err := c.options.Data.Explain(ctx, api.ExplainQuery{Name: proposal[0] + proposalLeaf, Kind: "gauge"})
	if err != nil {
		return nil, err
	}
	d := &demo{Metric: first.Metric}
	names, err := c.options.Data.Names(ctx, api.NamesQuery{Search: proposalLeaf, Metric: d.Metric, Limit: 100})
	if err != nil {
		return nil, err
	}
	arrived := map[string]*api.Name{}
	for i := range names.Names {
		arrived[names.Names[i].Name] = &names.Names[i]
	}
	for _, component := range proposal {
		n := arrived[component+proposalLeaf]
		if n == nil {
			continue
		}
		row, err := c.demoRow(ctx, n)
		if err != nil {
			return nil, err
		}
		d.Rows = append(d.Rows, *row)
	}
	return d, nil
}

func (c *Console) demoRow(ctx context.Context, n *api.Name) (*demoRow, error) {
	q := api.ExplainQuery{Name: n.Name, Kind: n.Kind, Unit: n.Unit, Series: 1}
	if len(n.Origins) > 0 {
		q.Origin = n.Origins[0]
	}
	e, err := c.options.Data.Explain(ctx, q)
	if err != nil {
		return nil, err
	}
	row := &demoRow{Origin: q.Origin, Name: n.Name, Parts: partsOf(n.Name, e.Steps, map[string]string{})}
	if len(e.Live) > 0 {
		row.Series = &e.Live[0]
	}
	return row, nil
}
