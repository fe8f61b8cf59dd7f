package learn

import (
	"fmt"
	"slices"
	"strings"

	"loggregator_exporter/tagger"
)

// minValues is how many values of a variable part must have been seen, unless the part is an id by itself.
const minValues = 3

// maxPrefixes bounds the prefixes that are taken off one name: an instance, the origin, a path, and one of them again.
const maxPrefixes = 4

// prefixes finds out which names start with a component or an instance of it, and takes that off.
type prefixes struct {
	vocabulary *tagger.Vocabulary
	instance   [len(instanceShapes)]prefixUse
	origin     prefixUse // the component of the origin and a dot
	path       prefixUse // a slash, the component of the origin and a slash
	components map[string]bool
}

// prefixUse says where a kind of prefix was seen.
type prefixUse struct {
	accepted bool
	values   map[string]int32 // the texts of the prefix, and an entry of each
	names    int
}

func (u *prefixUse) add(value string, at int) {
	if u.values == nil {
		u.values = make(map[string]int32)
	}
	if _, known := u.values[value]; !known {
		u.values[value] = int32(at)
	}
	u.names++
}

// instanceShapes are the ways in which BOSH jobs and their indices stand before names, and the prefix rule of each.
var instanceShapes = [...]struct{ id, prefix string }{
	{"job_zone_index", "{component}_{zone:zone}(__|_|/){index:int}"},
	{"job__index", "{component}__{index:int}"},
	{"job-zone-index", "{component}/{zone:zone}/{index:int}"},
	{"job-index", "{component}/{index:int}"},
	{"job-id", "{component}/{index:guid}"},
}

// instanceOf takes a text such as router__0 apart. shape is an index of instanceShapes, -1 if it is no such text.
func instanceOf(s string) (component string, shape int) {
	if job, id, ok := strings.Cut(s, "/"); ok && tagger.TypeOf(id) == "guid" {
		return plainComponent(job, 4)
	}
	before := strings.TrimRight(s, "0123456789")
	if before == s {
		return "", -1
	}
	single := -1
	switch {
	case strings.HasSuffix(before, "__"):
		before, single = before[:len(before)-2], 1
	case strings.HasSuffix(before, "/"):
		before, single = before[:len(before)-1], 3
	case strings.HasSuffix(before, "_"):
		before = before[:len(before)-1]
	default:
		return "", -1
	}
	if i := strings.LastIndexAny(before, "_/"); i > 0 && tagger.TypeOf(before[i+1:]) == "zone" {
		switch {
		case before[i] == '_':
			return plainComponent(before[:i], 0)
		case single == 3:
			return plainComponent(before[:i], 2)
		}
	}
	if single < 0 {
		return "", -1
	}
	return plainComponent(before, single)
}

func plainComponent(s string, shape int) (component string, of int) {
	if s == "" || strings.ContainsAny(s, "./") {
		return "", -1
	}
	return s, shape
}

func newPrefixes(v *tagger.Vocabulary) *prefixes {
	return &prefixes{vocabulary: v, components: make(map[string]bool)}
}

// find looks for prefixes in the names, decides which of them become rules, and sets component and rest of the
// entries.
func (p *prefixes) find(entries []entry) {
	for i := range entries {
		e := &entries[i]
		if !e.startsName() {
			continue
		}
		text, _, _ := strings.Cut(e.name, ".")
		if _, shape := instanceOf(text); shape >= 0 && len(text) < len(e.name)-1 {
			// An index behind a slash may be anything, unless the origin is spelt like this as well.
			if shape < 2 || text == e.origin {
				p.instance[shape].add(text, i)
				p.instance[shape].accepted = true
			}
		}
	}
	for i := range entries {
		if e := &entries[i]; e.startsName() {
			p.count(e, i)
		}
	}
	p.origin.accepted = len(p.origin.values) >= minValues
	p.path.accepted = len(p.path.values) >= minValues
	for i := range entries {
		e := &entries[i]
		if !e.prefixed {
			e.component, e.rest = p.componentOf(e.origin), e.name
		}
		if e.startsName() {
			p.strip(e)
		}
		p.components[e.component] = e.component != ""
		p.components[e.origin] = e.origin != ""
	}
}

// startsName says whether prefixes are looked for in the name.
func (e *entry) startsName() bool { return !e.fromRule && !e.unusable && !e.prefixed }

// componentOf is the component that an origin stands for, once the prefix rules apply to it.
func (p *prefixes) componentOf(origin string) string {
	if component, shape := instanceOf(origin); shape >= 0 && p.instance[shape].accepted {
		return component
	}
	return origin
}

func (p *prefixes) count(e *entry, at int) {
	component := p.componentOf(e.origin)
	if component == "" {
		return
	}
	if _, ok := cutOrigin(e.name, component); ok {
		p.origin.add(component, at)
	}
	rest := e.name
	if r, ok := cutOrigin(rest, component); ok {
		rest = r
	}
	if _, ok := cutPath(rest, component); ok {
		p.path.add(component, at)
	}
}

// cutOrigin takes the component and a dot off the start of a name.
func cutOrigin(name, component string) (rest string, ok bool) {
	n := len(component)
	if len(name) < n+2 || name[n] != '.' || !tagger.EqualsOrigin(component, name[:n]) {
		return name, false
	}
	return name[n+1:], true
}

// cutPath takes a slash, the component and a slash off the start of a name.
func cutPath(name, component string) (rest string, ok bool) {
	n := len(component)
	if len(name) < n+3 || name[0] != '/' || name[n+1] != '/' || !tagger.EqualsOrigin(component, name[1:n+1]) {
		return name, false
	}
	return name[n+2:], true
}

// strip does to the name what the accepted prefix rules will.
func (p *prefixes) strip(e *entry) {
	of := e.component
	found := false
	for range maxPrefixes {
		text, rest, dotted := strings.Cut(e.rest, ".")
		if component, shape := instanceOf(text); dotted && rest != "" && shape >= 0 && p.instance[shape].accepted {
			e.rest = rest
			if !found {
				e.component, found = component, true
			}
			continue
		}
		if of == "" {
			return
		}
		rest, cut := e.rest, false
		if p.origin.accepted {
			rest, cut = cutOrigin(rest, of)
		}
		if p.path.accepted && !cut {
			rest, cut = cutPath(rest, of)
		}
		if !cut {
			return
		}
		e.rest, found = rest, true
	}
}

// rules returns the prefix rules.
func (p *prefixes) rules() []*Rule {
	var all []*Rule
	for i := range p.instance {
		if u := &p.instance[i]; u.names > 0 {
			r := u.rule("instance/" + instanceShapes[i].id)
			r.Prefix = instanceShapes[i].prefix
			r.For = append(r.For, "a number beside a word is the index of an instance of a job")
			all = append(all, r)
		}
	}
	if u := &p.origin; u.names > 0 {
		r := u.rule("component/origin")
		r.Prefix = "{component:origin}"
		r.For = append(r.For, fmt.Sprintf("the names start with their origin, of %s", count(len(u.values), "origin")))
		all = append(all, r)
	}
	if u := &p.path; u.names > 0 {
		r := u.rule("component/path")
		r.match, r.Continue = "/{component:origin}/{rest...}", "{rest}"
		r.For = append(r.For, fmt.Sprintf("the paths start with their origin, of %s", count(len(u.values), "origin")))
		all = append(all, r)
	}
	return all
}

func (u *prefixUse) rule(id string) *Rule {
	r := &Rule{ID: "learned/" + id, Values: len(u.values), Names: u.names, isPrefix: true}
	if !u.accepted {
		r.Doubtful = true
		r.Against = append(r.Against, fmt.Sprintf("%s, fewer than %d", count(len(u.values), "value"), minValues))
	}
	for _, at := range u.values {
		r.members = append(r.members, at)
	}
	slices.Sort(r.members)
	return r
}
