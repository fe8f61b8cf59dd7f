package tagger

import (
	"fmt"
	"slices"
	"strings"
)

// template is text with captures and variables in it, compiled. A nil template is empty.
type template []templatePart

type templatePart struct {
	kind partKind
	text string // partText: the text; partTag: the name of the tag
	slot int    // partCapture: which value
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
	var t template
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			t = append(t, templatePart{kind: partText, text: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "{{"), strings.HasPrefix(text[i:], "}}"):
			lit.WriteByte(text[i])
			i++
		case text[i] == '}':
			return nil, &patternError{i, `"}" closes nothing: write }} for the character`}
		case text[i] == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return nil, &patternError{i, `"{" is never closed: write {{ for the character`}
			}
			flush()
			part, err := parseVariable(text[i+1:i+end], captures)
			if err != nil {
				return nil, &patternError{i, err.Error()}
			}
			t = append(t, part)
			i += end
		case text[i] == '$':
			if written := dollar(text[i+1:], captures); written != "" {
				return nil, &patternError{i, fmt.Sprintf(`"$%s" would stand as it is: write {capture} for what a capture holds`, written)}
			}
			lit.WriteByte(text[i])
		default:
			lit.WriteByte(text[i])
		}
	}
	flush()
	return t, nil
}

// dollar returns what was most likely meant as a capture behind a dollar sign, as expressions and statsd_exporter have it, or "".
func dollar(text string, captures []string) string {
	end := strings.IndexFunc(text, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if end < 0 {
		end = len(text)
	}
	word := text[:end]
	switch {
	case strings.HasPrefix(text, "{"):
		return "{"
	case word != "" && (strings.Trim(word, "0123456789") == "" || slices.Contains(captures, word)):
		return word
	default:
		return ""
	}
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
	return templatePart{}, fmt.Errorf("no capture {%s}%s: the rule captures %s", name, didYouMean(name, captures), strings.Join(captures, ", "))
}

// uses says whether the template holds a capture.
func (t template) uses(slot int) bool {
	return slices.ContainsFunc(t, func(p templatePart) bool { return p.kind == partCapture && p.slot == slot })
}

// fixed says whether the template is the same for all names of a metric's emitter.
func (t template) fixed() bool {
	return !slices.ContainsFunc(t, func(p templatePart) bool { return p.kind == partCapture || p.kind == partName })
}

// expand fills the template in. It allocates only where there is more than one part.
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
		return valueOf(s.Tags, p.text)
	default:
		return p.text
	}
}
