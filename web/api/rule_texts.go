package api

import (
	"bytes"
	"io/fs"
	"strconv"
	"strings"

	"loggregator_exporter/tagger"
)

// maxRuleText bounds the text that is shown of one rule.
const maxRuleText = 4 << 10

// ruleTexts finds the texts of rules in force.
type ruleTexts struct {
	files []ruleSource
	lines map[string][]string // by file, when one was asked for
}

// ruleSource is a rule file in force.
type ruleSource struct {
	tagger.Source

	builtIn bool
}

func newRuleTexts(rules func() tagger.Options) *ruleTexts {
	t := &ruleTexts{lines: map[string][]string{}}
	if rules == nil {
		return t
	}
	o := rules()
	for _, s := range o.UserRules {
		t.files = append(t.files, ruleSource{s, false})
	}
	if o.Catalogue == nil {
		return t
	}
	names, _ := fs.Glob(o.Catalogue, "*.yaml") // the pattern is well formed
	for _, name := range names {
		if data, err := fs.ReadFile(o.Catalogue, name); err == nil {
			t.files = append(t.files, ruleSource{tagger.Source{File: name, Data: data}, true})
		}
	}
	return t
}

// file returns a file by its name.
func (t *ruleTexts) file(name string) (source ruleSource, ok bool) {
	for _, f := range t.files {
		if f.File == name {
			return f, true
		}
	}
	return ruleSource{}, false
}

// ref names a rule whose place is given as file:line:column.
func (t *ruleTexts) ref(id, pattern, place string) RuleRef {
	out := RuleRef{ID: id, Pattern: pattern}
	file, column := cutNumber(place)
	file, line := cutNumber(file)
	out.File, out.Line, out.Text = file, line, t.text(file, line, column)
	return out
}

// cutNumber takes the number after the last colon off a place.
func cutNumber(place string) (rest string, number int) {
	i := strings.LastIndexByte(place, ':')
	if i < 0 {
		return place, 0
	}
	number, _ = strconv.Atoi(place[i+1:])
	return place[:i], number
}

// text is whole, cut where it is long.
func (t *ruleTexts) text(file string, line, column int) string {
	text := t.whole(file, line, column)
	if len(text) > maxRuleText {
		text = strings.ToValidUTF8(text[:maxRuleText], "") + "\n..."
	}
	return text
}

// whole returns the lines of the item of a list that begins at a line and column, without their indentation. It ends
// before the next line that is indented less, blank lines and comments aside.
func (t *ruleTexts) whole(file string, line, column int) string {
	lines := t.linesOf(file)
	if line < 1 || line > len(lines) || column < 1 || column-1 > len(lines[line-1]) {
		return ""
	}
	indent := strings.Repeat(" ", column-1)
	kept := []string{lines[line-1][column-1:]}
	end := 1 // of kept, without what follows the last line of the item
	for _, l := range lines[line:] {
		trimmed := strings.TrimSpace(l)
		if trimmed != "" && !strings.HasPrefix(l, indent) {
			break
		}
		kept = append(kept, strings.TrimPrefix(l, indent))
		if trimmed != "" && !strings.HasPrefix(trimmed, "#") {
			end = len(kept)
		}
	}
	text := strings.Join(kept[:end], "\n")
	return text[:bracesEnd(text)]
}

// bracesEnd returns where the object in braces ends that a text begins with; its length where it begins with none.
func bracesEnd(text string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(text) && (i == 0 || depth > 0); i++ {
		switch c := text[i]; {
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case i > 0 && (c == '"' || c == '\'') && strings.IndexByte(" ,:[{", text[i-1]) >= 0:
			quote = c
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

func (t *ruleTexts) linesOf(file string) []string {
	if lines, ok := t.lines[file]; ok {
		return lines
	}
	source, _ := t.file(file)
	var lines []string
	for l := range bytes.Lines(source.Data) {
		lines = append(lines, strings.TrimRight(string(l), "\r\n"))
	}
	t.lines[file] = lines
	return lines
}
