package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"loggregator_exporter/nozzle/filter"
)

// filterActions are the keys of an item of a list of filters, of which each has one.
var filterActions = []string{"keep", "drop"}

// filters reads a list of filters: objects of one action, whose object holds a pattern or a list of them for each field.
func (f *file) filters(s *Setting, node *yaml.Node) (any, bool) {
	if node.Kind != yaml.SequenceNode {
		f.fail(node.Line, s.Key, "%s is not a %s, for example %s", describe(node), s.Kind, s.Example)
		return nil, false
	}
	before := len(f.errs)
	list := make([]any, 0, len(node.Content))
	for i, item := range node.Content {
		path := indexKey(s.Key, i)
		f.lines[path] = item.Line
		if item.Kind != yaml.MappingNode || len(item.Content) != 2 {
			f.fail(item.Line, path, "must have either keep or drop, for example %s", strings.Trim(s.Example, "[]"))
			continue
		}
		key, match := item.Content[0], item.Content[1]
		action := joinKey(path, key.Value)
		f.lines[action] = key.Line
		if !slices.Contains(filterActions, key.Value) {
			f.fail(key.Line, "", "unknown key %s: the nearest known key is %s", show(action), joinKey(path, Nearest(key.Value, filterActions)))
			continue
		}
		list = append(list, map[string]any{key.Value: f.filterMatch(action, match)})
	}
	return list, len(f.errs) == before
}

func (f *file) filterMatch(path string, node *yaml.Node) map[string]any {
	if node.Kind != yaml.MappingNode {
		f.fail(node.Line, path, "%s is not an object, for example {kind: timer}, or {} for everything", describe(node))
		return nil
	}
	match := map[string]any{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		field := joinKey(path, key.Value)
		f.lines[field] = key.Line
		_, twice := match[key.Value]
		switch {
		case !slices.Contains(filter.Fields(), key.Value):
			f.fail(key.Line, "", "unknown key %s: the nearest known key is %s", show(field), joinKey(path, Nearest(key.Value, filter.Fields())))
		case twice:
			f.fail(key.Line, field, "the key stands twice: put the patterns into one list")
		default:
			match[key.Value] = f.filterPatterns(field, value)
		}
	}
	return match
}

// filterPatterns reads one pattern or a list of them.
func (f *file) filterPatterns(path string, node *yaml.Node) []string {
	items := node.Content
	if node.Kind != yaml.SequenceNode {
		items = []*yaml.Node{node}
	}
	texts := make([]string, 0, len(items))
	for i, item := range items {
		at := indexKey(path, i)
		f.lines[at] = item.Line
		text, problem := scalarString(item)
		if problem != "" {
			f.fail(item.Line, at, "%s", problem)
			continue
		}
		texts = append(texts, text)
	}
	return texts
}
