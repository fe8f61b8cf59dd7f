package tagger

import (
	"fmt"
	"slices"
	"strings"

	"loggregator_exporter/metric"
)

// maxTemplateBytes bounds the text of a template.
const maxTemplateBytes = 4096

// template is compiled text with captures and variables in it. A nil template is empty.
type template []templatePart

type templatePart struct {
	kind partKind
	text string // partText: the text; partTag: the name of the tag
	slot int    // partCapture: the position among the rule's captures
}

type partKind uint8

const (
	partText partKind = iota
	partCapture
	partOrigin
	partSourceID
	partUnit
	partTag
	partName // the whole name
)

// parseTemplate compiles a template over the captures of a rule.
func parseTemplate(text string, captures []string) (template, error) {
	if len(text) > maxTemplateBytes {
		return nil, fmt.Errorf("the template has %d bytes, at most %d are allowed", len(text), maxTemplateBytes)
	}
	var t template
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "{{"), strings.HasPrefix(text[i:], "}}"):
			t = t.withText(text[i : i+1])
			i++
		case text[i] == '}':
			return nil, &patternError{i, `"}" closes nothing: write }} for the character`}
		case text[i] == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return nil, &patternError{i, `"{" is never closed: write {{ for the character`}
			}
			part, err := parseVariable(text[i+1:i+end], captures)
			if err != nil {
				return nil, &patternError{i, err.Error()}
			}
			t = append(t, part)
			i += end
		case text[i] == '$':
			if written := dollarReference(text[i+1:], captures); written != "" {
				return nil, &patternError{i, fmt.Sprintf(`"$%s" would stand as it is: write {capture} for what a capture holds`,
					written)}
			}
			t = t.withText(text[i : i+1])
		default:
			t = t.withText(text[i : i+1])
		}
	}
	return t, nil
}

// dollarReference returns the reference that a dollar sign before text was most likely meant to be, as in regular
// expressions and in statsd_exporter, or "".
func dollarReference(text string, captures []string) string {
	if strings.HasPrefix(text, "{") {
		return "{"
	}
	word := text[:len(text)-len(strings.TrimLeft(text, letters+digits+"_"))]
	if word != "" && (strings.Trim(word, digits) == "" || slices.Contains(captures, word)) {
		return word
	}
	return ""
}

func parseVariable(name string, captures []string) (templatePart, error) {
	if slot := slices.Index(captures, name); slot >= 0 {
		return templatePart{kind: partCapture, slot: slot}, nil
	}
	switch name {
	case "$origin":
		return templatePart{kind: partOrigin}, nil
	case "$source_id":
		return templatePart{kind: partSourceID}, nil
	case "$unit":
		return templatePart{kind: partUnit}, nil
	}
	if tag, ok := strings.CutPrefix(name, "$tag."); ok && tag != "" {
		return templatePart{kind: partTag, text: tag}, nil
	}
	if strings.HasPrefix(name, "$") {
		return templatePart{}, fmt.Errorf("no variable {%s}: use {$origin}, {$source_id}, {$unit} or {$tag.NAME}", name)
	}
	if len(captures) == 0 {
		return templatePart{}, fmt.Errorf("no capture {%s}: the rule captures nothing", name)
	}
	return templatePart{}, fmt.Errorf("no capture {%s}%s: the rule captures %s", name, hint(name, captures),
		strings.Join(captures, ", "))
}

// withText appends text to the template.
func (t template) withText(text string) template {
	if n := len(t); n > 0 && t[n-1].kind == partText {
		t[n-1].text += text
		return t
	}
	if text == "" {
		return t
	}
	return append(t, templatePart{kind: partText, text: text})
}

// uses says whether the template contains a capture.
func (t template) uses(slot int) bool {
	return slices.ContainsFunc(t, func(p templatePart) bool { return p.kind == partCapture && p.slot == slot })
}

// fixed reports whether the template contains no part of the metric's name.
func (t template) fixed() bool {
	return !slices.ContainsFunc(t, func(p templatePart) bool { return p.kind == partCapture || p.kind == partName })
}

// appendTagsRead appends the names of the envelope tags in the template.
func (t template) appendTagsRead(names []string) []string {
	for _, p := range t {
		if p.kind == partTag {
			names = append(names, p.text)
		}
	}
	return names
}

func (t template) readsSourceID() bool {
	return slices.ContainsFunc(t, func(p templatePart) bool { return p.kind == partSourceID })
}

// expand replaces captures and variables by their values. It allocates only if there are several parts.
func (t template) expand(s *Subject, values []string) string {
	if len(t) == 0 {
		return ""
	}
	if len(t) == 1 {
		return t[0].value(s, values)
	}
	var b [256]byte
	out := b[:0]
	for i := range t {
		out = append(out, t[i].value(s, values)...)
	}
	return string(out)
}

func (p *templatePart) value(s *Subject, values []string) string {
	switch p.kind {
	case partCapture:
		return values[p.slot]
	case partOrigin:
		return s.Origin
	case partSourceID:
		return s.SourceID
	case partUnit:
		return s.Unit
	case partName:
		return s.Name
	case partTag:
		return metric.LabelValue(s.Tags, p.text)
	default:
		return p.text
	}
}
