package tagger

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// MaxFileBytes bounds a rule file.
const MaxFileBytes = 8 << 20

// FileError is an error in a rule file, a mapping file or a file of rule tests.
type FileError struct {
	File         string
	Line, Column int    // 0 where not known
	Rule         string // "" where the error is in none
	Message      string // what is wrong and how to mend it
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

// document walks the nodes of a YAML file strictly: it knows the place of everything and collects all errors instead of
// stopping at the first.
type document struct {
	file string
	rule string // the rule being read, for errors
	errs []error
}

func (d *document) fail(n *yaml.Node, format string, args ...any) {
	d.failAt(n.Line, n.Column, format, args...)
}

func (d *document) failAt(line, column int, format string, args ...any) {
	d.errs = append(d.errs, &FileError{File: d.file, Line: line, Column: column, Rule: d.rule, Message: fmt.Sprintf(format, args...)})
}

// sorted are the errors in the order of the file.
func (d *document) sorted() []error {
	at := func(err error) (line, column int) {
		if f, ok := errors.AsType[*FileError](err); ok {
			return f.Line, f.Column
		}
		return 0, 0
	}
	slices.SortStableFunc(d.errs, func(a, b error) int {
		aLine, aColumn := at(a)
		bLine, bColumn := at(b)
		return cmp.Or(cmp.Compare(aLine, bLine), cmp.Compare(aColumn, bColumn))
	})
	return d.errs
}

// failIn reports an error at a byte of a scalar.
func (d *document) failIn(t text, err error) {
	column := t.column
	if at, ok := errors.AsType[*patternError](err); ok {
		column += at.offset
	}
	d.failAt(t.line, column, "%s", err)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// root parses the file and returns its top-level map, or nil where the file is empty or an error has been reported.
func (d *document) root(data []byte) *yaml.Node {
	if len(data) > MaxFileBytes {
		d.failAt(0, 0, "the file has %d bytes, at most %d are allowed: split it", len(data), MaxFileBytes)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	err := decoder.Decode(&first)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil && !errors.Is(decoder.Decode(&second), io.EOF) {
		d.failAt(max(second.Line, 1), 1, "more than one YAML document, or garbage after the first: keep one per file")
		return nil
	}
	if err != nil {
		line := 0
		if m := yamlLine.FindStringSubmatch(err.Error()); m[1] != "" {
			line, _ = strconv.Atoi(m[1])
		}
		d.failAt(line, 0, "not valid YAML, here or in the next line: %s (quote patterns, and do not indent with tabs)", yamlLine.ReplaceAllString(err.Error(), ""))
		return nil
	}
	n := d.withoutAliases(first.Content[0])
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	return n
}

// fields calls, for each key of a map, the function of that key. Unknown and repeated keys are errors.
func (d *document) fields(n *yaml.Node, what string, known map[string]func(*yaml.Node)) bool {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "%s must be a map of keys and values, not %s", what, kindOf(n))
		return false
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read := known[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(key, "a key of %s must be a word, not %s", what, kindOf(key))
		case read == nil:
			keys := sortedKeys(known)
			d.fail(key, "unknown key %q in %s%s: known are %s", key.Value, what, didYouMean(key.Value, keys), strings.Join(keys, ", "))
		case seen[key.Value]:
			d.fail(key, "key %q is there twice in %s: keep one", key.Value, what)
		default:
			seen[key.Value] = true
			read(value)
		}
	}
	return true
}

// text is a scalar and its place: line and column of its first character.
type text struct {
	s            string
	line, column int
}

// scalar reads a scalar of any type as it is written.
func (d *document) scalar(n *yaml.Node, what string) (text, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.fail(n, "%s must be text, not %s", what, kindOf(n))
		return text{}, false
	}
	t := text{n.Value, n.Line, n.Column}
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		t.column++
	}
	return t, true
}

// list reads a list of scalars, or a single one. At least one is needed.
func (d *document) list(n *yaml.Node, what string) []text {
	if n.Kind != yaml.SequenceNode {
		if t, ok := d.scalar(n, what); ok {
			return []text{t}
		}
		return nil
	}
	if len(n.Content) == 0 {
		d.fail(n, "%s is an empty list: leave the key out", what)
	}
	var all []text
	for _, item := range n.Content {
		if t, ok := d.scalar(item, "each of "+what); ok {
			all = append(all, t)
		}
	}
	return all
}

// items calls f for each item of a list.
func (d *document) items(n *yaml.Node, what string, f func(*yaml.Node)) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "%s must be a list (lines that start with \"- \"), not %s", what, kindOf(n))
		return
	}
	for _, item := range n.Content {
		f(item)
	}
}

// pair is an entry of a map that users name themselves.
type pair struct {
	key   text
	value *yaml.Node
}

// pairs reads a map of any keys, in the order of the file.
func (d *document) pairs(n *yaml.Node, what string) []pair {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, "%s must be a map, not %s", what, kindOf(n))
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

// flag reads true or false.
func (d *document) flag(n *yaml.Node, what string) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		d.fail(n, "%s must be true or false, not %s", what, kindOf(n))
	}
	return strings.EqualFold(n.Value, "true")
}

// number reads a finite number.
func (d *document) number(n *yaml.Node, what string) float64 {
	t, ok := d.scalar(n, what)
	if !ok {
		return 0
	}
	v, err := strconv.ParseFloat(t.s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		d.fail(n, "%s must be a number, not %q", what, t.s)
	}
	return v
}

// duration reads a duration of zero or more.
func (d *document) duration(n *yaml.Node, what string) time.Duration {
	t, ok := d.scalar(n, what)
	if !ok {
		return 0
	}
	v, err := time.ParseDuration(t.s)
	if err != nil || v < 0 {
		d.fail(n, "%s must be a duration such as 90s or 1h30m, not %q", what, t.s)
	}
	return v
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	case n.Tag == "!!str":
		return "text"
	default:
		return n.Value
	}
}
