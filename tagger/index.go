package tagger

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// index finds the first of many sequences that matches a text. It is a tree whose edges are pieces of literal text and
// captures; sequences that begin alike share their way. A search walks only the edges that the text allows, so that its cost depends on
// the text and not on the number of sequences. Each node knows the first sequence below it, which ends hopeless walks early.
//
// What it finds is exactly what trying one sequence after the other, as regular expressions, finds.
type index struct {
	root  *node
	nodes int32
}

type node struct {
	id       int32
	first    int32  // the least order below this node
	text     string // the literal on the edge to this node
	children []*node
	byByte   *[256]uint16 // index+1 into children, where there are many
	captures []captureEdge
	accepts  []int32 // orders of the sequences that end here, ascending
}

type captureEdge struct {
	capture *capture
	to      *node
	// classes says of each byte whether the capture, where it is a run, can hold it, and whether a literal behind it starts so.
	classes *[256]uint8
	literal bool // there are literals behind it
}

// Bits of captureEdge.classes.
const (
	classHeld   = 1
	classFollow = 2
)

const noOrder = math.MaxInt32

func newIndex() *index {
	x := &index{}
	x.root = x.node("")
	return x
}

func (x *index) node(text string) *node {
	x.nodes++
	return &node{id: x.nodes, first: noOrder, text: text}
}

// add adds a sequence. Orders need not come in order.
func (x *index) add(q sequence, order int32) {
	n := x.root
	n.first = min(n.first, order)
	for _, t := range q {
		if t.cap != nil {
			n = x.addCapture(n, t.cap, order)
		} else {
			n = x.addLiteral(n, t.lit, order)
		}
	}
	n.accepts = append(n.accepts, order)
}

func (x *index) addCapture(n *node, c *capture, order int32) *node {
	for i := range n.captures {
		if e := &n.captures[i]; e.capture.sameText(c) {
			e.to.first = min(e.to.first, order)
			return e.to
		}
	}
	to := x.node("")
	to.first = order
	n.captures = append(n.captures, captureEdge{capture: c, to: to})
	return to
}

func (x *index) addLiteral(n *node, lit string, order int32) *node {
	for {
		child := n.child(lit[0])
		if child == nil {
			child = x.node(lit)
			child.first = order
			n.children = append(n.children, child)
			if n.byByte != nil {
				n.byByte[lit[0]] = uint16(len(n.children))
			} else if len(n.children) > 6 {
				n.spread()
			}
			return child
		}
		common := commonPrefix(lit, child.text)
		if common < len(child.text) {
			x.split(child, common)
		}
		child.first = min(child.first, order)
		n, lit = child, lit[common:]
		if lit == "" {
			return n
		}
	}
}

// split cuts the edge to n after k bytes; n becomes the upper half.
func (x *index) split(n *node, k int) {
	lower := x.node(n.text[k:])
	lower.first, lower.children, lower.byByte, lower.captures, lower.accepts = n.first, n.children, n.byByte, n.captures, n.accepts
	*n = node{id: n.id, first: n.first, text: n.text[:k], children: []*node{lower}}
}

func (n *node) spread() {
	n.byByte = new([256]uint16)
	for i, c := range n.children {
		n.byByte[c.text[0]] = uint16(i + 1)
	}
}

func (n *node) child(c byte) *node {
	if n.byByte != nil {
		if i := n.byByte[c]; i > 0 {
			return n.children[i-1]
		}
		return nil
	}
	for _, child := range n.children {
		if child.text[0] == c {
			return child
		}
	}
	return nil
}

// finish prepares the tree for searches. Nothing may be added afterwards.
func (x *index) finish() { x.root.finish() }

func (n *node) finish() {
	slices.Sort(n.accepts)
	for _, c := range n.children {
		c.finish()
	}
	for i := range n.captures {
		e := &n.captures[i]
		e.to.finish()
		e.literal = len(e.to.children) > 0
		e.classes = new([256]uint8)
		for _, c := range e.to.children {
			e.classes[c.text[0]] |= classFollow
		}
		for b := range e.classes {
			if e.capture.isRun() && e.capture.holds(byte(b)) {
				e.classes[b] |= classHeld
			}
		}
	}
	slices.SortStableFunc(n.captures, func(a, b captureEdge) int { return cmp.Compare(a.to.first, b.to.first) })
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// span is a piece of the text, as byte offsets.
type span struct{ start, end int32 }

// search is the state of Apply and of its walks through indexes. It lives on the stack of Apply.
type search struct {
	subject   *Subject
	component string                  // the component of the metric, as far as it is known
	origins   [2]string               // texts of captures of kindOrigin, longest first; "" for none
	applied   chain                   // rules that are not to be tried again on the same text
	values    [maxRuleCaptures]string // captures of the rule that matched last
	// unconditional is for finding shadowed rules: patterns alone decide.
	unconditional bool

	// Of one walk:
	set   *ruleSet
	text  string
	after int32 // only sequences of a higher order count
	best  int32 // found so far: only sequences of a lower order count; noOrder at the start

	spans     [maxCaptures]span
	bestSpans [maxCaptures]span
	depth     int

	steps  int
	memory *memory // nil for short walks
}

// allowed says whether the rule behind an order may be used here.
func (s *search) allowed(order int32) bool {
	r := s.set.rules[s.set.variants[order].rule]
	if s.unconditional {
		return true
	}
	if r.when != nil && !r.when.holds(s.subject, s.component) {
		return false
	}
	return !s.applied.has(r, len(s.text)) && (!r.final || s.applied.n == 0)
}

// find leaves the order of the first sequence that matches in best, and its captures in bestSpans.
func (s *search) find(x *index) { s.walk(x.root, 0) }

func (s *search) walk(n *node, pos int) {
	for n.first < s.best {
		if s.steps++; s.steps > stepsBeforeMemory {
			if s.memory == nil {
				s.memory = &memory{}
			}
			if s.memory.seen(n, pos) {
				return
			}
		}
		for i := range n.captures {
			if e := &n.captures[i]; e.to.first < s.best && pos <= len(s.text) {
				s.take(e, pos)
			}
		}
		if pos == len(s.text) {
			s.accept(n)
			return
		}
		child := n.child(s.text[pos])
		if child == nil || !strings.HasPrefix(s.text[pos:], child.text) {
			return
		}
		pos += len(child.text)
		n = child
	}
}

func (s *search) accept(n *node) {
	for _, order := range n.accepts {
		if order >= s.best {
			return
		}
		if order > s.after && s.allowed(order) {
			s.best = order
			copy(s.bestSpans[:s.depth], s.spans[:s.depth])
			return
		}
	}
}

// take follows a capture with each text that it can take, the longest first.
func (s *search) take(e *captureEdge, pos int) {
	switch e.capture.kind {
	case kindSegment, kindPath, kindDotted, kindRest, kindInt, kindWord:
		s.takeRun(e, pos)
	case kindSet:
		set := e.capture.set
		if pos == len(s.text) || !set.first.has(s.text[pos]) {
			return
		}
		for _, n := range set.lengths {
			end := pos + n
			if end > len(s.text) || !s.worthwhile(e, end) {
				continue
			}
			if _, ok := set.index[s.text[pos:end]]; ok {
				s.follow(e, pos, end)
			}
		}
	case kindOrigin:
		for _, o := range s.origins {
			if end := pos + len(o); o != "" && end <= len(s.text) && equalsOrigin(o, s.text[pos:end]) {
				s.follow(e, pos, end)
			}
		}
	default:
		shortest, longest, ok := e.capture.span(s.text, pos)
		if !ok {
			return
		}
		for end := longest; end >= shortest; end-- {
			if s.worthwhile(e, end) {
				s.follow(e, pos, end)
			}
		}
	}
}

// takeRun is take for runs of bytes. One pass finds the end of the run and the last place where a literal may follow.
func (s *search) takeRun(e *captureEdge, pos int) {
	if s.memory != nil {
		s.takeRest(e, pos)
		return
	}
	text, shortest := s.text, pos+e.capture.shortestRun()
	end, last := pos, -1
	switch {
	case !e.literal && e.capture.kind == kindRest:
		end = len(text)
	default:
		for end < len(text) {
			class := e.classes[text[end]]
			if class&classFollow != 0 {
				last = end
			}
			if class&classHeld == 0 {
				break
			}
			end++
		}
	}
	if end == len(text) && end >= shortest && len(e.to.accepts) > 0 {
		s.follow(e, pos, end)
	}
	for end = last; end >= shortest; end-- {
		if e.classes[text[end]]&classFollow != 0 {
			s.follow(e, pos, end)
		}
	}
}

func (s *search) worthwhile(e *captureEdge, end int) bool {
	if end == len(s.text) {
		return len(e.to.accepts) > 0
	}
	return e.classes[s.text[end]]&classFollow != 0
}

func (s *search) follow(e *captureEdge, start, end int) {
	s.spans[s.depth] = span{int32(start), int32(end)}
	s.depth++
	s.walk(e.to, end)
	s.depth--
}
