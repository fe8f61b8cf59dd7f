package tagger

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// index finds the first of many sequences that matches a text, in a time that depends on the text and hardly on
// the number of sequences. It finds exactly what trying their regular expressions one after the other would find.
//
// It is a tree. Each edge is a piece of literal text or a capture, and sequences that begin alike share their edges.
// The ranks (positions in ruleSet.variants; the lowest wins) of the sequences that end at a node stand there. So
//
//	0  {a}.requests.total
//	1  cc.requests.{x}
//	2  cc.requests.failed
//
// make
//
//	root ─{a}─ ".requests.total" (0)
//	     └ "cc.requests." ─{x}─ (1)
//	                      └ "failed" (2)
//
// A search walks down from the root. At each node it first follows every capture, with each text that the capture
// can take there, the longest first; then the one child whose literal the text goes on with. It does not stop at
// the first sequence found, since an earlier one may be on another branch: for "cc.requests.total", {a} takes "cc"
// and leads to 0; then the literal leads to {x} and 1, which comes after 0. So that this costs little, each node
// knows the least rank below it, and the search enters no node whose least rank is not below the best one found:
// "cc.requests." is left out in the example.
type index struct {
	root  *node
	nodes int32
}

type node struct {
	id       int32
	least    int32  // the least rank at and below this node
	literal  string // on the edge to this node, "" behind a capture
	children []*node
	initials string // the first byte of each child's literal
	captures []captureEdge
	ranks    []int32 // of the sequences that end here, ascending
}

type captureEdge struct {
	capture  *capture
	to       *node
	isRun    bool // see captureType.isRun
	shortest int  // the fewest bytes of the run
	// classes tells of each byte whether a run can contain it, and whether it is among to.initials.
	classes *[256]uint8
}

// Bits of captureEdge.classes.
const (
	classInRun   = 1
	classInitial = 2
)

const noRank = math.MaxInt32

func newIndex() *index {
	x := &index{}
	x.root = x.newNode("")
	return x
}

func (x *index) newNode(literal string) *node {
	x.nodes++
	return &node{id: x.nodes, least: noRank, literal: literal}
}

func (x *index) add(q sequence, rank int32) {
	n := x.root
	n.least = min(n.least, rank)
	for _, t := range q {
		if t.cap != nil {
			n = x.addCapture(n, t.cap)
			n.least = min(n.least, rank)
		} else {
			n = x.addLiteral(n, t.lit, rank)
		}
	}
	n.ranks = append(n.ranks, rank)
}

func (x *index) addCapture(n *node, c *capture) *node {
	for i := range n.captures {
		if e := &n.captures[i]; e.capture.takesSame(c) {
			return e.to
		}
	}
	to := x.newNode("")
	n.captures = append(n.captures, captureEdge{capture: c, to: to})
	return to
}

func (x *index) addLiteral(n *node, literal string, rank int32) *node {
	for literal != "" {
		child := n.child(literal[0])
		if child == nil {
			child = x.newNode(literal)
			n.children = append(n.children, child)
			n.initials += literal[:1]
		}
		common := commonPrefix(literal, child.literal)
		if common < len(child.literal) {
			x.split(child, common)
		}
		child.least = min(child.least, rank)
		n, literal = child, literal[common:]
	}
	return n
}

// split cuts the edge to n after k bytes; n becomes the upper part.
func (x *index) split(n *node, k int) {
	lower := *n
	x.nodes++
	lower.id, lower.literal = x.nodes, n.literal[k:]
	*n = node{id: n.id, least: n.least, literal: n.literal[:k], children: []*node{&lower}, initials: lower.literal[:1]}
}

func (n *node) child(initial byte) *node {
	for i := range len(n.initials) {
		if n.initials[i] == initial {
			return n.children[i]
		}
	}
	return nil
}

// finish prepares the tree for searches. Nothing may be added afterwards.
func (x *index) finish() { x.root.finish() }

func (n *node) finish() {
	slices.Sort(n.ranks)
	for _, c := range n.children {
		c.finish()
	}
	for i := range n.captures {
		e := &n.captures[i]
		e.to.finish()
		e.isRun, e.shortest, e.classes = e.capture.isRun(), e.capture.info().shortest, new([256]uint8)
		for b := range e.classes {
			if e.capture.info().bytes.has(byte(b)) {
				e.classes[b] |= classInRun
			}
			if e.to.child(byte(b)) != nil {
				e.classes[b] |= classInitial
			}
		}
	}
	slices.SortStableFunc(n.captures, func(a, b captureEdge) int { return cmp.Compare(a.to.least, b.to.least) })
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

// search is the state of one Apply and of its walks through indexes. It lives on the stack of Apply.
type search struct {
	subject   *Subject
	component string                  // the component of the metric, as far as it is known
	origins   [2]string               // the texts of origin captures, longest first; "" for none
	chain     chain                   // the rules applied so far
	values    [maxRuleCaptures]string // captures of the rule that matched last
	// passedOver counts the rules of the chain that would drop the name; see Subject.KeepDropped.
	passedOver int
	// unconditional makes patterns alone decide, whatever the conditions of rules.
	unconditional bool

	// Of one walk:
	set   *ruleSet
	text  string
	after int32 // only variants of a higher rank count
	best  int32 // the least rank found so far, noRank at the start

	spans     [maxCaptures]span // of the captures on the way to the current node
	bestSpans [maxCaptures]span // of the sequence found
	depth     int               // the number of spans

	steps   int
	visited *visited // nil in short walks
}

// stepsBeforeVisited is the number of steps after which a walk records the places that it visits.
const stepsBeforeVisited = 2000

// visited bounds the time of long walks by nodes times bytes, whatever patterns and text are: a place need not be
// visited twice, since the second visit finds what the first one found.
type visited struct {
	places map[visit]struct{}
	// runs holds, by the node behind a capture and the end of a run of the text, the first position from which the
	// capture has been followed to each end in that run.
	runs map[visit]int
}

type visit struct{ node, at int32 }

// seen reports whether a long walk has visited a node at a position, and records the visit.
func (s *search) seen(n *node, pos int) bool {
	if s.visited == nil {
		s.visited = &visited{make(map[visit]struct{}), make(map[visit]int)}
	}
	key := visit{n.id, int32(pos)}
	_, ok := s.visited.places[key]
	s.visited.places[key] = struct{}{}
	return ok
}

// find sets best to the rank of the first sequence that matches, and bestSpans to its captures.
func (s *search) find(x *index) { s.walk(x.root, 0) }

func (s *search) walk(n *node, pos int) {
	for n.least < s.best {
		if s.steps++; s.steps > stepsBeforeVisited && s.seen(n, pos) {
			return
		}
		for i := range n.captures {
			if e := &n.captures[i]; e.to.least < s.best {
				s.followCapture(e, pos)
			}
		}
		if pos == len(s.text) {
			s.accept(n)
			return
		}
		child := n.child(s.text[pos])
		if child == nil || !strings.HasPrefix(s.text[pos:], child.literal) {
			return
		}
		pos += len(child.literal)
		n = child
	}
}

func (s *search) accept(n *node) {
	for _, rank := range n.ranks {
		if rank >= s.best {
			return
		}
		if rank > s.after && s.allowed(rank) {
			s.best = rank
			copy(s.bestSpans[:s.depth], s.spans[:s.depth])
			return
		}
	}
}

// followCapture follows a capture with each text that it can take and after which the walk can go on.
func (s *search) followCapture(e *captureEdge, pos int) {
	if e.isRun {
		s.followRun(e, pos)
		return
	}
	e.capture.ends(s.text, pos, &s.origins, func(end int) { s.follow(e, pos, end) })
}

// followRun is followCapture for a run. One pass finds the end of the run and the last place at which a literal may
// follow.
func (s *search) followRun(e *captureEdge, pos int) {
	shortest := pos + e.shortest
	end, last := pos, -1
	if e.capture.typ == typeRest && e.to.initials == "" {
		end = len(s.text)
	}
	for end < len(s.text) {
		class := e.classes[s.text[end]]
		if class&classInitial != 0 {
			last = end
		}
		if class&classInRun == 0 {
			break
		}
		end++
	}
	if s.visited != nil {
		key := visit{e.to.id, int32(end)}
		from, ok := s.visited.runs[key]
		if !ok {
			from = pos + len(s.text)
		}
		last = min(last, from+shortest-pos-1)
		s.visited.runs[key] = min(from, pos)
	}
	if end == len(s.text) && end >= shortest {
		s.follow(e, pos, end)
	}
	for end = last; end >= shortest; end-- {
		if e.classes[s.text[end]]&classInitial != 0 {
			s.follow(e, pos, end)
		}
	}
}

func (s *search) follow(e *captureEdge, start, end int) {
	if end == len(s.text) && len(e.to.ranks) == 0 || end < len(s.text) && e.classes[s.text[end]]&classInitial == 0 {
		return
	}
	s.spans[s.depth] = span{int32(start), int32(end)}
	s.depth++
	s.walk(e.to, end)
	s.depth--
}
