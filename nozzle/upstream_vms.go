package nozzle

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"loggregator_exporter/metric"
)

const (
	// maxUpstreamVMs bounds the VMs whose losses are counted one by one, those of all components together.
	maxUpstreamVMs = 256
	// maxShownVMs bounds those that are shown of one component.
	maxShownVMs = 20
)

// LossVM is what a component of Loggregator lost on one VM.
type LossVM struct {
	// Deployment, Job, Index and IP are the tags of its counter; they may be empty.
	Deployment, Job, Index, IP string
	Count                      uint64
	Last                       time.Time // when the last loss was reported
}

// upstreamVM is a component of Loggregator on one VM.
type upstreamVM struct {
	upstreamKey

	deployment, job, index, ip string
}

type upstreamVMLoss struct {
	count uint64
	last  int64 // arrival, in nanoseconds since the epoch
}

// addVM counts what a component lost on the VM that its counter names; mu is held.
func (u *upstream) addVM(key upstreamKey, e *metric.Envelope, lost uint64) {
	tag := func(name string) string {
		value := e.Tag(name)
		return metric.Printable(strings.ToValidUTF8(string(value[:min(len(value), maxUpstreamLabel)]), ""))
	}
	vm := upstreamVM{key, tag("deployment"), tag("job"), tag("index"), tag("ip")}
	of := u.vms[vm]
	if of == nil {
		if len(u.vms) >= maxUpstreamVMs {
			return // the total of the component has it
		}
		of = &upstreamVMLoss{}
		u.vms[vm] = of
	}
	of.count += lost
	of.last = e.Arrived
}

// vmsOf returns the VMs on which a component lost most.
func (u *upstream) vmsOf(key upstreamKey) []LossVM {
	u.mu.Lock()
	defer u.mu.Unlock()
	var all []LossVM
	for vm, of := range u.vms {
		if vm.upstreamKey == key {
			all = append(all, LossVM{vm.deployment, vm.job, vm.index, vm.ip, of.count, time.Unix(0, of.last)})
		}
	}
	slices.SortFunc(all, func(a, b LossVM) int {
		return cmp.Or(
			cmp.Compare(b.Count, a.Count), strings.Compare(a.Deployment, b.Deployment),
			strings.Compare(a.Job, b.Job), strings.Compare(a.Index, b.Index), strings.Compare(a.IP, b.IP),
		)
	})
	return all[:min(len(all), maxShownVMs)]
}
