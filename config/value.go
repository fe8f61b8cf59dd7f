package config

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"

	"loggregator_exporter/internal/check"
)

// scalar reads one value, or one item of a list, from a node of the file. A problem is the end of an error message.
func (s *Setting) scalar(node *yaml.Node) (value any, problem string) {
	switch s.Kind {
	case KindBool, KindInt, KindNumber, KindNumbers:
		if node.Kind == yaml.ScalarNode && strings.Contains(kinds[s.Kind].yaml, node.ShortTag()) {
			return s.parse(node.Value)
		}
		problem = s.notA(describe(node))
		if _, bad := s.parse(node.Value); bad == "" && node.Kind == yaml.ScalarNode {
			problem += ": write it without quotes"
		}
		return nil, problem
	case KindDuration:
		if node.Kind != yaml.ScalarNode {
			return nil, s.notA(describe(node))
		}
		return s.parse(node.Value)
	case KindEnum:
		if node.Kind != yaml.ScalarNode {
			return nil, describe(node) + " is not a string"
		}
		return s.parse(node.Value) // whatever YAML takes 2.0 for
	default:
		text, problem := scalarString(node)
		if problem != "" && s.Kind == KindSecret && node.Kind == yaml.ScalarNode {
			problem = "(value hidden) is not a string: write it in quotes"
		}
		if problem != "" {
			return nil, problem
		}
		return s.parse(text)
	}
}

// parse reads one value, or one item of a list, from text.
func (s *Setting) parse(text string) (value any, problem string) {
	switch s.Kind {
	case KindBool:
		if v, err := strconv.ParseBool(text); err == nil {
			return v, ""
		}
	case KindInt:
		if v, err := strconv.Atoi(text); err == nil {
			return v, ""
		}
	case KindNumber, KindNumbers:
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			return v, ""
		}
	case KindDuration:
		if v, ok := parseDuration(text); ok {
			return v, ""
		}
	case KindEnum, KindEnums:
		if slices.Contains(s.Values, text) {
			return text, ""
		}
		problem = check.Quote(text) + " is not one of " + strings.Join(s.Values, ", ")
		if instead := s.Former[strings.ToLower(text)]; instead != "" {
			problem += ": " + instead
		}
		return nil, problem
	default:
		return text, ""
	}
	return nil, s.notA(check.Quote(text))
}

// parseText reads the value of a flag or variable. Lists are separated by commas; blanks around items do not count.
func (s *Setting) parseText(text string) (value any, problem string) {
	if !s.Kind.isList() {
		return s.parse(text)
	}
	texts, numbers := []string{}, []float64{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		v, problem := s.parse(item)
		if problem != "" {
			return nil, problem
		}
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case float64:
			numbers = append(numbers, v)
		}
	}
	if s.Kind == KindNumbers {
		return numbers, ""
	}
	return texts, ""
}

// parseDuration takes Go's spelling (1h30m, 1.5h) and Prometheus' (1d, 2w).
func parseDuration(text string) (time.Duration, bool) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, true
	}
	d, err := model.ParseDuration(text)
	return time.Duration(d), err == nil
}

func (s *Setting) notA(what string) string {
	example, _, _ := strings.Cut(s.Example, ",")
	return what + " is not " + kinds[s.Kind].noun + ", for example " + example
}

// scalarString accepts strings only, since YAML would turn an unquoted 1.10 or yes into a number or a boolean.
func scalarString(node *yaml.Node) (text, problem string) {
	switch {
	case node.Kind == yaml.ScalarNode && node.ShortTag() == "!!str":
		return node.Value, ""
	case node.Kind == yaml.ScalarNode:
		return "", check.Quote(node.Value) + " is not a string: write it in quotes"
	default:
		return "", describe(node) + " is not a string"
	}
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

// describe names what a node is, for error messages.
func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (*" + node.Value + ", not supported here: write the value out)"
	default:
		return check.Quote(node.Value)
	}
}

// show cuts a key where it is long, and quotes it where it would not be seen as one word.
func show(key string) string {
	key = check.Shorten(key)
	isOther := func(r rune) bool {
		return !strings.ContainsRune("._-[]", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	if key == "" || strings.ContainsFunc(key, isOther) {
		return strconv.Quote(key)
	}
	return key
}
