package learn

import (
	"maps"
	"slices"
	"strings"
)

// group holds the names of one rule.
type group struct {
	p     pattern
	tails map[string]*groupTail
	rules []*Rule
}

func (g *group) doubt() bool { return g.p.doubt }

// groupTail is what stands behind the last capture of some names of a group.
type groupTail struct {
	depth   int
	id      bool // it holds one
	members []int32
	several bool // names with different values have it
}

// take puts a name into the group of a pattern; rest is what stands behind its last capture.
func (s *solver) take(at int32, p pattern, rest []uint32) {
	e := &s.entries[at]
	if e.group != nil && (!e.group.doubt() || p.doubt) {
		return
	}
	key := p.key()
	if p.captures && p.tokens[0].segment == nil && p.tokens[0].typ == "" {
		// Without a word before it, a rule is for one component, and for what that has in common.
		key += "\x00" + s.scope + "\x00" + p.tokens[0].first
	}
	if p.doubt {
		key += "\x00doubt"
	}
	g := s.groups[key]
	if g == nil {
		g = &group{p: p, tails: make(map[string]*groupTail)}
		if p.captures {
			g.p.tokens = p.tokens[:p.segments]
		}
		s.groups[key] = g
	}
	var text strings.Builder
	for _, id := range rest {
		text.WriteString(s.segment(id).text)
	}
	t := g.tails[text.String()]
	if t == nil {
		t = &groupTail{depth: len(rest)}
		t.id = slices.ContainsFunc(rest, func(id uint32) bool { return s.segment(id).typ != "" })
		g.tails[text.String()] = t
	}
	if n := len(t.members); n > 0 && !t.several {
		before := s.entries[t.members[0]].segments
		t.several = len(before) != len(e.segments) || !slices.Equal(before[:len(before)-len(rest)],
			e.segments[:len(e.segments)-len(rest)])
	}
	t.members = append(t.members, at)
	e.group = g
}

// dropLonelyTails leaves out names whose end only one value has, unless it looks like the ends that several have: what
// stands there may hold another dimension.
func (g *group) dropLonelyTails() {
	maps.DeleteFunc(g.tails, func(_ string, t *groupTail) bool { return t.id })
	depths := make(map[int]bool)
	for _, t := range g.tails {
		if t.several {
			depths[t.depth] = true
		}
	}
	if len(depths) == 0 {
		return
	}
	maps.DeleteFunc(g.tails, func(_ string, t *groupTail) bool { return !t.several && !depths[t.depth] })
}

// join puts a group aside if its rule may be one with those of others: what stands before the capture at its end is a
// word that rules have a label for.
func (s *solver) join(g *group, joined map[string][]*group) bool {
	n := len(g.p.tokens)
	if n < 2 || g.p.doubt || len(g.tails) != 1 || g.tails[""] == nil {
		return false
	}
	last, word := &g.p.tokens[n-1], g.p.tokens[n-2].segment
	if last.typ != "" && last.typ != typRest || word == nil || word.typ != "" ||
		s.table.vocabulary.Labels[word.value] == "" || slices.ContainsFunc(g.p.tokens[:n-1], token.isCapture) {
		return false
	}
	before := g.p
	before.tokens, before.captures = g.p.tokens[:n-2], false
	key := before.key() + "\x00" + word.separator() + last.separator +
		s.table.vocabulary.Labels[word.value] + "\x00" + last.typ
	joined[key] = append(joined[key], g)
	return true
}

func (t token) isCapture() bool { return t.segment == nil }

// joinedRule makes one rule of groups that differ in the word before their capture only.
func (s *solver) joinedRule(groups []*group) *Rule {
	if len(groups) == 1 {
		r := s.rule(groups[0], "")
		if r != nil {
			groups[0].rules = []*Rule{r}
		}
		return r
	}
	p := groups[0].p
	n := len(p.tokens)
	last, word := p.tokens[n-1], p.tokens[n-2].segment
	r := &Rule{group: groups[0]}
	for _, g := range groups {
		if part := s.rule(g, ""); part != nil {
			r.parts = append(r.parts, part)
		}
		if l := g.p.tokens[n-1]; last.unnamed && !l.unnamed {
			last = l
		}
		leaf := g.p.tokens[n-2].segment.value
		r.leaves = append(r.leaves, leaf)
		r.For = append(r.For, "behind "+leaf+" "+strings.Join(g.p.yes, "; "))
		r.members = append(r.members, g.tails[""].members...)
		g.rules = append([]*Rule{r}, r.parts[len(r.parts)-1])
	}
	slices.Sort(r.members)
	var before strings.Builder
	for _, t := range p.tokens[:n-2] {
		before.WriteString(t.segment.text)
	}
	name := before.String() + word.separator()
	if last.unnamed {
		r.Against = append(r.Against, "nothing tells what "+last.label+" is: give it a name")
	}
	capture := "{" + last.label + captureType(last, p, n-1) + "}"
	r.match = escapePattern(name) + "{leaf}" + escapePattern(last.separator) + capture
	r.name = escapeTemplate(name) + "{leaf}"
	rests := 0
	if last.typ == typRest {
		rests = 1
	}
	r.order = [3]int{rests, 1 - n, 1}
	r.ID = "learned/" + strings.TrimLeft(name, "/") + word.value + last.separator + last.label
	s.count(r, p)
	return r
}
