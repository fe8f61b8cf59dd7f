package diff

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
)

// maxShapes bounds the lines of a group in a text.
const maxShapes = 12

// WriteText writes a report for people.
func (r *Report) WriteText(w io.Writer) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s, %s before, %s after\n", number(r.Names, "name"), number(r.SeriesBefore, "series"),
		number(r.SeriesAfter, "series"))
	if r.Truncated {
		fmt.Fprintf(b, "there are more names: only the first %d were compared\n", r.Names)
	}
	if len(r.Groups) == 0 {
		b.WriteString("nothing changes\n")
	}
	for i := range r.Groups {
		r.Groups[i].writeText(b)
	}
	if r.Queries != nil {
		writeQueries(b, r.Queries)
	}
	_, err := io.WriteString(w, metric.Printable(b.String())) // apps choose names, and a terminal obeys control characters
	return err
}

// number writes a number with its noun.
func number(n int, noun string) string {
	switch {
	case n == 1, noun == "series":
	case strings.HasSuffix(noun, "y"):
		noun = strings.TrimSuffix(noun, "y") + "ies"
	default:
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

func (g *Group) writeText(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s\n  %s of %s: ", g.Cause.String(), number(g.Series, "series"), number(g.Names, "name"))
	for i, k := range g.Kinds {
		fmt.Fprintf(b, "%s%d %s", choose(i > 0, ", ", ""), k.Series, words[k.Kind])
	}
	b.WriteString("\n")
	shapes := shapesOf(g.Changes)
	for i := range shapes {
		if i == maxShapes {
			fmt.Fprintf(b, "    ... and %d more like these; -o json lists all\n", len(shapes)-i)
			break
		}
		shapes[i].writeText(b)
	}
	if g.Omitted > 0 {
		fmt.Fprintf(b, "    ... and %d more\n", g.Omitted)
	}
}

// String says in a line what did a change.
func (c *Cause) String() string {
	var parts []string
	switch was, is := c.RuleBefore, c.RuleAfter; {
	case !c.ByRule:
	case was == nil && is == nil:
		parts = append(parts, "other rules")
	case was == nil:
		parts = append(parts, is.String()+", where no rule matched")
	case is == nil:
		parts = append(parts, "no rule instead of "+was.String())
	case was.ID == is.ID:
		parts = append(parts, is.String()+", changed")
	default:
		parts = append(parts, is.String()+" instead of "+was.String())
	}
	for _, s := range c.Settings {
		parts = append(parts, fmt.Sprintf("%s: %s instead of %s", s.Key, cmp.Or(s.After, "none"), cmp.Or(s.Before, "none")))
	}
	if len(parts) == 0 {
		return "other names"
	}
	return strings.Join(parts, "; ")
}

// String names a rule and its place.
func (r *Rule) String() string {
	if r.Place == "" {
		return "rule " + r.ID
	}
	return fmt.Sprintf("rule %s (%s)", r.ID, r.Place)
}

// shape is what several changes have in common, with the first of them as an example.
type shape struct {
	text    string
	series  int
	example *Change
}

// shapesOf groups changes that read alike, most series first.
func shapesOf(changes []Change) []shape {
	var shapes []shape
	at := map[string]int{}
	for i := range changes {
		text := changes[i].text()
		k, known := at[text]
		if !known {
			k = len(shapes)
			at[text] = k
			shapes = append(shapes, shape{text: text, example: &changes[i]})
		}
		shapes[k].series += changes[i].Series
	}
	slices.SortStableFunc(shapes, func(a, b shape) int { return cmp.Compare(b.series, a.series) })
	return shapes
}

// text says what changes, without the values of labels.
func (c *Change) text() string {
	var parts []string
	switch {
	case c.Before == nil && c.After == nil:
		return "" // there is no such change
	case c.Before == nil:
		parts = append(parts, c.After.Metric+", before none: "+c.ReasonBefore)
	case c.After == nil:
		parts = append(parts, c.Before.Metric+" -> none: "+c.ReasonAfter)
	case c.Before.Metric != c.After.Metric:
		parts = append(parts, c.Before.Metric+" -> "+c.After.Metric)
	default:
		parts = append(parts, c.After.Metric)
	}
	for _, l := range c.Labels {
		sign := "~"
		switch {
		case l.Before == "":
			sign = "+"
		case l.After == "":
			sign = "-"
		}
		parts = append(parts, sign+l.Name)
	}
	for _, k := range c.Kinds {
		parts = append(parts, c.detail(k)...)
	}
	return strings.Join(parts, "  ")
}

// detail says of some kinds of changes what metric and labels do not show.
func (c *Change) detail(k Kind) []string {
	switch k {
	case TypeChanged:
		return []string{c.Before.Type + " -> " + c.After.Type}
	case UnitChanged:
		return []string{c.Before.unit() + " -> " + c.After.unit()}
	case Buckets, Merged, Split:
		return []string{words[k]}
	default:
		return nil
	}
}

// unit says in which unit values are, and what those that are sent are multiplied by.
func (s *Series) unit() string {
	unit := cmp.Or(s.Unit, "no unit")
	if s.Factor != 0 {
		unit += " (times " + strconv.FormatFloat(s.Factor, 'g', 6, 64) + ")"
	}
	return unit
}

func (s *shape) writeText(b *strings.Builder) {
	fmt.Fprintf(b, "  %6d  %s\n", s.series, s.text)
	line := func(format string, args ...any) { fmt.Fprintf(b, "          "+format+"\n", args...) }
	c := s.example
	labels := make([]string, len(c.Labels))
	for i := range c.Labels {
		labels[i] = c.Labels[i].String()
	}
	line("%s%s%s", c.Name.String(), choose(len(labels) > 0, ": ", ""), strings.Join(labels, ", "))
	if slices.Contains(c.Kinds, HelpChanged) {
		line("HELP %q -> %q", c.Before.Help, c.After.Help)
	}
	if len(c.With) > 0 {
		names := make([]string, len(c.With))
		for i := range c.With {
			names[i] = c.With[i].String()
		}
		was := slices.Contains(c.Kinds, Split) || slices.Contains(c.Kinds, Accepted)
		line("%s one series with %s: the first to come owns it", choose(was, "had", "has"), strings.Join(names, ", "))
	}
}

// String names a metric as it was sent: what tells it from others of its name is left out.
func (n *NameOf) String() string {
	if n.Origin == "" {
		return n.RawName
	}
	return n.Origin + " " + n.RawName
}

// String shows a label with its old and new value.
func (l *LabelChange) String() string {
	switch {
	case l.Before == "":
		return fmt.Sprintf("+%s=%q", l.Name, l.After)
	case l.After == "":
		return fmt.Sprintf("-%s=%q", l.Name, l.Before)
	default:
		return fmt.Sprintf("%s=%q -> %q", l.Name, l.Before, l.After)
	}
}
