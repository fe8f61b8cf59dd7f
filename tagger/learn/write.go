package learn

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
)

// maxInline bounds the leaves that stand in a pattern; longer lists are types of the file.
const maxInline = 200

// WriteRules writes the rule file.
func (p *Proposal) WriteRules(w io.Writer) error {
	var b strings.Builder
	active := 0
	for _, r := range p.Rules {
		if !r.Doubtful {
			active++
		}
	}
	fmt.Fprintf(
		&b,
		"# Proposed by exporter learn: %s for %s of %d that no rule takes. Rules that stand here as comments have\n"+
			"# doubts: read them, and remove the comment signs where they are right.\n",
		count(active, "rule"),
		count(p.Learned, "name"),
		p.Names-p.Taken,
	)
	if p.LeftOut > 0 {
		fmt.Fprintf(&b, "# %s with doubts are left out.\n", count(p.LeftOut, "more rule"))
	}
	b.WriteString("version: 1\n")
	types := p.writeTypes(&b)
	b.WriteString("rules:\n") // even if all are comments: without their signs they are items of it
	for i, r := range p.Rules {
		b.WriteString("\n")
		r.writeComment(&b)
		r.writeRule(&b, types[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Trusting returns the proposal without doubts in its rules, to see what those would do that have some; nil where
// none has.
func (p *Proposal) Trusting() *Proposal {
	trusting := *p
	trusting.Rules = nil
	for _, r := range p.Rules {
		rule := *r
		if rule.Doubtful {
			trusting.Learned += rule.Names
		}
		rule.Doubtful = false
		trusting.Rules = append(trusting.Rules, &rule)
	}
	if trusting.Learned == p.Learned {
		return nil
	}
	trusting.Learned = min(trusting.Learned, p.Names-p.Taken)
	return &trusting
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// writeTypes declares the long lists of leaves. It returns the names of the types by rule.
func (p *Proposal) writeTypes(b *strings.Builder) []string {
	names := make([]string, len(p.Rules))
	n := 0
	for i, r := range p.Rules {
		if len(r.leaves) < 2 || r.open || len(strings.Join(r.leaves, "|")) <= maxInline || r.Doubtful {
			continue
		}
		if n++; n == 1 {
			b.WriteString("types:\n")
		}
		names[i] = "leaf_" + strconv.Itoa(n)
		fmt.Fprintf(b, "  %s:\n", names[i])
		for _, l := range r.leaves {
			fmt.Fprintf(b, "    - %s\n", strconv.Quote(l))
		}
	}
	return names
}

func (r *Rule) writeComment(b *strings.Builder) {
	line := func(format string, args ...any) { b.WriteString("  # " + fmt.Sprintf(format, args...) + "\n") }
	more := ""
	if r.Metrics > len(r.BaseNames) {
		more = ", ..."
	}
	switch {
	case r.isPrefix:
		line("%s with %s.", count(r.Names, "name"), count(r.Values, "value"))
	case r.Values == 0:
		line("%s, merged into %s: %s%s", count(r.Names, "name"), count(r.Metrics, "base name"),
			strings.Join(r.BaseNames, ", "), more)
	default:
		line("%s with %s, merged into %s: %s%s", count(r.Names, "name"), count(r.Values, "value"),
			count(r.Metrics, "base name"), strings.Join(r.BaseNames, ", "), more)
	}
	for _, x := range r.Examples {
		line("%s -> %s{%s}", strings.TrimSpace(x.Origin+" "+x.RawName), x.Base, labelText(x.tags))
	}
	for _, text := range r.For {
		line("for: %s", text)
	}
	for _, text := range r.Against {
		line("against: %s", text)
	}
}

func labelText(labels []metric.Label) string {
	items := make([]string, len(labels))
	for i, l := range labels {
		items[i] = l.Name + "=" + strconv.Quote(l.Value)
	}
	return strings.Join(items, ", ")
}

func (r *Rule) writeRule(b *strings.Builder, typ string) {
	sign := ""
	if r.Doubtful {
		sign = "# "
	}
	line := func(format string, args ...any) { b.WriteString("  " + sign + fmt.Sprintf(format, args...) + "\n") }
	line("- id: %s", strconv.Quote(r.ID))
	if r.Prefix != "" {
		line("  prefix: %s", strconv.Quote(r.Prefix))
	} else {
		line("  pattern: %s", strconv.Quote(r.matches(typ)))
	}
	if len(r.Components) > 0 {
		quoted := make([]string, len(r.Components))
		for i, c := range r.Components {
			quoted[i] = strconv.Quote(c)
		}
		line("  when: {component: [%s]}", strings.Join(quoted, ", "))
	}
	if r.Continue != "" {
		line("  continue: %s", strconv.Quote(r.Continue))
	}
	if r.name != "" {
		line("  name: %s", strconv.Quote(r.baseName()))
	}
	if len(r.Tags) > 0 {
		var items []string
		for _, name := range slices.Sorted(maps.Keys(r.Tags)) {
			items = append(items, name+": "+strconv.Quote(r.Tags[name]))
		}
		line("  tags: {%s}", strings.Join(items, ", "))
	}
}

// WriteTests writes unit tests of the rules. rulesFiles are the files under test, the proposed one first.
func (p *Proposal) WriteTests(w io.Writer, rulesFiles []string) error {
	var b strings.Builder
	quoted := make([]string, len(rulesFiles))
	for i, f := range rulesFiles {
		quoted[i] = strconv.Quote(f)
	}
	fmt.Fprintf(
		&b,
		"# Unit tests of proposed rules, for exporter test.\nrules_files: [%s]\ncatalogue: %t\nquarantine: %t\ntests:\n",
		strings.Join(quoted, ", "),
		p.options.Rules.Catalogue != nil,
		p.options.Rules.Quarantine,
	)
	for _, r := range p.Rules {
		if r.Doubtful {
			continue
		}
		for _, x := range r.Examples {
			x.writeTest(&b)
		}
	}
	if len(p.kept) > 0 {
		b.WriteString("  # Names that the proposed rules leave alone.\n")
	}
	for _, x := range p.kept {
		x.writeTest(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (x *Example) writeTest(b *strings.Builder) {
	fmt.Fprintf(b, "  - given: {name: %s, kind: %s", strconv.Quote(x.RawName), x.Kind)
	if x.Origin != "" {
		fmt.Fprintf(b, ", origin: %s", strconv.Quote(x.Origin))
	}
	if x.Unit != "" {
		fmt.Fprintf(b, ", unit: %s", strconv.Quote(x.Unit))
	}
	items := make([]string, len(x.tags))
	for i, t := range x.tags {
		items[i] = t.Name + ": " + strconv.Quote(t.Value)
	}
	fmt.Fprintf(b, "}\n    expect: {base: %s, tags: {%s}, rule: %s}\n", strconv.Quote(x.Base), strings.Join(items, ", "),
		strconv.Quote(x.Rule))
}
