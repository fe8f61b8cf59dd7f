// Package yamlplace says where a text is not YAML.
package yamlplace

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Of returns the place of the error of a text that cannot be read as YAML, lines and characters from 1, 0 where it is not
// known, and what is wrong there.
func Of(err error, text []byte) (line, column int, problem string) {
	e, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		return 0, 0, strings.TrimPrefix(err.Error(), "yaml: ")
	}
	mark, problem := e.Mark, e.Message
	switch {
	case e.Stage == "reader": // which knows only the byte
		before := text[:min(mark.Index, len(text))]
		start := bytes.LastIndexByte(before, '\n') + 1
		return bytes.Count(before, []byte{'\n'}) + 1, utf8.RuneCount(before[start:]) + 1, problem
	case e.Stage == "scanner" && strings.HasSuffix(problem, "unexpected end of stream"):
		mark, problem = e.ContextMark, "the quote that begins here does not end"
	case e.ContextMsg != "":
		problem = e.ContextMsg + ": " + problem
	}
	return mark.Line, mark.Column, problem
}
