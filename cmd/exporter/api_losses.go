package main

import (
	"time"

	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle"
	"loggregator_exporter/nozzle/leftout"
	"loggregator_exporter/store"
	"loggregator_exporter/web/live"
	"loggregator_exporter/web/overview"
)

// lossesOf returns what Loggregator reports as lost, with the VMs on which it was.
func lossesOf(reports []nozzle.LossReport) []overview.Loss {
	losses := make([]overview.Loss, len(reports))
	for i, r := range reports {
		l := overview.Loss{
			Origin: r.Origin, Direction: r.Direction, Count: r.Count, VMs: make([]overview.LossVM, len(r.VMs)), Others: r.Count,
		}
		for k, vm := range r.VMs {
			l.VMs[k] = overview.LossVM{
				Deployment: vm.Deployment, Job: vm.Job, Index: vm.Index, IP: vm.IP, Count: vm.Count, LastSeen: vm.Last.UTC(),
			}
			l.Others -= min(l.Others, vm.Count) // the VMs may have lost more since
		}
		losses[i] = l
	}
	return losses
}

func ignoredOf(reports []leftout.EventReport) []overview.Ignored {
	all := make([]overview.Ignored, len(reports))
	for i, r := range reports {
		all[i] = overview.Ignored{What: r.Event, Why: r.Why, Count: r.Count, LastSeen: r.Last.UTC(), Sender: r.Sender}
	}
	return all
}

func malformedOf(reports []leftout.Fault) []overview.Malformed {
	all := make([]overview.Malformed, len(reports))
	for i, r := range reports {
		all[i] = overview.Malformed{
			Error: r.Error, Count: r.Count, LastSeen: r.Last.UTC(), Sender: r.Sender, Excerpt: r.Excerpt,
		}
	}
	return all
}

// filteredNames returns what the filters left out.
func filteredNames(names []leftout.Name) []live.LeftOut {
	all := make([]live.LeftOut, len(names))
	for i := range names {
		n := &names[i]
		var tags []metric.Label
		if n.Origin != "" {
			tags = append(tags, metric.Label{Name: "origin", Value: n.Origin})
		}
		all[i] = live.LeftOut{
			Outcome: metric.Filtered, Name: n.Name, Unit: n.Unit, Kind: n.Kind, Samples: n.Samples,
			Envelopes: n.Envelopes, InEnvelopes: n.InEnvelopes, Last: time.Unix(0, n.Arrived), Setting: n.Setting,
			Sender: store.NewSender(n.Kind, n.SourceID, tags...),
		}
	}
	return all
}
