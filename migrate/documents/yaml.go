package documents

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// scalarStyle is how a string or number is written.
type scalarStyle byte

const (
	jsonStyle scalarStyle = iota + 1
	plainStyle
	singleStyle
	doubleStyle
	literalStyle
	foldedStyle
)

// yamlReader reads the tree of a YAML text. Offsets are those in the text.
type yamlReader struct {
	treeReader
	text    string
	lines   []int // where lines start, as YAML counts them
	anchors map[*yaml.Node]*node
}

// readYAML returns the document of a text, or an array of several.
func readYAML(text string) (*node, error) {
	r := yamlReader{text: text, lines: yamlLines(text), anchors: make(map[*yaml.Node]*node)}
	root := &node{kind: arrayNode}
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var document yaml.Node
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return unwrapped(root), nil
		} else if err != nil {
			return nil, yamlError(text, err)
		}
		for _, content := range document.Content {
			n, err := r.value(content, 1, false)
			if err != nil {
				return nil, err
			}
			root.add(n)
		}
	}
}

var indentedByTab = regexp.MustCompile(`(?m)^ *\t`)

// yamlError tells of tabs, since the words of the decoder do not always.
func yamlError(text string, err error) error {
	if at := indentedByTab.FindStringIndex(text); at != nil {
		return fmt.Errorf("line %d: the indentation has a tab, and YAML takes only spaces", linesOf(text).at(at[0]))
	}
	return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
}

// unwrapped returns the only document of an array of documents, or the array.
func unwrapped(documents *node) *node {
	if len(documents.items) != 1 {
		return documents
	}
	documents.items[0].parent = nil
	return documents.items[0]
}

// yamlLines finds the starts of lines: besides the usual breaks YAML knows three of Unicode's.
func yamlLines(text string) []int {
	starts := []int{0}
	for i := 0; i < len(text); {
		if size := lineBreak(text[i:]); size > 0 {
			i += size
			starts = append(starts, i)
			continue
		}
		i++
	}
	return starts
}

// lineBreak returns the length of the line break that a text begins with, or 0.
func lineBreak(text string) int {
	for _, b := range []string{"\r\n", "\n", "\r", "\u0085", "\u2028", "\u2029"} {
		if strings.HasPrefix(text, b) {
			return len(b)
		}
	}
	return 0
}

func (r *yamlReader) value(y *yaml.Node, depth int, inFlow bool) (*node, error) {
	if err := r.count(); err != nil {
		return nil, fmt.Errorf("line %d: %w", y.Line, err)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("line %d: values are nested more than %d levels deep", y.Line, maxDepth)
	}
	if y.Kind == yaml.ScalarNode {
		return r.scalar(y, inFlow), nil
	}
	n := &node{kind: arrayNode, start: r.offset(y)}
	if y.Kind == yaml.AliasNode {
		// A string may be used again. Objects may not, so that the walk has an end and finds each query once: what they
		// hold is found where the anchor is.
		n.kind = otherNode
		if target := r.anchors[y.Alias]; target != nil {
			*n = *target
			n.isAlias = true
		}
		return n, nil
	}
	if y.Kind == yaml.MappingNode {
		n.kind = objectNode
	}
	seen := make(map[string]bool)
	for i, content := range y.Content {
		child, err := r.value(content, depth+1, inFlow || y.Style&yaml.FlowStyle != 0)
		if err != nil {
			return nil, err
		}
		if n.kind == arrayNode || i%2 == 1 {
			n.add(child)
			continue
		}
		if seen[child.value] && content.Tag != "!!merge" {
			return nil, fmt.Errorf("line %d: the key %q stands twice in one object", content.Line, child.value)
		}
		seen[child.value] = true
		n.addKey(child)
	}
	return n, nil
}

// scalar reads any scalar as a string, as rule files do with theirs, but null.
func (r *yamlReader) scalar(y *yaml.Node, inFlow bool) *node {
	n := &node{kind: stringNode, value: y.Value, start: r.offset(y), style: yamlStyle(y.Style)}
	if y.ShortTag() == "!!null" {
		n.kind = otherNode
	}
	n.start = afterProperties(r.text, n.start)
	n.inFlow = inFlow
	r.anchors[y] = n
	return n
}

func yamlStyle(s yaml.Style) scalarStyle {
	switch {
	case s&yaml.DoubleQuotedStyle != 0:
		return doubleStyle
	case s&yaml.SingleQuotedStyle != 0:
		return singleStyle
	case s&yaml.LiteralStyle != 0:
		return literalStyle
	case s&yaml.FoldedStyle != 0:
		return foldedStyle
	}
	return plainStyle
}

// offset is where a node begins. Columns count characters.
func (r *yamlReader) offset(y *yaml.Node) int {
	if y.Line < 1 || y.Line > len(r.lines) {
		return len(r.text)
	}
	at := r.lines[y.Line-1]
	for column := 1; column < y.Column && at < len(r.text); column++ {
		_, size := utf8.DecodeRuneInString(r.text[at:])
		at += size
	}
	return at
}

// afterProperties skips the anchor and the tag in front of a scalar.
func afterProperties(text string, at int) int {
	for at < len(text) && (text[at] == '&' || text[at] == '!') {
		for at < len(text) && !strings.ContainsRune(" \t\r\n", rune(text[at])) {
			at++
		}
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], " \t\r\n"))
	}
	return at
}
