package overview

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// startGrace is how long after the start sources may be without a connection.
	startGrace = 30 * time.Second
	// muteAfter is how long a connected source may bring nothing, and one that waits for senders may have none: syslog
	// agents replace their connections each minute.
	muteAfter = 2 * time.Minute
	// Clocks may differ by this much: the first where a sender's is ahead, the second where all seem to be behind, which
	// late envelopes do as well.
	clockAhead  = 10 * time.Second
	clockBehind = 2 * time.Minute
	// manyReconnects is how many of one reason f.lately are a problem: load balancers end streams every 15 minutes.
	manyReconnects = 2
	sourceReplay   = "replay"
)

// KindNothing is the kind of the notice that nothing has come yet: with it alone, it cannot be said that all is well.
const KindNothing = "nothing_received"

// waiting are the sources that are up only while somebody is connected to them.
var waiting = map[string]string{
	"ingress": "the forwarder agent of the VM: is its downstream port that of nozzle.ingress.listen_address, and are " +
		"the certificates of one CA?",
	"syslog": "syslog agents: is the aggregate drain's URL this exporter's, and do the agents trust its certificate?",
	"otlp":   "the senders by OTLP: is this exporter's address their endpoint, and do they trust its certificate?",
}

// harmlessRefusals say nothing about senders of metrics.
var harmlessRefusals = []string{"closed_in_handshake", "cut_frame", "idle"}

// harmlessReconnects are how streams end in a foundation that is well.
var harmlessReconnects = []string{"ended", "closing_event"}

func (f *finder) everySource() {
	for i := range f.Sources {
		f.source(&f.Sources[i])
	}
}

// nothing says that nothing has come yet, unless it is known why. Where that lasts, it is said of each source.
func (f *finder) nothing() {
	came := func(s Source) bool { return s.Received > 0 || !s.LastEnvelope.IsZero() }
	if len(f.Sources) == 0 || len(f.found) > 0 || slices.ContainsFunc(f.Sources, came) {
		return
	}
	f.add(Problem{
		Kind: KindNothing, Severity: Notice, Since: f.Started, Link: "/#sources",
		Sentence: "Nothing has been received since the start.",
		Remedy: "Wait: components send every 15 to 60 seconds. Sources that are silent for " + inWords(f.atMost(muteAfter)) +
			" are listed here.",
	}, "")
}

// source finds what is not well with a source.
func (f *finder) source(s *Source) {
	if !f.malformed(s) {
		f.connection(s)
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Refusals)) {
		key := Column{"source_refusals_total", reason, s.Name}
		by := f.grown(key, float64(s.Refusals[reason]))
		if by == 0 || slices.Contains(harmlessRefusals, reason) {
			continue
		}
		f.add(Problem{
			Kind: "source_refusals", Severity: Warning, Runbook: "loggregatorexporterrefusals",
			Sentence: fmt.Sprintf("Source %s refused %s in the last %s: %s.", s.Name, count(by, "connection"), f.lately,
				reason),
			Remedy: "Senders cannot deliver. " + advice(s, reason, "See the reason in docs/metrics.md and the log."),
			Link:   "/#source-" + s.Name,
		}, s.Name+"/"+reason)
	}
	for _, reason := range slices.Sorted(maps.Keys(s.Reconnects)) {
		f.reconnects(s, reason)
	}
	f.clock(s)
}

// malformed finds whether envelopes cannot be read, and reports whether that is all that arrives.
func (f *finder) malformed(s *Source) (all bool) {
	key := Column{"envelopes_total", "malformed", s.Name}
	by := f.grown(key, float64(s.Envelopes["malformed"]))
	if by == 0 {
		return false
	}
	p := Problem{
		Kind: "malformed", Severity: Warning, Runbook: "loggregatorexportermalformed",
		Sentence: fmt.Sprintf("Source %s received %s in the last %s that cannot be read.", s.Name, count(by, "envelope"),
			f.lately),
		Remedy: "Something else sends to the port of the source, or a sender is defective: the list says what is wrong " +
			"with each, and from where one came.",
		Link: "/#malformed",
	}
	if all = f.Time.Sub(s.LastEnvelope) > muteAfter; all {
		p.Severity = Critical
		p.Sentence = fmt.Sprintf("Nothing that source %s receives can be read: %s in the last %s.", s.Name,
			count(by, "envelope"), f.lately)
	}
	f.add(p, s.Name)
	return all
}

// connection finds whether a source is connected and brings anything.
func (f *finder) connection(s *Source) {
	sinceStart := f.Time.Sub(f.Started)
	switch {
	case s.Name == sourceReplay:
	case !s.Up && s.Connections == 0:
		if sinceStart < f.atMost(startGrace) || !s.Away(f.Time) {
			return
		}
		p := Problem{
			Kind: "source_down", Severity: Critical, Since: latest(s.LastEnvelope, f.Started),
			Runbook:  "loggregatorexportersourcedown",
			Sentence: fmt.Sprintf("Source %s is not connected%s.", s.Name, f.since(s.LastEnvelope)),
			Remedy:   advice(s, "", "The log says why, as reason, and what to do, as advice."), Link: "/#source-" + s.Name,
		}
		if who := waiting[s.Name]; who != "" {
			p.Sentence = fmt.Sprintf("Nobody is connected to source %s%s.", s.Name, f.since(s.LastEnvelope))
			p.Remedy = "Look at " + who
			if e := s.LastError; e != nil && e.Time.After(s.LastEnvelope) && !slices.Contains(harmlessRefusals, e.Reason) {
				p.Remedy = lastReason(e) // else somebody has delivered since, or the refusal says nothing about senders
			}
		}
		f.add(p, s.Name)
	case f.Time.Sub(latest(s.LastEnvelope, s.ConnectedSince, f.Started)) > f.atMost(muteAfter) || !s.Up:
		f.add(Problem{
			Kind: "source_mute", Severity: Critical, Since: latest(s.LastEnvelope, f.Started),
			Runbook:  "loggregatorexportersourcemute",
			Sentence: fmt.Sprintf("Source %s is connected, but mute%s.", s.Name, f.since(s.LastEnvelope)),
			Remedy: "Look whether Loggregator's components run and send, and what nozzle.filters and nozzle.selectors " +
				"exclude. The exporter opens new streams by itself.",
			Link: "/#source-" + s.Name,
		}, s.Name)
	}
}

// Away reports whether a source is not connected, for longer than senders are between two connections.
func (s *Source) Away(now time.Time) bool {
	return !s.Up && s.Connections == 0 && (waiting[s.Name] == "" || now.Sub(s.LastEnvelope) >= muteAfter)
}

// Between says from when on it is a problem that nobody is connected, where senders may be between two connections;
// else "".
func (s *Source) Between(now time.Time) string {
	if s.Up || s.Connections > 0 || s.Away(now) {
		return ""
	}
	return "usual between two connections; a problem " + inWords(muteAfter) + " after the last envelope"
}

// reconnects finds whether a source has to connect again and again.
func (f *finder) reconnects(s *Source, reason string) {
	key := Column{"source_reconnects_total", reason, s.Name}
	by := f.grown(key, float64(s.Reconnects[reason]))
	switch {
	case by == 0 || slices.Contains(harmlessReconnects, reason):
	case reason == "slow" || reason == "stalled":
		f.add(Problem{
			Kind: "too_slow", Severity: Warning, Runbook: "loggregatorexportertooslow",
			Sentence: fmt.Sprintf("Source %s is given more than the exporter takes: %s ended in the last %s (%s).",
				s.Name, count(by, "stream"), f.lately, reason),
			Remedy: "Give the exporter more CPU, filter what nobody uses, or add exporters with the same nozzle.shard_id.",
			Link:   "/#source-" + s.Name,
		}, s.Name+"/"+reason)
	case by > manyReconnects:
		f.add(Problem{
			Kind: "source_reconnects", Severity: Warning, Runbook: "loggregatorexporterreconnects",
			Sentence: fmt.Sprintf("Source %s had to connect again %s times in the last %s: %s.", s.Name, Number(by),
				f.lately, reason),
			Remedy: advice(s, reason, "See the reason in docs/metrics.md and the log."), Link: "/#source-" + s.Name,
		}, s.Name+"/"+reason)
	}
}

// clock finds whether the clocks of senders and of the exporter differ.
func (f *finder) clock(s *Source) {
	ahead := time.Duration(s.ClockAheadSeconds * float64(time.Second))
	p := Problem{Kind: "clock", Severity: Warning, Runbook: "loggregatorexporteroutdated", Link: "/#source-" + s.Name}
	switch {
	case s.Name == sourceReplay:
		return
	case ahead > clockAhead:
		p.Sentence = fmt.Sprintf("A clock is apart: envelopes by source %s are %s ahead of the exporter's clock%s.", s.Name,
			ahead.Round(time.Second), in(s.ClockSender))
		p.Remedy = "Synchronize the clock of that VM, or the exporter's own where many are ahead, by NTP."
	case ahead < -clockBehind:
		p.Sentence = fmt.Sprintf("Clocks are apart, or data is late: all envelopes by source %s are more than %s old.",
			s.Name, (-ahead).Round(time.Second))
		p.Remedy = "Synchronize the exporter's clock by NTP. If it is right, envelopes wait somewhere: look for a slow " +
			"agent, doppler or reader."
	default:
		return
	}
	f.add(p, s.Name)
}

// advice is that of the source's last error where that is of the reason, or the reason is empty; else the fallback.
func advice(s *Source, reason, fallback string) string {
	e := s.LastError
	if e == nil || reason != "" && e.Reason != reason {
		return fallback
	}
	return lastReason(e)
}

func lastReason(e *SourceError) string {
	words := slices.DeleteFunc([]string{e.Reason, e.Advice, e.Text}, func(s string) bool { return s == "" })
	return "The last reason was " + strings.Join(words, ": ") + "."
}

// since says when the last envelope came.
func (f *finder) since(last time.Time) string {
	if last.IsZero() {
		return ", and nothing has come since the start at " + clock(f.Started)
	}
	return " since " + clock(last)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

func in(who string) string {
	if who == "" {
		return ""
	}
	return " (" + who + ")"
}

func latest(times ...time.Time) time.Time {
	return slices.MaxFunc(times, func(a, b time.Time) int { return a.Compare(b) })
}
