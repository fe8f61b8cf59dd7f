package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/internal/check"
	"loggregator_exporter/internal/yamlplace"
	"loggregator_exporter/nozzle/filter"
)

// file holds the values of a configuration file by key, and the line of each key and list item.
type file struct {
	*table
	path     string
	values   map[string]any // of type given
	lines    map[string]int
	mistakes []mistake
}

func newFile(t *table, path string) *file {
	return &file{table: t, path: path, values: map[string]any{}, lines: map[string]int{}}
}

// readFile reads a configuration file. The result holds all valid settings even if there are mistakes in others.
func readFile(t *table, path string) *file {
	text, err := boundedfile.Read(path, boundedfile.MaxBytes)
	if err != nil {
		f := newFile(t, path)
		err = fmt.Errorf("cannot read the configuration file, which --config or %s names: %w", configEnv, err)
		f.mistakes = []mistake{{everySetting, err}}
		return f
	}
	return parseFile(t, path, text)
}

func parseFile(t *table, path string, text []byte) *file {
	f := newFile(t, path)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return f
	}
	if err != nil {
		f.mistakes = []mistake{{everySetting, f.syntaxError(err, text)}}
		return f
	}
	if err := decoder.Decode(&next); !errors.Is(err, io.EOF) {
		f.fail(next.Line, "", "the file holds a second YAML document: put everything into one")
	}
	for _, root := range doc.Content {
		f.section(root, "")
	}
	return f
}

// syntaxError puts the place first, as every other error does.
func (f *file) syntaxError(err error, text []byte) error {
	line, column, problem := yamlplace.Of(err, text)
	return fmt.Errorf("%s:%d:%d: not valid YAML: %s", f.path, max(line, 1), max(column, 1), problem)
}

// fail adds a mistake in a key, or in a part of it; in none where path is "".
func (f *file) fail(line int, path, format string, args ...any) {
	where := f.path
	if line > 0 {
		where += ":" + strconv.Itoa(line)
	}
	if path != "" {
		where += ": " + path
	}
	f.mistakes = append(f.mistakes, mistake{settingOf(path), fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...))})
}

func (f *file) failUnknown(line int, path, nearest string) {
	f.fail(line, "", "unknown key %s: the nearest known key is %s", show(path), nearest)
	f.mistakes[len(f.mistakes)-1].key = settingOf(path)
}

// section reads a mapping whose path is prefix, "" for the whole file.
func (f *file) section(node *yaml.Node, prefix string) {
	switch {
	case isNull(node):
		return // a section whose keys are all commented out
	case node.Kind != yaml.MappingNode && prefix == "":
		f.fail(node.Line, "", "the file must hold sections such as nozzle and web, but holds %s", describe(node))
		return
	case node.Kind != yaml.MappingNode:
		f.fail(node.Line, prefix, "%s stands where keys such as %s belong", describe(node), f.firstKey(prefix))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := joinKey(prefix, key.Value)
		first, twice := seen[path]
		setting := f.byKey[path]
		switch {
		case key.Kind != yaml.ScalarNode:
			f.fail(key.Line, prefix, "%s is not a key", describe(key))
			continue
		case strings.Contains(key.Value, ".") && slices.Contains(f.known, path):
			f.fail(key.Line, "", "%s has a dot: write keys nested, %s: {...: ...}",
				show(path), path[:strings.IndexByte(path, '.')])
			continue
		case twice:
			f.fail(key.Line, show(path), "the key stands twice, first in line %d: remove one", first)
			continue
		case setting != nil:
			f.lines[path] = key.Line
			f.setting(setting, value)
		case f.firstKey(path) != "":
			f.section(value, path)
		default:
			f.failUnknown(key.Line, path, NearestKey(path, f.known))
		}
		seen[path] = key.Line
	}
}

func (f *file) setting(s *Setting, node *yaml.Node) {
	if isNull(node) {
		return // a key without a value counts as not set
	}
	before := len(f.mistakes)
	var value any
	switch {
	case s.Kind == KindFilters:
		value = f.list(s, node, s.Example, func(path string, item *yaml.Node) any { return f.filter(s, path, item) })
	case s.Kind.fields() != nil:
		value = f.list(s, node, s.Example, func(path string, item *yaml.Node) any { return f.object(s, path, item) })
	case s.Kind.isList():
		// A scalar alone is refused, since a comma in it may or may not have been meant to split.
		value = f.list(s, node, "["+s.Example+"]", func(path string, item *yaml.Node) any { return f.scalar(s, path, item) })
	default:
		value = f.scalar(s, s.Key, node)
	}
	if len(f.mistakes) == before {
		f.values[s.Key] = given{value, fromFile}
	}
}

// list reads the items of a list.
func (f *file) list(s *Setting, node *yaml.Node, example string, read func(path string, item *yaml.Node) any) []any {
	if node.Kind != yaml.SequenceNode {
		f.fail(node.Line, s.Key, "%s is not a %s, for example %s", describe(node), s.Kind, example)
		return nil
	}
	values := make([]any, 0, len(node.Content))
	for i, item := range node.Content {
		path := check.Item(s.Key, i)
		f.lines[path] = item.Line
		values = append(values, read(path, item))
	}
	return values
}

// scalar reads a value, or an item of a list. The path of a file is relative to the configuration file's folder.
func (f *file) scalar(s *Setting, path string, node *yaml.Node) any {
	value, problem := s.scalar(node)
	if problem != "" {
		f.fail(node.Line, path, "%s", problem)
	}
	if name, ok := value.(string); ok && (s.Kind == KindPath || s.Kind == KindPaths) &&
		name != "" && name != "-" && !filepath.IsAbs(name) {
		return filepath.Join(filepath.Dir(f.path), name)
	}
	return value
}

// object reads an item of a list of objects. It needs the first field and one of the others.
func (f *file) object(s *Setting, path string, node *yaml.Node) map[string]any {
	example, fields := strings.Trim(s.Example, "[]"), s.Kind.fields()
	if node.Kind != yaml.MappingNode {
		f.fail(node.Line, path, "%s is not an object, for example %s", describe(node), example)
		return nil
	}
	before := len(f.mistakes)
	object := map[string]any{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		field := joinKey(path, key.Value)
		f.lines[field] = value.Line
		switch _, twice := object[key.Value]; {
		case !slices.Contains(fields, key.Value):
			f.failUnknown(key.Line, field, joinKey(path, NearestKey(key.Value, fields)))
		case twice:
			f.fail(key.Line, field, "the key stands twice: remove one")
		case strings.HasSuffix(key.Value, "_file"):
			object[key.Value] = f.scalar(&Setting{Kind: KindPath}, field, value)
		default:
			object[key.Value] = f.text(field, value)
		}
	}
	if len(f.mistakes) > before {
		return object
	}
	if _, ok := object[fields[0]]; !ok {
		f.fail(node.Line, path, "has no %s, for example %s", fields[0], example)
	}
	others := slices.DeleteFunc(slices.Clone(fields[1:]), func(field string) bool { return object[field] == nil })
	switch {
	case len(others) == 0:
		f.fail(node.Line, path, "has no %s, for example %s", strings.Join(fields[1:], " or "), example)
	case len(others) > 1:
		f.fail(node.Line, path, "has %s: remove one", strings.Join(others, " and "))
	}
	return object
}

// text reads a string.
func (f *file) text(path string, node *yaml.Node) string {
	text, problem := scalarString(node)
	if problem != "" {
		f.fail(node.Line, path, "%s", problem)
	}
	return text
}

// filterActions are the keys of an item of a list of filters, of which each has one.
var filterActions = []string{"keep", "drop"} // constant

// filter reads an item of a list of filters: an object of one action, whose object holds a pattern or a list of
// them for each field.
func (f *file) filter(s *Setting, path string, node *yaml.Node) any {
	if node.Kind != yaml.MappingNode || len(node.Content) != 2 {
		f.fail(node.Line, path, "must have either keep or drop, for example %s", strings.Trim(s.Example, "[]"))
		return nil
	}
	key, match := node.Content[0], node.Content[1]
	action := joinKey(path, key.Value)
	f.lines[action] = key.Line
	switch {
	case !slices.Contains(filterActions, key.Value):
		f.failUnknown(key.Line, action, joinKey(path, NearestKey(key.Value, filterActions)))
		return nil
	case match.Kind != yaml.MappingNode:
		f.fail(match.Line, action, "%s is not an object, for example {kind: timer}, or {} for everything", describe(match))
		return nil
	}
	fields := map[string]any{}
	for i := 0; i+1 < len(match.Content); i += 2 {
		field, value := match.Content[i], match.Content[i+1]
		fieldPath := joinKey(action, field.Value)
		f.lines[fieldPath] = field.Line
		switch _, twice := fields[field.Value]; {
		case !slices.Contains(filter.Fields(), field.Value):
			f.failUnknown(field.Line, fieldPath, joinKey(action, NearestKey(field.Value, filter.Fields())))
		case twice:
			f.fail(field.Line, fieldPath, "the key stands twice: put the patterns into one list")
		default:
			fields[field.Value] = f.patterns(fieldPath, value)
		}
	}
	return map[string]any{key.Value: fields}
}

// patterns reads one pattern or a list of them.
func (f *file) patterns(path string, node *yaml.Node) []string {
	items := node.Content
	if node.Kind != yaml.SequenceNode {
		items = []*yaml.Node{node}
	}
	texts := make([]string, 0, len(items))
	for i, item := range items {
		at := check.Item(path, i)
		f.lines[at] = item.Line
		texts = append(texts, f.text(at, item))
	}
	return texts
}
