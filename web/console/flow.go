package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"loggregator_exporter/web/overview"
)

// Sizes of the drawing of the ledger, in units of its view box.
const (
	flowWidth = 1180
	flowTop   = 56  // above the bars
	flowTrunk = 190 // height of the largest stage
	flowGap   = 16  // below the trunk
	flowSlot  = 42  // height that the label of a branch takes
	flowPost  = 8   // width of a bar
	flowLeast = 1.5 // height of what is there, however little
	flowText  = 10  // between a bar and its label

	atSources   = 205
	atNowhere   = 320 // where what never came ends
	atReceived  = 400
	atConverted = 610
	atSamples   = 770
	atOutcomes  = 990
)

// Kinds of branches.
const (
	branchGood  = "good"  // goes on
	branchAside = "aside" // left out because settings or rules say so
	// What is lost looks as severe as the problem that it is; a few such samples are usual, and are none.
	branchSlight = "slight"
	branchWarn   = "warn"
	branchLoss   = "loss"
)

// lossKind is the kind of a branch that is lost.
func lossKind(severity overview.Severity) string {
	switch severity {
	case overview.Critical:
		return branchLoss
	case overview.Warning:
		return branchWarn
	default:
		return branchSlight
	}
}

// branch is what became of a part of what came.
type branch struct {
	Name, Kind string
	Count      float64
	Link       string // to what it consists of, or ""
	Meaning    string // a sentence, or ""
}

// ledger is what the drawing shows. The first of Envelopes are those whose samples follow, the first of Samples are
// stored.
type ledger struct {
	Sources   []branch
	Upstream  []branch // lost before they came
	Envelopes []branch
	Samples   []branch
	PerSecond bool
}

func total(branches []branch) (sum float64) {
	for _, b := range branches {
		sum += b.Count
	}
	return sum
}

// amount writes a count of the ledger.
func (l *ledger) amount(v float64) string {
	if l.PerSecond {
		return rate(v)
	}
	return count(v)
}

// drawing is a ledger with places.
type drawing struct {
	Width, Height float64
	Heads, Labels []*label
	Bands         []band
	Posts         []post
}

type post struct {
	X, Y, Height float64
	Kind         string
}

type band struct {
	Path, Kind, Title string
}

// label is two lines of text that start at X, or end there.
type label struct {
	X, Y             float64
	Name, Text, Kind string
	Link             string
	Ends             bool
}

// Below is where the second line stands.
func (l *label) Below() float64 { return l.Y + 15 }

// ledgerGroup is a stage of the ledger as a list.
type ledgerGroup struct {
	Name, Sum string
	Branches  []branchAmount
}

type branchAmount struct {
	branch

	Amount string
}

// Groups are the ledger as a list, which stands in for the drawing where there is no room for it.
func (l *ledger) Groups() []ledgerGroup {
	groups := []ledgerGroup{
		l.group("Received from", l.Sources), l.group("Envelopes", l.Envelopes), l.group("Their samples", l.Samples),
	}
	if len(present(l.Upstream)) > 0 {
		groups = append(groups, l.group("Lost by Loggregator before they came", l.Upstream))
	}
	return groups
}

func (l *ledger) group(name string, branches []branch) ledgerGroup {
	g := ledgerGroup{Name: name, Sum: l.amount(total(branches))}
	for _, b := range present(branches) {
		g.Branches = append(g.Branches, branchAmount{b, l.amount(b.Count)})
	}
	return g
}

// draw lays the ledger out from left to right: the sources, what was received, what was made of the envelopes, their
// samples, what was made of those. All heights have one scale. What does not go on leaves the trunk downwards. It
// returns nil if nothing came.
func (l *ledger) draw() *drawing {
	received, samples := total(l.Envelopes), total(l.Samples)
	largest := max(received, samples, total(l.Sources)) + total(l.Upstream)
	if largest <= 0 {
		return nil
	}
	d := drawing{Width: flowWidth}
	scale := flowTrunk / largest
	d.Heads = []*label{
		{X: atReceived, Y: 18, Name: "Received", Text: l.amount(received) + " envelopes"},
		{X: atConverted, Y: 18, Name: "Converted", Text: l.amount(l.Envelopes[0].Count) + " envelopes"},
		{X: atSamples, Y: 18, Name: "Samples in them", Text: l.amount(samples)},
		{X: atOutcomes, Y: 18, Name: "Stored", Text: l.amount(l.Samples[0].Count) + " samples"},
	}
	trunk := d.post(atReceived, flowTop, received*scale, branchGood)
	d.Height = max(d.Height, d.upstream(l, d.join(l, trunk, scale), scale))
	converted := d.split(l, l.Envelopes, trunk, atConverted, scale)
	held := d.post(atSamples, flowTop, samples*scale, branchGood)
	d.band(converted, held, branchGood, "samples of the converted envelopes")
	d.split(l, l.Samples, held, atOutcomes, scale)
	return &d
}

// post adds a bar. What is there can be seen, however little it is.
func (d *drawing) post(x, y, height float64, kind string) post {
	if height > 0 {
		height = max(height, flowLeast)
	}
	p := post{X: x, Y: y, Height: height, Kind: kind}
	if height > 0 {
		d.Posts = append(d.Posts, p)
		d.Height = max(d.Height, y+height+flowGap)
	}
	return p
}

// band joins two bars by a curve.
func (d *drawing) band(from, to post, kind, title string) {
	if from.Height <= 0 || to.Height <= 0 {
		return
	}
	x0, x1 := from.X+flowPost, to.X
	mid := (x0 + x1) / 2
	path := fmt.Sprintf("M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1fV%.1fC%.1f %.1f %.1f %.1f %.1f %.1fZ",
		x0, from.Y, mid, from.Y, mid, to.Y, x1, to.Y,
		to.Y+to.Height, mid, to.Y+to.Height, mid, from.Y+from.Height, x0, from.Y+from.Height)
	d.Bands = append(d.Bands, band{path, kind, title})
}

// join draws the sources and their way into the trunk, and returns the lower end of the column.
func (d *drawing) join(l *ledger, trunk post, scale float64) float64 {
	y, at := float64(flowTop), trunk.Y
	sources := present(l.Sources)
	slices.SortStableFunc(sources, func(a, b branch) int { return cmp.Compare(b.Count, a.Count) })
	for _, b := range sources {
		from := d.post(atSources, y, b.Count*scale, branchGood)
		text := l.amount(b.Count)
		d.band(from, post{X: trunk.X, Y: at, Height: b.Count * scale}, branchGood, b.Name+": "+text)
		d.Labels = append(d.Labels, &label{
			X: atSources - flowText, Y: from.Y + 13, Name: b.Name, Text: text, Link: b.Link, Ends: true,
		})
		at += b.Count * scale
		y += max(from.Height+6, flowSlot)
	}
	return y
}

// upstream draws what never came, below the sources, and returns the lower end of the column.
func (d *drawing) upstream(l *ledger, y, scale float64) float64 {
	for _, b := range present(l.Upstream) {
		from := d.post(atSources, y, b.Count*scale, b.Kind)
		to := d.post(atNowhere, y, b.Count*scale, b.Kind)
		text := l.amount(b.Count) + " never came"
		d.band(from, to, b.Kind, b.Name+": "+text)
		d.Labels = append(d.Labels, &label{
			X: atSources - flowText, Y: from.Y + 5, Name: b.Name, Text: text, Link: b.Link, Kind: b.Kind, Ends: true,
		})
		y += max(from.Height+6, flowSlot)
	}
	return y
}

// split draws what became of a bar, the first part straight on, and returns the bar of that part.
func (d *drawing) split(l *ledger, parts []branch, from post, x, scale float64) post {
	whole, at := total(parts), from.Y
	var first post
	y := from.Y
	for i, b := range parts {
		if b.Count <= 0 {
			continue
		}
		height := b.Count * scale
		to := d.post(x, y, height, b.Kind)
		text := l.amount(b.Count) + ", " + share(b.Count, whole)
		start := post{X: from.X, Y: min(at, from.Y+from.Height-flowLeast), Height: max(height, flowLeast)}
		d.band(start, to, b.Kind, strings.TrimSpace(b.Name+": "+text+". "+b.Meaning))
		at += height
		if i == 0 {
			first, y = to, to.Y+to.Height+flowGap
			continue
		}
		d.Labels = append(d.Labels, &label{
			X: x + flowPost + flowText, Y: to.Y + 5, Name: b.Name, Text: text, Link: b.Link, Kind: b.Kind,
		})
		y += max(to.Height+6, flowSlot)
	}
	d.Height = max(d.Height, y)
	return first
}

func present(branches []branch) []branch {
	return slices.DeleteFunc(slices.Clone(branches), func(b branch) bool { return b.Count <= 0 })
}
