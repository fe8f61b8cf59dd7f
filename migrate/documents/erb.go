package documents

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Templates of ERB, in which BOSH releases ship dashboards and rules, are read with a placeholder of equal length for
// each tag, so that every offset in the text that is read is one in the file: a variable of Grafana within texts, since
// queries may hold these; a comment or blanks for tags that have lines of their own. What is written are the tags.

// erbTag matches a tag. <%% is an escape.
var erbTag = regexp.MustCompile(`(?s)<%([^%].*?)%>`)

// placeholderName begins the names of placeholders, which end in their number and underscores.
const placeholderName = "erb"

// erb holds the tags of a template.
type erb struct {
	placeholders map[string]string // by tag
	tags         *strings.Replacer // replaces placeholders by their tags
	numbers      *strings.Replacer // replaces placeholders by numbers of equal length
	names        *strings.Replacer // replaces names of placeholders as well, for messages
}

// maxTags is how many different tags a template may have.
const maxTags = 10_000

// newERB reads the tags of a text; nil if there are none.
func newERB(text string) (*erb, error) {
	e := &erb{placeholders: map[string]string{}}
	var tags, numbers, names []string
	for _, tag := range erbTag.FindAllString(text, -1) {
		name := fmt.Sprintf("%s%d", placeholderName, len(e.placeholders))
		pad := len(tag) - len(name) - len("${}")
		if e.placeholders[tag] != "" || pad < 0 { // a tag that is too short stays as it is
			continue
		}
		if len(e.placeholders) == maxTags {
			return nil, fmt.Errorf("more than %d different tags of ERB (<%% ... %%>)", maxTags)
		}
		name += strings.Repeat("_", pad)
		variable, comment := "${"+name+"}", "# "+name+" "
		e.placeholders[tag] = name
		tags = append(tags, variable, tag, comment, tag)
		numbers = append(numbers, variable, "1."+strings.Repeat("0", len(variable)-2)) // an integer may be too large
		names = append(names, variable, tag, comment, tag, name, tag)
	}
	if len(tags) == 0 {
		return nil, nil
	}
	e.tags, e.numbers = strings.NewReplacer(tags...), strings.NewReplacer(numbers...)
	e.names = strings.NewReplacer(names...)
	return e, nil
}

// hide puts placeholders into a text.
func (e *erb) hide(text string) string {
	if e == nil {
		return text
	}
	h := hiding{erb: e, text: text, out: []byte(text), tags: erbTag.FindAllStringIndex(text, -1)}
	h.ownLines()
	begin := strings.TrimLeft(strings.TrimPrefix(string(h.out), byteOrderMark), " \t\r\n")
	if strings.HasPrefix(begin, "{") {
		h.withinJSON()
	} else {
		h.withinYAML()
	}
	return string(h.out)
}

// hiding is one text while placeholders are put into it.
type hiding struct {
	erb  *erb
	text string
	out  []byte
	tags [][]int // those that are not hidden yet
	own  [][]int // those that have lines of their own
}

// ownLines makes blanks of tags on whose lines nothing else is.
func (h *hiding) ownLines() {
	var others [][]int
	for i := 0; i < len(h.tags); {
		line := h.tagsOfLine(i)
		if h.isBlank(line) {
			h.own = append(h.own, line...)
		} else {
			others = append(others, line...)
		}
		i += len(line)
	}
	h.tags = others
	for _, tag := range h.own {
		h.blank(tag)
	}
}

// tagsOfLine returns the tags from the one at an index to the last one on its line. A tag may go over several.
func (h *hiding) tagsOfLine(i int) [][]int {
	end := i + 1
	for end < len(h.tags) && !strings.Contains(h.text[h.tags[end-1][1]:h.tags[end][0]], "\n") {
		end++
	}
	return h.tags[i:end]
}

// isBlank says whether there is nothing but tags on a line, all of which have placeholders.
func (h *hiding) isBlank(tags [][]int) bool {
	at := strings.LastIndexByte(h.text[:tags[0][0]], '\n') + 1
	for _, tag := range tags {
		if strings.TrimSpace(h.text[at:tag[0]]) != "" || h.erb.placeholders[h.tag(tag)] == "" {
			return false
		}
		at = tag[1]
	}
	rest, _, _ := strings.Cut(h.text[at:], "\n")
	return strings.TrimSpace(rest) == ""
}

func (h *hiding) tag(at []int) string { return h.text[at[0]:at[1]] }

func (h *hiding) blank(at []int) {
	for i := at[0]; i < at[1]; i++ {
		if h.out[i] != '\n' {
			h.out[i] = ' '
		}
	}
}

func (h *hiding) put(at []int, placeholder string) { copy(h.out[at[0]:at[1]], placeholder) }

// withinYAML makes comments of tags on lines of their own, of which YAML and PromQL have the same, and variables of
// all others.
func (h *hiding) withinYAML() {
	for _, at := range h.own {
		if tag := h.tag(at); !strings.Contains(tag, "\n") {
			h.put(at, "# "+h.erb.placeholders[tag]+" ")
		}
	}
	for _, at := range h.tags {
		if name := h.erb.placeholders[h.tag(at)]; name != "" {
			h.put(at, "${"+name+"}")
		}
	}
}

// withinJSON makes variables of tags within strings. Elsewhere a tag that writes a value is a number, any other blanks.
func (h *hiding) withinJSON() {
	inString, at := false, 0
	for _, tag := range h.tags {
		name := h.erb.placeholders[h.tag(tag)]
		if name == "" {
			continue
		}
		for ; at < tag[0]; at++ {
			switch {
			case h.text[at] == '"':
				inString = !inString
			case h.text[at] == '\\' && inString:
				at++
			}
		}
		switch {
		case inString:
			h.put(tag, "${"+name+"}")
		case h.text[tag[0]+2] == '=':
			h.put(tag, "1"+strings.Repeat("0", tag[1]-tag[0]-1))
		default:
			h.blank(tag)
		}
		at = max(at, tag[1])
	}
}

// show puts the tags back into texts of edits.
func (e *erb) show(edits []edit) {
	if e == nil {
		return
	}
	for i := range edits {
		edits[i].text = e.tags.Replace(edits[i].text)
	}
}

// check says whether an edited file holds a placeholder.
func (e *erb) check(edited string) error {
	if e != nil && e.tags.Replace(edited) != edited {
		return errors.New("a tag of ERB would be lost")
	}
	return nil
}

// asNumbers makes numbers of placeholders, for languages in which they are none.
func (e *erb) asNumbers(text string) string {
	if e == nil {
		return text
	}
	return e.numbers.Replace(text)
}

// Original writes a text that came of the document, or of its queries, with the tags that its author wrote.
func (d *Document) Original(text string) string {
	if d.erb == nil {
		return text
	}
	return d.erb.names.Replace(text)
}
