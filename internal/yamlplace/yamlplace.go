// Package yamlplace says where a text is not YAML.
package yamlplace

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Of returns the place of the error of a text that cannot be read as YAML, lines and characters from 1, 0 where it is
// not known, and what is wrong there and, where it is clear, how to mend it.
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
	case isOpenQuote(e):
		mark, problem = e.ContextMark, "the quote that begins here does not end"
	case e.ContextMsg != "":
		problem = e.ContextMsg + ": " + problem
	}
	at := offset(text, mark)
	if quote, ok := quoteBefore(text[:at]); ok && quote.Line < mark.Line {
		return quote.Line, quote.Column, fmt.Sprintf("the quote that begins here ends only in line %d, and more "+
			"follows there: close it where its text ends", mark.Line)
	}
	return mark.Line, mark.Column, problem + remedy(text, at)
}

// isOpenQuote says whether the error is that of a text in quotes without the second one.
func isOpenQuote(e *yaml.LoadError) bool {
	return e.Stage == "scanner" && e.ContextMsg == "while scanning a quoted scalar" &&
		(strings.HasSuffix(e.Message, "unexpected end of stream") ||
			strings.HasSuffix(e.Message, "unexpected document indicator"))
}

// offset returns the byte at a mark.
func offset(text []byte, mark yaml.Mark) int {
	at := 0
	for range mark.Line - 1 {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			return len(text)
		}
		at += end + 1
	}
	for range mark.Column - 1 {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}

// quoteBefore returns where the text in quotes begins with whose second quote a text ends; ok is false where it ends
// with something else. An error behind it is often a quote's that does not end where it should: the next one in the
// file does that, lines below.
func quoteBefore(text []byte) (at yaml.Mark, ok bool) {
	text = bytes.TrimRight(text, " ")
	end := len(text) - 1
	if end < 0 || text[end] != '"' && text[end] != '\'' {
		return at, false
	}
	var n yaml.Node
	e, ok := errors.AsType[*yaml.LoadError](yaml.Unmarshal(text[:end], &n)) // without that quote the other one is open
	if !ok || !isOpenQuote(e) {
		return at, false
	}
	return e.ContextMark, true
}

// unquoted finds a value that begins with a character of YAML's own, or holds a colon and a space, up to where it is
// read as something else than text.
var unquoted = regexp.MustCompile(`: +(?:[{\[*&!%@` + "`" + `]([^"' ,]*[^"' ,\]}])?|[^"'{\[].*:)$`)

// remedy says how to mend an error at a byte, or is empty.
func remedy(text []byte, at int) string {
	line := text[bytes.LastIndexByte(text[:at], '\n')+1 : min(at+1, len(text))]
	switch {
	case bytes.HasSuffix(line, []byte{'\t'}):
		return ": there is a tab, indent with spaces"
	case unquoted.Match(line):
		return ": put the value in quotes"
	default:
		return ""
	}
}
