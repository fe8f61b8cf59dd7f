package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"loggregator_exporter/internal/boundedfile"
)

// file is what a configuration file says: the values of settings by dotted key, and the line of each key and list item.
type file struct {
	path     string
	settings map[string]*Setting
	known    []string // keys of settings and of sections
	values   map[string]any
	lines    map[string]int
	bad      map[string]bool // settings whose value cannot be read
	errs     []error
	// unreadable says that nothing is known of what the file holds.
	unreadable bool
}

// readFile reads a configuration file. Everything that is right in it is in the result even where the error is not nil.
func readFile(path string) (*file, error) {
	unreadable := newFile(path)
	unreadable.unreadable = true
	text, err := boundedfile.Read(path, boundedfile.MaxBytes)
	if err != nil {
		return unreadable, fmt.Errorf("cannot read the configuration file, which --config or %s names: %w", configEnv, err)
	}
	return parseFile(path, text)
}

func newFile(path string) *file {
	f := &file{path: path, settings: map[string]*Setting{}, values: map[string]any{}, lines: map[string]int{}, bad: map[string]bool{}}
	sections := map[string]bool{}
	for _, s := range Settings() {
		for i, c := range s.Key {
			if c == '.' && !sections[s.Key[:i]] {
				sections[s.Key[:i]] = true
				f.known = append(f.known, s.Key[:i])
			}
		}
		f.known = append(f.known, s.Key)
		f.settings[s.Key] = &s
	}
	return f
}

func parseFile(path string, text []byte) (*file, error) {
	f := newFile(path)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return f, nil
	}
	if err != nil {
		f.unreadable = true
		return f, f.syntaxError(err)
	}
	if err := decoder.Decode(&next); !errors.Is(err, io.EOF) {
		f.fail(next.Line, "", "the file holds a second YAML document: put everything into one")
	}
	for _, root := range doc.Content {
		f.section(root, "")
	}
	return f, errors.Join(f.errs...)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntaxError puts the place first, as every other error does. The reader counts some lines from 0, and leaves a 0 out.
func (f *file) syntaxError(err error) error {
	line, problem := "1", err.Error()
	if m := yamlLine.FindStringSubmatch(problem); m != nil {
		line, problem = cmp.Or(m[1], line), m[2]
	}
	return fmt.Errorf("%s:%s: not valid YAML, here or in the next line: %s", f.path, line, problem)
}

func (f *file) fail(line int, key, format string, args ...any) {
	where := f.path
	if line > 0 {
		where += ":" + strconv.Itoa(line)
	}
	if key != "" {
		where += ": " + key
		setting, _, _ := strings.Cut(key, "[")
		f.bad[setting] = true
	}
	f.errs = append(f.errs, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
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
		if key.Kind != yaml.ScalarNode {
			f.fail(key.Line, prefix, "%s is not a key", describe(key))
			continue
		}
		if strings.Contains(key.Value, ".") && slices.Contains(f.known, path) {
			f.fail(key.Line, "", "%s has a dot: write keys nested, %s: {...: ...}", show(path), path[:strings.IndexByte(path, '.')])
			continue
		}
		if line, ok := seen[path]; ok {
			f.fail(key.Line, show(path), "the key stands twice, first in line %d: remove one", line)
			continue
		}
		seen[path] = key.Line
		setting := f.settings[path]
		switch {
		case setting != nil:
			f.lines[path] = key.Line
			f.setting(setting, value)
		case f.isSection(path):
			f.section(value, path)
		default:
			f.fail(key.Line, "", "unknown key %s: the nearest known key is %s", show(path), Nearest(path, f.known))
		}
	}
}

func (f *file) setting(s *Setting, node *yaml.Node) {
	if isNull(node) {
		return // a key without a value says nothing
	}
	switch {
	case s.Kind.fields() != nil:
		if v, ok := f.objects(s, node); ok {
			f.values[s.Key] = v
		}
	case s.Kind == KindFilters:
		if v, ok := f.filters(s, node); ok {
			f.values[s.Key] = v
		}
	case s.Kind.isList():
		if v, ok := f.list(s, node); ok {
			f.values[s.Key] = v
		}
	default:
		v, problem := s.scalar(node)
		if problem != "" {
			f.fail(node.Line, s.Key, "%s", problem)
			return
		}
		f.values[s.Key] = f.resolve(s.Kind, v)
	}
}

// list reads a list of scalars; a scalar alone is refused, since a comma in it may or may not have been meant to split.
func (f *file) list(s *Setting, node *yaml.Node) (any, bool) {
	if node.Kind != yaml.SequenceNode {
		f.fail(node.Line, s.Key, "%s is not a %s, for example [%s]", describe(node), s.Kind, s.Example)
		return nil, false
	}
	good := true
	texts, numbers := make([]string, 0, len(node.Content)), make([]float64, 0, len(node.Content))
	for i, item := range node.Content {
		path := indexKey(s.Key, i)
		f.lines[path] = item.Line
		v, problem := s.scalar(item)
		if problem != "" {
			f.fail(item.Line, path, "%s", problem)
			good = false
			continue
		}
		switch v := f.resolve(s.Kind, v).(type) {
		case string:
			texts = append(texts, v)
		case float64:
			numbers = append(numbers, v)
		}
	}
	if s.Kind == KindNumbers {
		return numbers, good
	}
	return texts, good
}

func (f *file) objects(s *Setting, node *yaml.Node) (any, bool) {
	if node.Kind != yaml.SequenceNode {
		f.fail(node.Line, s.Key, "%s is not a %s, for example %s", describe(node), s.Kind, s.Example)
		return nil, false
	}
	good := true
	list := make([]any, 0, len(node.Content))
	for i, item := range node.Content {
		path := indexKey(s.Key, i)
		f.lines[path] = item.Line
		object, ok := f.object(s, path, item)
		good = good && ok
		list = append(list, object)
	}
	return list, good
}

// object reads one item of a list of objects, all of whose fields are needed.
func (f *file) object(s *Setting, path string, node *yaml.Node) (map[string]any, bool) {
	if node.Kind != yaml.MappingNode {
		f.fail(node.Line, path, "%s is not an object, for example %s", describe(node), strings.Trim(s.Example, "[]"))
		return nil, false
	}
	before := len(f.errs)
	fields := s.Kind.fields()
	object := map[string]any{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		field := joinKey(path, key.Value)
		f.lines[field] = value.Line
		text, problem := scalarString(value)
		switch _, twice := object[key.Value]; {
		case key.Value != fields[0] && key.Value != fields[1]:
			f.fail(key.Line, "", "unknown key %s: the nearest known key is %s", show(field), joinKey(path, Nearest(key.Value, fields)))
		case twice:
			f.fail(key.Line, field, "the key stands twice: remove one")
		case problem != "":
			f.fail(value.Line, field, "%s", problem)
		default:
			object[key.Value] = text
		}
	}
	if len(f.errs) > before {
		return nil, false
	}
	for _, field := range fields {
		if _, ok := object[field]; !ok {
			f.fail(node.Line, path, "has no %s, for example %s", field, strings.Trim(s.Example, "[]"))
		}
	}
	return object, len(f.errs) == before
}

// resolve makes the path of a file relative to the configuration file's folder.
func (f *file) resolve(kind Kind, value any) any {
	text, ok := value.(string)
	if !ok || kind != KindPath && kind != KindPaths || text == "" || text == "-" || filepath.IsAbs(text) {
		return value
	}
	return filepath.Join(filepath.Dir(f.path), text)
}

func (f *file) isSection(path string) bool {
	return f.settings[path] == nil && f.firstKey(path) != ""
}

// firstKey is the first setting of a section.
func (f *file) firstKey(section string) string {
	for _, key := range f.known {
		if f.settings[key] != nil && strings.HasPrefix(key, section+".") {
			return key
		}
	}
	return ""
}

// tree is the values as nested maps, the form that viper takes.
func (f *file) tree() map[string]any { return nest(f.values) }

func nest(values map[string]any) map[string]any {
	root := map[string]any{}
	for key, value := range values {
		at := root
		words := strings.Split(key, ".")
		for _, w := range words[:len(words)-1] {
			inner, ok := at[w].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[w] = inner
			}
			at = inner
		}
		at[words[len(words)-1]] = value
	}
	return root
}

func joinKey(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

func indexKey(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }
