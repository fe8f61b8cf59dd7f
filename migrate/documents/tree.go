package documents

import (
	"sort"
	"strconv"
)

// maxDepth and maxNodes bound what a document may hold, so that its tree fits into memory and into the stack.
const (
	maxDepth = 200
	maxNodes = 500_000
)

type nodeKind byte

const (
	objectNode nodeKind = iota + 1
	arrayNode
	stringNode
	numberNode // of JSON
	otherNode  // true, false, null, and references of YAML to objects and arrays
)

// node is a value of a JSON or YAML document. Methods work on nil, which stands for a value that is missing.
type node struct {
	kind       nodeKind
	value      string // of a string, decoded; of a number, as it is written
	start, end int    // of a string or number in the document; with the quotes of JSON
	style      scalarStyle
	inFlow     bool // within the brackets of a flow collection of YAML
	parent     *node
	position   int     // among the items or fields of the parent
	keys       []*node // of an object
	items      []*node // of an array, or the values of an object
	isAlias    bool    // refers to a scalar elsewhere
	document   *node   // the root of the document that a string holds; nil if it holds none
	host       *node   // of such a root: the string
}

// get follows keys into objects.
func (n *node) get(keys ...string) *node {
	for _, key := range keys {
		if n == nil || n.kind != objectNode {
			return nil
		}
		var found *node
		for i, k := range n.keys {
			if k.value == key {
				found = n.items[i]
				break
			}
		}
		n = found
	}
	return n
}

// array returns the items of an array.
func (n *node) array() []*node {
	if n == nil || n.kind != arrayNode {
		return nil
	}
	return n.items
}

// values returns the items of an array, or the values of an object.
func (n *node) values() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

func (n *node) isObject() bool { return n != nil && n.kind == objectNode }

func (n *node) isScalar() bool { return n != nil && (n.kind == stringNode || n.kind == numberNode) }

// text returns the value of a string, and "" for anything else.
func (n *node) text() string {
	if n == nil || n.kind != stringNode {
		return ""
	}
	return n.value
}

// scalar returns the value of a string or number.
func (n *node) scalar() string {
	if n == nil || n.kind != numberNode {
		return n.text()
	}
	return n.value
}

// path names the node from the root.
func (n *node) path() string {
	switch {
	case n == nil || n.parent == nil && n.host == nil:
		return ""
	case n.parent == nil:
		return n.host.path()
	case n.parent.kind == arrayNode:
		return n.parent.path() + "[" + strconv.Itoa(n.position) + "]"
	}
	key := n.parent.keys[n.position].value
	if above := n.parent.path(); above != "" {
		return above + "." + key
	}
	return key
}

// lines finds line numbers.
type lines []int // where each line starts

func linesOf(text string) lines {
	l := lines{0}
	for i := range len(text) {
		if text[i] == '\n' {
			l = append(l, i+1)
		}
	}
	return l
}

// at returns the number of the line, from 1, of an offset.
func (l lines) at(offset int) int { return sort.SearchInts(l, offset+1) }
