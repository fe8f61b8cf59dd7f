package console

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"loggregator_exporter/web/overview"
)

// verdict says in one line how the exporter fares.
type verdict struct {
	Level string // ok, note, warn or bad
	Sign  string
	Text  string // the sentence
	Short string // for the bar of every page
}

// unknown is the verdict where the exporter cannot say.
var unknown = verdict{Level: "warn", Sign: "?", Text: "The exporter cannot say how it fares.", Short: "unknown"}

// judge makes one line of all problems: what the most severe one says, of which problems has the first.
func judge(problems []overview.Problem) verdict {
	by := map[overview.Severity]int{}
	for _, p := range problems {
		by[p.Severity]++
	}
	urgent := by[overview.Critical] + by[overview.Warning]
	attention := plural(urgent, "thing needs attention", "things need attention")
	switch {
	case by[overview.Critical] > 0:
		return verdict{"bad", "■", problems[0].Sentence, attention}
	case by[overview.Warning] > 0:
		return verdict{"warn", "▲", problems[0].Sentence, attention}
	case len(problems) > 0 && problems[0].Kind == overview.KindNothing:
		return verdict{"note", "●", problems[0].Sentence, "Nothing yet"}
	default:
		return verdict{"ok", "✓", "All is well", "All is well"}
	}
}

// overviewPage is the data of the first page.
type overviewPage struct {
	*overview.Status

	Facts   []string
	First   *problem // the most severe one, which the verdict says
	Others  []problem
	Notices []problem
	Ledger  *ledger
	Drawing *drawing
	Rates   bool // the ledger shows the last minute, not all since the start
	Graphs  []*graph
	Demo    *demo

	AllLosses bool // all VMs are listed that are known to have lost anything
}

// problem is one that has lasted for some time.
type problem struct {
	overview.Problem

	Lasts string
}

func (c *Console) overview(r *http.Request, f *frame) error {
	history, err := c.options.Data.History(r.Context())
	if err != nil {
		return err
	}
	s := f.status
	f.API = "api/v1/status"
	asked := r.URL.Query()
	p := overviewPage{
		Status: s, Facts: facts(s), Rates: asked.Get("ledger") != "total", Graphs: graphsOf(history, s),
		AllLosses: asked.Get("losses") == "all",
	}
	for _, found := range s.Problems {
		shown := problem{Problem: found}
		if !found.Since.IsZero() {
			shown.Lasts = span(s.Time.Sub(found.Since).Truncate(time.Second))
		}
		switch {
		case found.Severity == overview.Notice && found.Kind != overview.KindNothing:
			p.Notices = append(p.Notices, shown)
		case p.First == nil:
			p.First = &shown
		default:
			p.Others = append(p.Others, shown)
		}
	}
	p.Ledger = newLedger(s, p.Rates)
	p.Drawing = p.Ledger.draw()
	if c.options.Demo {
		if p.Demo, err = c.demo(r.Context()); err != nil {
			return err
		}
	}
	f.Page = p
	return nil
}

// Lost lists the components that lost anything.
func (p overviewPage) Lost() []loss { return lossesOf(p.Status, p.AllLosses) }

// Past is the time of which the page remembers something: an hour, or since the start.
func (p overviewPage) Past() string {
	if up := p.Time.Sub(p.Started); up < time.Hour {
		return "since the start, " + span(up.Truncate(time.Second)) + " ago"
	}
	return "in the last hour"
}

// Young says that the exporter has not run for an hour.
func (p overviewPage) Young() bool { return p.Time.Sub(p.Started) < time.Hour }

// ignoredRow and malformedRow are rows with the source that they belong to.
type ignoredRow struct {
	Source string
	overview.Ignored
}

type malformedRow struct {
	Source string
	overview.Malformed
}

// Ignored is what all sources ignored.
func (p overviewPage) Ignored() (rows []ignoredRow) {
	for i := range p.Sources {
		for _, ignored := range p.Sources[i].Ignored {
			rows = append(rows, ignoredRow{p.Sources[i].Name, ignored})
		}
	}
	return rows
}

// Malformed is what all sources could not read.
func (p overviewPage) Malformed() (rows []malformedRow) {
	for i := range p.Sources {
		for _, malformed := range p.Sources[i].Malformed {
			rows = append(rows, malformedRow{p.Sources[i].Name, malformed})
		}
	}
	return rows
}

// facts are the figures below the verdict.
func facts(s *overview.Status) []string {
	up := 0
	var last time.Time
	for i := range s.Sources {
		if s.Sources[i].Up {
			up++
		}
		if s.Sources[i].LastEnvelope.After(last) {
			last = s.Sources[i].LastEnvelope
		}
	}
	list := []string{
		fmt.Sprintf("%d of %s connected", up, plural(len(s.Sources), "source", "sources")),
		"last envelope " + since(s.Time, last),
		fmt.Sprintf("%s of %s", plural(s.Series.Series, "series", "series"), plural(s.Series.Families, "metric", "metrics")),
	}
	switch {
	case len(s.Scrapers) > 0:
		return append(list, "last scrape "+since(s.Time, s.Scrapers[0].LastSeen))
	case s.Time.Sub(s.Started) < time.Hour:
		return append(list, "not scraped since the start")
	default:
		return append(list, "not scraped in the last hour")
	}
}

// newLedger makes branches of the ledger: the mean of the last minute, or all since the start.
func newLedger(s *overview.Status, rates bool) *ledger {
	l := &ledger{PerSecond: rates}
	amount := func(n uint64, perSecond float64) float64 {
		if rates {
			return perSecond
		}
		return float64(n)
	}
	for i := range s.Sources {
		source := &s.Sources[i]
		l.Sources = append(l.Sources, branch{
			Name: source.Name, Kind: branchGood, Count: amount(source.Received, source.EnvelopesPerSecond),
			Link: "#source-" + source.Name,
		})
	}
	losses := lossesOf(s, false)
	for i := range losses {
		loss := &losses[i]
		l.Upstream = append(l.Upstream, branch{
			Name: strings.TrimSpace(loss.Origin + " " + loss.Direction), Kind: lossKind(loss.Severity),
			Count: amount(loss.Count, loss.PerSecond), Link: "#" + loss.Anchor(),
		})
	}
	if len(l.Upstream) > maxUpstream {
		rest := losses[maxUpstream-1:] // the first of which is where they begin in the table
		others := branch{
			Name: "other components", Link: "#" + rest[0].Anchor(), Count: total(l.Upstream[maxUpstream-1:]), Kind: branchSlight,
		}
		for _, kind := range []string{branchWarn, branchLoss} {
			if slices.ContainsFunc(l.Upstream[maxUpstream-1:], func(b branch) bool { return b.Kind == kind }) {
				others.Kind = kind
			}
		}
		l.Upstream = append(l.Upstream[:maxUpstream-1:maxUpstream-1], others)
	}
	l.Envelopes = branches(s.Ledger.Envelopes, "converted", amount)
	l.Samples = branches(s.Ledger.Samples, "stored", amount)
	return l
}

// branches makes branches of flows, with the one first that goes on.
func branches(flows []overview.Flow, first string, amount func(uint64, float64) float64) []branch {
	list := []branch{{Name: first, Kind: branchGood}}
	for _, f := range flows {
		b := branch{
			Name: reasonWord(f.Outcome), Kind: branchAside, Count: amount(f.Count, f.PerSecond),
			Link: relative(f.Link), Meaning: f.Meaning,
		}
		switch {
		case f.Outcome == first:
			list[0] = b
			list[0].Kind = branchGood
			continue
		case f.Lost:
			b.Kind = lossKind(f.Severity)
		}
		list = append(list, b)
	}
	return list
}

// presentOf returns the values of a graph's lines now, by their names.
func presentOf(graph string, s *overview.Status) map[string]float64 {
	values := map[string]float64{}
	switch graph {
	case "samples":
		for _, f := range s.Ledger.Samples {
			values[f.Outcome] = f.PerSecond
		}
	case "envelopes":
		for i := range s.Sources {
			values[s.Sources[i].Name] = s.Sources[i].EnvelopesPerSecond
		}
	case "series":
		values["series"] = float64(s.Series.Series)
	case "memory":
		values["resident"], values["heap"] = float64(s.Memory.ResidentBytes), float64(s.Memory.HeapBytes)
	}
	return values
}

// graphsOf makes the small graphs of the last hour. They end with what the rest of the page shows.
func graphsOf(h *overview.History, s *overview.Status) (out []*graph) {
	if len(h.Times) == 0 {
		return nil
	}
	ago := span(s.Time.Sub(time.Unix(h.Times[0], 0)).Truncate(time.Second))
	for _, g := range h.Graphs {
		base := 1000.0
		if g.Unit == "bytes" {
			base = 1024
		}
		add := func(title string, lines []line) {
			if len(lines) > 0 {
				out = append(out, newGraph(title, ago, writer(g.Unit), base, lines...))
			}
		}
		var lines []line
		now := presentOf(g.ID, s)
		for _, l := range g.Lines {
			value, known := now[l.Name]
			if !known {
				value = math.NaN()
			}
			lines = append(lines, lineOf(l, value))
		}
		switch g.ID {
		case "samples":
			stored, others := byOutcome(lines)
			add("Samples stored", stored)
			add("Samples not stored", others)
		case "envelopes":
			add(g.Title, sum("received", lines))
		default:
			add(g.Title, lines)
		}
	}
	return out
}

// lineOf makes a line that ends with a value.
func lineOf(l overview.Line, last float64) line {
	out := line{Name: reasonWord(l.Name), Values: make([]float64, len(l.Values), len(l.Values)+1)}
	for i, v := range l.Values {
		out.Values[i] = float64(v)
	}
	out.Values = append(out.Values, last)
	return out
}

// outcomeKinds are the looks of the lines of outcomes.
var outcomeKinds = map[string]string{
	"conflict": branchLoss, "over limit": "d", "invalid": "e", "outdated": "b", "duplicate": "c", "filtered": branchAside,
	"dropped": "a",
}

// byOutcome makes a line of the samples that were stored, and of the others one of all and one of each outcome that
// there was in the hour.
func byOutcome(lines []line) (stored, others []line) {
	all := line{Name: "all"}
	for _, l := range lines {
		if l.Name == "stored" {
			stored = []line{l}
			continue
		}
		all.Values = addUp(all.Values, l.Values)
		if highest(l.Values) > 0 {
			l.Kind = outcomeKinds[l.Name]
			others = append(others, l)
		}
	}
	if all.Values != nil {
		others = append([]line{all}, others...)
	}
	return stored, others
}

// sum makes one line of several.
func sum(name string, lines []line) []line {
	all := line{Name: name}
	for _, l := range lines {
		all.Values = addUp(all.Values, l.Values)
	}
	if all.Values == nil {
		return nil
	}
	return []line{all}
}

func highest(values []float64) (top float64) {
	for _, v := range values {
		if !math.IsNaN(v) {
			top = max(top, v)
		}
	}
	return top
}

func addUp(sum, values []float64) []float64 {
	if sum == nil {
		sum = make([]float64, len(values))
	}
	for i := range min(len(sum), len(values)) {
		sum[i] += values[i]
	}
	return sum
}

// writer writes values of a unit.
func writer(unit string) func(float64) string {
	switch unit {
	case "bytes":
		return size
	case "seconds":
		return seconds
	case "samples/s", "envelopes/s":
		return rate
	default:
		return count
	}
}
