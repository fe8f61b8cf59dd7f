package tagger

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Bounds of files that use aliases, by which few bytes can stand for very much.
const (
	maxExpandedNodes = 200_000
	maxExpandedDepth = 100
)

// withoutAliases returns the tree with aliases replaced by what they stand for and merge keys (<<) merged. It returns nil
// where that has no end, and reports it.
func (d *document) withoutAliases(root *yaml.Node) *yaml.Node {
	if !hasAlias(root) {
		return root
	}
	e := expander{left: maxExpandedNodes}
	n := e.expand(root, 0)
	if e.left < 0 {
		d.fail(root, "the aliases of the file stand for too much or for themselves: write some of it out")
		return nil
	}
	return n
}

func hasAlias(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		return true
	}
	return slices.ContainsFunc(n.Content, hasAlias)
}

type expander struct{ left int }

func (e *expander) expand(n *yaml.Node, depth int) *yaml.Node {
	if e.left--; e.left < 0 || depth > maxExpandedDepth {
		e.left = -1
		return n
	}
	if n.Kind == yaml.AliasNode {
		return e.expand(n.Alias, depth+1)
	}
	if len(n.Content) == 0 {
		return n
	}
	out := *n
	out.Content = nil
	var merged []*yaml.Node
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Tag == "!!merge" {
			merged = append(merged, e.expand(c, depth+1))
			out.Content = out.Content[:len(out.Content)-1]
			continue
		}
		out.Content = append(out.Content, e.expand(c, depth+1))
	}
	for _, m := range merged {
		merge(&out, m)
	}
	return &out
}

// merge adds the keys of a map, or of each of a list of maps, that dst does not have.
func merge(dst, from *yaml.Node) {
	if from.Kind == yaml.SequenceNode {
		for _, m := range from.Content {
			merge(dst, m)
		}
		return
	}
	for i := 0; i+1 < len(from.Content); i += 2 {
		has := false
		for j := 0; j+1 < len(dst.Content); j += 2 {
			has = has || dst.Content[j].Value == from.Content[i].Value
		}
		if !has {
			dst.Content = append(dst.Content, from.Content[i], from.Content[i+1])
		}
	}
}
