package learn

import (
	"cmp"
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

// groupSet puts names into groups, and makes rules of these.
type groupSet struct {
	names *nameSet
	byKey map[string]*group
}

// groupTail is what stands behind the last capture of some names of a group.
type groupTail struct {
	depth   int
	id      bool // it holds one
	members []int32
	several bool // names with different values have it
}

// take puts a name into the group of a pattern; rest is what stands behind its last capture.
func (s *groupSet) take(at int32, p pattern, rest []uint32) {
	e := &s.names.entries[at]
	if e.group != nil && (!e.group.p.doubt || p.doubt) {
		return
	}
	key := p.key()
	g := s.byKey[key]
	if g == nil {
		g = &group{p: p, tails: make(map[string]*groupTail)}
		if p.captures {
			g.p.tokens = p.tokens[:p.segments]
		}
		s.byKey[key] = g
	}
	var text strings.Builder
	for _, id := range rest {
		text.WriteString(s.names.segment(id).text)
	}
	t := g.tails[text.String()]
	if t == nil {
		t = &groupTail{depth: len(rest)}
		t.id = slices.ContainsFunc(rest, func(id uint32) bool { return s.names.segment(id).typ != "" })
		g.tails[text.String()] = t
	}
	if n := len(t.members); n > 0 && !t.several {
		before := s.names.entries[t.members[0]].segments
		t.several = len(before) != len(e.segments) || !slices.Equal(before[:len(before)-len(rest)],
			e.segments[:len(e.segments)-len(rest)])
	}
	t.members = append(t.members, at)
	e.group = g
}

// takeFixed puts a name that starts with a word for which rules set a fixed tag into the group of that word. It reports
// whether it did.
func (s *groupSet) takeFixed(at int32) bool {
	e := &s.names.entries[at]
	if len(e.segments) != 2 {
		return false
	}
	word := s.names.segment(e.segments[0]).value
	tag, fixed := s.names.vocabulary.Fixed[word]
	if fixed {
		p := pattern{}.literal(s.names.segment(e.segments[0]))
		p.fixed = &tag
		p.yes = []string{"known rules remove " + word + ", and set " + tag.Name + " to " + tag.Value}
		s.take(at, p, e.segments[1:])
	}
	return fixed
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
// word that rules have a label for. Rules of paths that start with a component set it, and are not joined.
func (s *groupSet) join(g *group, joined map[string][]*group) bool {
	n := len(g.p.tokens)
	if n < 2 || g.p.doubt || len(g.tails) != 1 || g.tails[""] == nil || s.names.startsPath(&g.p) {
		return false
	}
	last, word := &g.p.tokens[n-1], g.p.tokens[n-2].segment
	if last.typ != "" && last.typ != typRest || word == nil || word.typ != "" ||
		s.names.vocabulary.Labels[word.value] == "" || slices.ContainsFunc(g.p.tokens[:n-1], token.isCapture) {
		return false
	}
	before := g.p
	before.tokens, before.captures = g.p.tokens[:n-2], false
	key := before.key() + "\x00" + word.separator() + last.separator +
		s.names.vocabulary.Labels[word.value] + "\x00" + last.typ
	joined[key] = append(joined[key], g)
	return true
}

func (t token) isCapture() bool { return t.segment == nil }

// joinedRule makes one rule of groups that differ in the word before their capture only.
func (s *groupSet) joinedRule(groups []*group) *Rule {
	if len(groups) == 1 {
		r := s.rule(groups[0], "")
		groups[0].rules = []*Rule{r}
		return r
	}
	p := groups[0].p
	n := len(p.tokens)
	last, word := p.tokens[n-1], p.tokens[n-2].segment
	r := &Rule{group: groups[0]}
	for _, g := range groups {
		part := s.rule(g, "") // there is one, since the word is left of the names
		r.parts = append(r.parts, part)
		if l := g.p.tokens[n-1]; last.unnamed && !l.unnamed {
			last = l
		}
		leaf := g.p.tokens[n-2].segment.value
		r.leaves = append(r.leaves, leaf)
		r.For = append(r.For, "behind "+leaf+" "+strings.Join(g.p.yes, "; "))
		r.members = append(r.members, g.tails[""].members...)
		g.rules = []*Rule{r, part}
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

// rules makes rules of the groups.
func (s *groupSet) rules() []*Rule {
	var all []*Rule
	joined := make(map[string][]*group)
	for _, key := range slices.Sorted(maps.Keys(s.byKey)) {
		g := s.byKey[key]
		g.dropLonelyTails()
		if s.join(g, joined) {
			continue
		}
		for _, separator := range []string{"", ".", "/", ":"} {
			if r := s.rule(g, separator); r != nil {
				g.rules = append(g.rules, r)
				all = append(all, r)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(joined)) {
		all = append(all, s.joinedRule(joined[key]))
	}
	slices.SortStableFunc(all, func(a, b *Rule) int {
		for i := range a.order {
			if c := cmp.Compare(a.order[i], b.order[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.match, b.match)
	})
	return all
}

// rule makes a rule of the names of a group whose ends start with a separator; nil if there is none.
func (s *groupSet) rule(g *group, separator string) *Rule {
	var leaves []string
	r := &Rule{group: g, Doubtful: g.p.doubt, For: g.p.yes, Against: g.p.no}
	for _, text := range slices.Sorted(maps.Keys(g.tails)) {
		if text[:min(1, len(text))] != separator {
			continue
		}
		leaves = append(leaves, text[len(separator):])
		r.members = append(r.members, g.tails[text].members...)
	}
	if len(leaves) == 0 {
		return nil
	}
	slices.Sort(r.members)
	r.write(&s.names.table, g.p, separator, leaves)
	if r.name == "" {
		return nil
	}
	s.count(r, g.p)
	if r.startsWithComponent() {
		r.doubt("what is left starts with the component, and may be made of two parts")
	}
	return r
}

// count counts names, components and values of a rule. One with too few values is doubtful.
func (s *groupSet) count(r *Rule, p pattern) {
	r.Names = len(r.members)
	of := make(map[string]bool)
	for _, i := range r.members {
		of[s.names.entries[i].component] = true
	}
	r.of = slices.Sorted(maps.Keys(of))
	for k, t := range p.tokens {
		if t.segment != nil {
			continue
		}
		values := make(map[uint64]bool)
		for _, i := range r.members {
			e := &s.names.entries[i]
			value := e.segments[k : k+1]
			if t.typ == typRest {
				value = e.segments[k:]
			}
			values[s.names.hash("", value)] = true
		}
		r.Values = len(values)
		if len(values) < minValues && t.typ != "guid" && t.typ != "ip" {
			r.doubt("%s of %s seen, fewer than %d", count(len(values), "value"), t.label, minValues)
		}
	}
	if p.fixed != nil && len(r.leaves) < minValues {
		r.doubt("%s behind the word seen, fewer than %d", count(max(1, len(r.leaves)), "name"), minValues)
	}
}
