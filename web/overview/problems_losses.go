package overview

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// someLost is the share of the envelopes of the last two times Options.Recent, which is ten minutes, from which
// losses of Loggregator need attention: that of the alert LoggregatorExporterUpstreamLoss.
const someLost = 0.01

// lossRemedies say who was too slow, by what lost and the side on which it did.
var lossRemedies = map[[2]string]string{
	{"rlp", "egress"}: "A reader of the reverse log proxy is given more than it takes: this exporter or another nozzle. " +
		"Compare the exporter's CPU with its limit, and add exporters with the same nozzle.shard_id.",
	{"rlp", "ingress"}:     "The reverse log proxy is too slow: add log-api VMs.",
	{"doppler", "egress"}:  "The reverse log proxy is too slow: add log-api VMs.",
	{"doppler", "ingress"}: "The dopplers are too slow: add doppler VMs.",
	{"DopplerServer", "egress"}: "A reader of the dopplers is given more than it takes: this exporter, another nozzle, " +
		"or the traffic controllers between. Compare the exporter's CPU with its limit, and add exporters with the " +
		"same nozzle.shard_id.",
	{"DopplerServer", "ingress"}: "The dopplers are too slow: add doppler VMs.",
	{"other", ""}: "It is the sum of components beyond the first 64: see docs/metrics.md, What " +
		"Loggregator lost.",
}

// lossRemedy says what to do about losses of a component. Of those that no remedy knows most are agents.
func lossRemedy(l *Loss) string {
	component := strings.TrimPrefix(l.Origin, "loggregator.")
	if l.Origin == "doppler" { // of a release before 2017, as DopplerServer
		component = "DopplerServer"
	}
	return cmp.Or(lossRemedies[[2]string{component, l.Direction}],
		"The agents of the VMs, or the dopplers that they send to, are too slow: see docs/metrics.md, What Loggregator lost.")
}

const kindUpstreamLoss = "upstream_loss"

// losses finds what Loggregator reports as lost, and what the kernel dropped.
func (f *finder) losses() {
	f.upstreamLosses()
	f.grownCounts("udp_dropped_datagrams_total", func(_ string, by float64) {
		f.add(Problem{
			Kind: "too_slow", Severity: Warning, Runbook: "loggregatorexportertooslow",
			Sentence: fmt.Sprintf("Source udp is given more than the exporter takes: the kernel dropped %s in the last %s.",
				count(by, "datagram"), f.lately),
			Remedy: "Give the exporter more CPU, or raise nozzle.udp.receive_buffer_bytes and net.core.rmem_max.",
			Link:   "/#source-udp",
		}, "udp/datagrams")
	})
	if age, ok := f.own.value("syslog_oldest_data_seconds"); ok && age > clockBehind.Seconds() {
		f.add(Problem{
			Kind: "old_data", Severity: Warning, Runbook: "loggregatorexporterolddata",
			Sentence: fmt.Sprintf("Syslog agents send data that is %s old.",
				time.Duration(age*float64(time.Second)).Round(time.Second)),
			Remedy: "Connections stalled, the exporter is too slow, or clocks of VMs differ.", Link: "/#source-syslog",
		}, "syslog")
	}
	f.grownCounts("otlp_points_refused_total", func(reason string, by float64) {
		f.add(Problem{
			Kind: "points_refused", Severity: Warning, Runbook: "loggregatorexporterpointsrefused",
			Sentence: fmt.Sprintf("Source otlp refused %s in the last %s: %s.", count(by, "data point"), f.lately,
				reason),
			Remedy: "docs/otlp.md says for each reason what the sender has to change.", Link: "/#source-otlp",
		}, reason)
	})
}

// upstreamLosses finds what Loggregator reports as lost. All of it together decides whether that is much, as for the
// alert; else it is one notice, unless a reader is too slow all the time.
func (f *finder) upstreamLosses() {
	window := 2 * f.monitor.options.Recent
	received, lost, most := 0.0, 0.0, 0
	for i := range f.Sources {
		s := &f.Sources[i]
		received += f.grownIn(Column{"envelopes_received_total", s.Name, ""}, float64(s.Received), window)
	}
	by := make([]float64, len(f.Losses))
	for i := range f.Losses {
		by[i] = f.grownIn(f.Losses[i].column(), float64(f.Losses[i].Count), window)
		lost += by[i]
		if by[i] > by[most] {
			most = i
		}
	}
	if lost == 0 {
		return
	}
	problem := func(severity Severity, n float64, at string, l *Loss) Problem {
		return Problem{
			Kind: kindUpstreamLoss, Severity: severity, Runbook: "loggregatorexporterupstreamloss", Link: "/#losses",
			Sentence: fmt.Sprintf("Loggregator lost %s in the last %s, %s %s (%s): %s of what it should bring.",
				count(n, "envelope"),
				inWords(window), at, l.Origin, cmp.Or(l.Direction, "both sides"), percent(n/(lost+received))),
			Remedy: lossRemedy(l),
		}
	}
	much := lost > someLost*(lost+received)
	for i := range f.Losses {
		l := &f.Losses[i]
		slow := l.Origin == "loggregator.rlp" && l.Direction == "egress" && f.lasts(l.column(), float64(l.Count))
		if p := problem(Warning, by[i], "at", l); by[i] > 0 && (much || slow) {
			if !much {
				p.Runbook = "loggregatorexportertooslow"
			}
			f.add(p, l.Origin+"/"+l.Direction)
		}
	}
	if !much {
		p := problem(Notice, lost, "most of them at", &f.Losses[most])
		p.Remedy = "Up to " + percent(someLost) + " is usual, and there is nothing to do. If it becomes more, " +
			strings.ToLower(p.Remedy[:1]) + p.Remedy[1:]
		f.add(p, "")
	}
}

// problemID is the ID of the problem that the loss is by itself.
func (l *Loss) problemID() string { return kindUpstreamLoss + "/" + l.Origin + "/" + l.Direction }

// column is where the history has the loss.
func (l *Loss) column() Column { return Column{"upstream_dropped_total", l.Direction, l.Origin} }

// lasts reports whether a counter grew both lately and in the time of the same length before.
func (f *finder) lasts(key Column, value float64) bool {
	lately := f.grown(key, value)
	return lately > 0 && f.grownIn(key, value, 2*f.monitor.options.Recent) > lately
}
