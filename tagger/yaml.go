package tagger

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"loggregator_exporter/internal/suggest"
	"loggregator_exporter/internal/yamlplace"
)

// Bounds of a file. Aliases let few bytes stand for very many nodes.
const (
	MaxFileBytes     = 8 << 20
	maxErrors        = 100 // reported per file; the others are counted
	maxExpandedNodes = 200_000
	maxExpandedDepth = 100
)

// FileError is an error in a rule file, a mapping file or a file of rule tests.
type FileError struct {
	File         string
	Line, Column int    // 0 if unknown
	Rule         string // "" if the error is outside of rules
	Message      string // what is wrong and how to correct it
}

func (e *FileError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		b.WriteString(":" + strconv.Itoa(e.Line))
	}
	if e.Column > 0 {
		b.WriteString(":" + strconv.Itoa(e.Column))
	}
	b.WriteString(": ")
	if e.Rule != "" {
		fmt.Fprintf(&b, "rule %q: ", e.Rule)
	}
	b.WriteString(e.Message)
	return b.String()
}

// document reads a YAML file strictly. It knows the position of every value, and collects all errors instead of
// stopping at the first.
type document struct {
	file   string
	rule   string       // id of the rule that is being read or compiled, for error messages
	errs   []*FileError // at most maxErrors
	failed int          // number of errors found
}

// text is a scalar and the position of its first character; of a block scalar, that of its indicator.
type text struct {
	s            string
	line, column int
}

// value returns the scalar, "" for an absent one.
func (t *text) value() string {
	if t == nil {
		return ""
	}
	return t.s
}

// pair is an entry of a map whose keys users choose. textPair is one whose value is a scalar.
type (
	pair struct {
		key   text
		value *yaml.Node
	}
	textPair struct{ key, value text }
)

func positionOf(n *yaml.Node) text { return text{line: n.Line, column: n.Column} }

func (d *document) fail(n *yaml.Node, format string, args ...any) {
	d.failAt(positionOf(n), format, args...)
}

func (d *document) failAt(at text, format string, args ...any) {
	if d.failed++; d.failed <= maxErrors {
		e := &FileError{File: d.file, Line: at.line, Column: at.column, Rule: d.rule, Message: fmt.Sprintf(format, args...)}
		d.errs = append(d.errs, e)
	}
}

// failInside reports an error of a parser of scalars, at the byte that it names.
func (d *document) failInside(t text, err error) {
	if e, ok := errors.AsType[*patternError](err); ok {
		t.column += e.offset
	}
	d.failAt(t, "%s", err)
}

// errors returns the errors in the order of the file.
func (d *document) errors() []error {
	slices.SortStableFunc(d.errs, func(a, b *FileError) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	var all []error
	for _, e := range d.errs {
		all = append(all, e)
	}
	if more := d.failed - len(d.errs); more > 0 {
		all = append(all, &FileError{File: d.file, Message: fmt.Sprintf("%d more errors are not shown", more)})
	}
	return all
}

// root parses the file and returns its top-level node, aliases and merge keys resolved. It returns nil if the file
// is empty, or after an error.
func (d *document) root(data []byte) *yaml.Node {
	if len(data) > MaxFileBytes {
		d.failAt(text{}, "the file has %d bytes, at most %d are allowed: split it", len(data), MaxFileBytes)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	err := decoder.Decode(&first)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil && !errors.Is(decoder.Decode(&second), io.EOF):
		d.failAt(text{line: max(second.Line, 1), column: 1},
			"more than one YAML document, or garbage after the first: keep one per file")
		return nil
	case err != nil:
		line, column, problem := yamlplace.Of(err, data)
		d.failAt(text{line: line, column: column}, "not valid YAML: %s", problem)
		return nil
	}
	n := first.Content[0]
	if hasAlias(n) {
		e := expander{left: maxExpandedNodes}
		if n = e.expand(n, 0); e.left < 0 {
			d.fail(n, "the aliases of the file stand for too much or for themselves: write some of it out")
			return nil
		}
	}
	if isNull(n) {
		return nil
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func hasAlias(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, hasAlias)
}

// expander replaces aliases by their anchors' values and merges merge keys (`<<`). The library does that only for
// values that it decodes itself, which have no positions.
type expander struct{ left int } // nodes that may still be made; negative once the bounds are exceeded

func (e *expander) expand(n *yaml.Node, depth int) *yaml.Node {
	if e.left--; e.left < 0 || depth > maxExpandedDepth {
		e.left = -1
		return n
	}
	if n.Kind == yaml.AliasNode {
		return e.expand(n.Alias, depth+1)
	}
	out := *n
	out.Content = nil
	for _, c := range n.Content {
		out.Content = append(out.Content, e.expand(c, depth+1))
	}
	if n.Kind == yaml.MappingNode {
		mergeKeys(&out)
	}
	return &out
}

// mergeKeys replaces the merge keys of a map by the keys that the map does not have itself.
func mergeKeys(n *yaml.Node) {
	var own, merged []*yaml.Node
	present := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key, value := n.Content[i], n.Content[i+1]; key.Tag == "!!merge" {
			merged = append(merged, value)
		} else {
			own = append(own, key, value)
			present[key.Value] = true
		}
	}
	n.Content = own
	for len(merged) > 0 {
		from := merged[0]
		merged = merged[1:]
		if from.Kind == yaml.SequenceNode {
			merged = slices.Concat(from.Content, merged)
			continue
		}
		for i := 0; i+1 < len(from.Content); i += 2 {
			if key := from.Content[i]; !present[key.Value] {
				present[key.Value] = true
				n.Content = append(n.Content, key, from.Content[i+1])
			}
		}
	}
}

// valueNode returns the value of a key of a map, or nil if n is no map or has no such key.
func valueNode(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// decode reads a map into the struct that dst points to: the value of a key into the field with that key as `yaml`
// tag, as the field's type says. Unknown and repeated keys are errors. what names the map in messages: a key, or
// "the ...". It returns the keys that the map has.
func (d *document) decode(n *yaml.Node, what string, dst any) (given []string) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "%s must be a map of keys and values, not %s", what, describeNode(n))
		return nil
	}
	fields := make(map[string]any)
	addFields(fields, reflect.ValueOf(dst).Elem())
	prefix := what + "."
	if strings.HasPrefix(what, "the ") {
		prefix = ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field := fields[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(key, "a key of %s must be a word, not %s", what, describeNode(key))
		case field == nil && successorOf(dst, key.Value) != "":
			d.fail(key, "key %q of %s is from earlier versions: write %s", key.Value, what, successorOf(dst, key.Value))
		case field == nil:
			known := sortedKeys(fields)
			remedy := ""
			if _, ok := dst.(*labelsSpec); ok {
				remedy = "; a label with a value of its own belongs under tags"
			}
			d.fail(key, "unknown key %q in %s%s: known are %s%s", key.Value, what, hint(key.Value, known),
				strings.Join(known, ", "), remedy)
		case slices.Contains(given, key.Value):
			d.fail(key, "key %q is there twice in %s: keep one", key.Value, what)
		default:
			given = append(given, key.Value)
			d.decodeField(value, prefix+key.Value, field)
		}
	}
	return given
}

// successorOf returns what stands in place of a key that a struct had in earlier versions of the format, or "".
func successorOf(dst any, key string) string {
	if old, ok := dst.(interface{ successor(string) string }); ok {
		return old.successor(key)
	}
	return ""
}

// addFields adds pointers to the fields of a struct, by key.
func addFields(fields map[string]any, v reflect.Value) {
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Anonymous {
			addFields(fields, v.Field(i))
		} else if key := f.Tag.Get("yaml"); key != "" {
			fields[key] = v.Field(i).Addr().Interface()
		}
	}
}

func (d *document) decodeField(n *yaml.Node, what string, field any) {
	switch dst := field.(type) {
	case **text:
		if t, ok := d.scalar(n, what); ok {
			*dst = &t
		}
	case *string:
		t, _ := d.scalar(n, what)
		*dst = t.s
	case *bool, *float64, *time.Duration:
		d.plain(n, what, dst)
	case *[]text:
		*dst = d.list(n, what)
	case *[]pair:
		*dst = d.pairs(n, what)
	case *[]textPair:
		*dst = d.textPairs(n, what)
	case **yaml.Node:
		*dst = n
	case *[]*yaml.Node:
		*dst = d.items(n, what)
	default: // a pointer to a struct
		v := reflect.New(reflect.TypeOf(field).Elem().Elem())
		reflect.ValueOf(field).Elem().Set(v)
		d.decode(n, what, v.Interface())
	}
}

// scalar reads a scalar of any type as it is written.
func (d *document) scalar(n *yaml.Node, what string) (text, bool) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.fail(n, "%s must be text, not %s", what, describeNode(n))
		return text{}, false
	}
	t := text{n.Value, n.Line, n.Column}
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		t.column++
	}
	return t, true
}

// list reads a list of scalars, or a single one. At least one is required.
func (d *document) list(n *yaml.Node, what string) []text {
	items, each := []*yaml.Node{n}, what
	if n.Kind == yaml.SequenceNode {
		items, each = n.Content, "each of "+what
		if len(items) == 0 {
			d.fail(n, "%s is an empty list: leave the key out", what)
		}
	}
	var all []text
	for _, item := range items {
		if t, ok := d.scalar(item, each); ok {
			all = append(all, t)
		}
	}
	return all
}

// items returns the items of a list.
func (d *document) items(n *yaml.Node, what string) []*yaml.Node {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "%s must be a list (lines that start with \"- \"), not %s", what, describeNode(n))
		return nil
	}
	return n.Content
}

// pairs reads a map whose keys users choose, in the order of the file.
func (d *document) pairs(n *yaml.Node, what string) []pair {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, "%s must be a map, not %s", what, describeNode(n))
		return nil
	}
	seen := make(map[string]bool)
	var all []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, ok := d.scalar(n.Content[i], "a key of "+what)
		if !ok {
			continue
		}
		if seen[key.s] {
			d.fail(n.Content[i], "key %q is there twice in %s: keep one", key.s, what)
			continue
		}
		seen[key.s] = true
		all = append(all, pair{key, n.Content[i+1]})
	}
	return all
}

func (d *document) textPairs(n *yaml.Node, what string) []textPair {
	var all []textPair
	for _, p := range d.pairs(n, what) {
		if v, ok := d.scalar(p.value, what+"."+p.key.s); ok {
			all = append(all, textPair{p.key, v})
		}
	}
	return all
}

// plain reads a flag, a finite number or a duration of zero or more.
func (d *document) plain(n *yaml.Node, what string, dst any) {
	isScalar := n.Kind == yaml.ScalarNode && !isNull(n)
	ok := isScalar && n.Decode(dst) == nil
	must, not := "", describeNode(n)
	if isScalar {
		not = strconv.Quote(n.Value)
	}
	switch v := dst.(type) {
	case *bool:
		must, not, ok = "true or false", describeNode(n), ok && n.Tag == "!!bool"
	case *float64:
		must, ok = "a number", ok && !math.IsNaN(*v) && !math.IsInf(*v, 0)
	case *time.Duration:
		must, ok = "a duration such as 90s or 1h30m", ok && *v >= 0
	}
	if !ok {
		d.fail(n, "%s must be %s, not %s", what, must, not)
	}
}

// word checks that a scalar, unless absent or empty, is one of some words, and returns it.
func (d *document) word(t *text, what string, allowed ...string) string {
	word := t.value()
	if word != "" && !slices.Contains(allowed, word) {
		d.failAt(*t, "no %s %q: use %s", what, word, strings.Join(allowed, ", "))
	}
	return word
}

func describeNode(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	case n.Tag == "!!str":
		return "text"
	default:
		return n.Value
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// hint returns ` (did you mean "x"?)` for the nearest of the known words, "" if none is near.
func hint(word string, known []string) string {
	if nearest := suggest.Nearest(word, known); nearest != "" {
		return " (did you mean " + strconv.Quote(nearest) + "?)"
	}
	return ""
}
