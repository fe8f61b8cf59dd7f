package console

import (
	"fmt"
	"html/template"
	"strings"

	"loggregator_exporter/web/overview"
)

const (
	// maxLossVMs is how many VMs the page lists of each loss, unless it is asked for all that are known.
	maxLossVMs = 5
	// maxUpstream is how many branches of the flow are losses of Loggregator.
	maxUpstream = 3
)

// loss is what one component lost.
type loss struct {
	overview.Loss

	number int  // of its row
	all    bool // all VMs are shown that are known
}

// lossesOf lists the components that lost anything, as the table does.
func lossesOf(s *overview.Status, allVMs bool) (all []loss) {
	for _, l := range s.Losses {
		if l.Count > 0 {
			all = append(all, loss{l, len(all) + 1, allVMs})
		}
	}
	return all
}

// Anchor is the id of its row.
func (l loss) Anchor() string { return fmt.Sprintf("loss-%d", l.number) }

// Worst are the VMs that lost most.
func (l loss) Worst() []overview.LossVM {
	if l.all {
		return l.VMs
	}
	return l.VMs[:min(len(l.VMs), maxLossVMs)]
}

// More says that more VMs are known than are shown.
func (l loss) More() bool { return len(l.VMs) > len(l.Worst()) }

// Counter is the page of the counters of all VMs by which the component says what it lost, or "" where that is not one.
func (l loss) Counter() template.URL {
	if !strings.HasPrefix(l.Origin, "loggregator.") {
		return "" // of a release before 2017, which has several, or of several components
	}
	return "explain" + query("name", "dropped", "origin", l.Origin) + "#live"
}

// Rest is what all others lost.
func (l loss) Rest() uint64 {
	rest := l.Others
	for _, vm := range l.VMs[len(l.Worst()):] {
		rest += vm.Count
	}
	return rest
}
