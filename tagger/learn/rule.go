package learn

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Rule is a proposed rule.
type Rule struct {
	ID string `json:"id"`
	// Prefix or Pattern is what the rule matches.
	Prefix  string `json:"prefix,omitempty"`
	Pattern string `json:"pattern,omitempty"`
	// Components are those that the rule is limited to; none if it is for all.
	Components []string `json:"components,omitempty"`
	Name       string   `json:"name,omitempty"`
	Continue   string   `json:"continue,omitempty"`
	// Tags are those that the rule sets beside its captures.
	Tags map[string]string `json:"tags,omitempty"`
	// Doubtful rules stand in the file as comments.
	Doubtful bool `json:"doubtful"`
	// Names is the number of names that the rule takes, Values that of the values of its last dimension. The names become
	// one metric for each of their Metrics base names, of which BaseNames has the first ones.
	Names     int       `json:"names"`
	Values    int       `json:"values"`
	Metrics   int       `json:"metrics"`
	BaseNames []string  `json:"base_names"`
	Examples  []Example `json:"examples"`
	For       []string  `json:"for"`
	Against   []string  `json:"against"`

	// match is Pattern and name is Name, with the capture `leaf` for what stands behind the last dimension: one of
	// leaves or, if the rule is open, any segment.
	match, name string
	leaves      []string
	open        bool
	group       *group
	members     []int32
	isPrefix    bool
	parts       []*Rule         // those that were joined in this one
	order       [3]int          // smaller ones come first
	of          []string        // components of the members, for the condition
	bases       map[string]bool // base names that are left
	taken       int             // names that it takes
}

// startsWithComponent says whether the name that the rule leaves starts with the component and something behind it.
func (r *Rule) startsWithComponent() bool {
	if len(r.of) != 1 || r.of[0] == "" {
		return false
	}
	rest, starts := strings.CutPrefix(r.name, r.of[0])
	return starts && rest != "" && strings.IndexByte("-_", rest[0]) >= 0
}

// write sets pattern, name and tags.
func (r *Rule) write(segments *table, p pattern, separator string, leaves []string) {
	p.swapLabels()
	var match, name, id strings.Builder
	for k, t := range p.tokens {
		if t.segment == nil {
			match.WriteString(escapePattern(t.separator) + r.capture(t, p, k))
			id.WriteString(t.separator + t.label)
			continue
		}
		match.WriteString(escapePattern(t.segment.text))
		id.WriteString(t.segment.text)
		r.order[1]--
		if t.segment.typ != "" {
			r.doubt("what is left holds %s, which may be an id", t.segment.value)
		}
		switch {
		case p.fixed != nil:
			r.Tags = map[string]string{p.fixed.Name: p.fixed.Value}
		case k == 0 && segments.startsPath(&p):
			r.Tags = map[string]string{"component": t.segment.value}
		default:
			name.WriteString(t.segment.text)
		}
	}
	base := name.String()
	if len(r.Tags) > 0 || p.tokens[0].segment == nil {
		base = strings.TrimLeft(base, "./:")
	}
	if base = escapeTemplate(base); base != "" {
		base += separator
	}
	r.ID = "learned/" + strings.TrimLeft(id.String(), "/")
	r.match, r.name = match.String()+escapePattern(separator), base
	if separator != "" {
		r.leaves = leaves
		r.match += "{leaf}"
		r.name += "{leaf}"
	}
	// Behind a dimension that a word stands before, any leaf is a measurement of it, as far as was seen.
	r.open = p.captures && p.tokens[0].segment != nil && p.last().typ != typRest && separator != "" &&
		!slices.ContainsFunc(leaves, func(l string) bool { return strings.Contains(l, separator) })
	if p.tokens[0].segment == nil {
		r.order[0]++
	}
}

// startsPath says whether the pattern is of paths that start with a component. Their rule sets it as a tag.
func (t *table) startsPath(p *pattern) bool {
	first := p.tokens[0].segment
	return first != nil && len(p.tokens) > 1 && first.separator() == "/" && t.isComponent(first.value)
}

// capture writes a capture of the pattern.
func (r *Rule) capture(t token, p pattern, at int) string {
	r.order[2]++
	if t.byWord {
		r.Against = append(r.Against, t.label+" is only the word before the values: give it a better name if there is one")
	}
	if t.unnamed {
		r.Against = append(r.Against, "nothing tells what "+t.label+" is: give it a name")
	}
	text := "{" + t.label + captureType(t, p, at) + "}"
	switch t.typ {
	case typRest:
		r.order[0]++
	case typIndexed:
		r.order[1]--
		text += "-{" + strings.TrimSuffix(t.label, "_component") + "_index:int}"
	}
	return text
}

// captureType is how a pattern writes the type of a capture.
func captureType(t token, p pattern, at int) string {
	switch t.typ {
	case typRest:
		return "..."
	case "", typIndexed:
		slashes := t.separator == "/"
		if at == 0 { // the separator behind it tells
			slashes = len(p.tokens) > 1 && p.tokens[1].text() == "/"
		}
		if slashes {
			return ":path"
		}
		return ""
	default:
		return ":" + t.typ
	}
}

// text is the separator before a token.
func (t *token) text() string {
	if t.segment != nil {
		return t.segment.separator()
	}
	return t.separator
}

var patternEscapes = strings.NewReplacer(`\`, `\\`, "{", `\{`, "}", `\}`, "(", `\(`, ")", `\)`, "|", `\|`,
	"*", `\*`, "?", `\?`)

func escapePattern(s string) string { return patternEscapes.Replace(s) }

var templateEscapes = strings.NewReplacer("{", "{{", "}", "}}")

func escapeTemplate(s string) string { return templateEscapes.Replace(s) }

// matches is the pattern of the rule, with its leaves in it unless they are a type that the file declares.
func (r *Rule) matches(typ string) string {
	if len(r.leaves) == 0 {
		return r.match
	}
	if r.open {
		return strings.Replace(r.match, "/{leaf}", "/{leaf:path}", 1)
	}
	if len(r.leaves) == 1 {
		return strings.Replace(r.match, "{leaf}", escapePattern(r.leaves[0]), 1)
	}
	if typ == "" {
		escaped := make([]string, len(r.leaves))
		for i, l := range r.leaves {
			escaped[i] = escapePattern(l)
		}
		typ = strings.Join(escaped, "|")
	}
	return strings.Replace(r.match, "{leaf}", "{leaf:"+typ+"}", 1)
}

// baseName is the template of the base name.
func (r *Rule) baseName() string {
	if len(r.leaves) == 1 && !r.open {
		return strings.Replace(r.name, "{leaf}", escapeTemplate(r.leaves[0]), 1)
	}
	return r.name
}

// makeIDsUnique adds numbers to ids that several rules have.
func makeIDsUnique(rules []*Rule) {
	seen := make(map[string]bool)
	for _, r := range rules {
		base := r.ID
		for n := 2; seen[r.ID]; n++ {
			r.ID = base + "-" + strconv.Itoa(n)
		}
		seen[r.ID] = true
	}
}

// doubt comments the rule out.
func (r *Rule) doubt(format string, args ...any) {
	r.Doubtful = true
	r.Against = append(r.Against, fmt.Sprintf(format, args...))
}
