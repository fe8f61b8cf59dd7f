package documents

import (
	"fmt"
	"slices"
	"strings"
)

// source is the text of a document, and what of it can be edited.
type source struct {
	original string // as it was read
	erb      *erb   // the tags of a template; nil if there are none
	file     *layer // with placeholders for tags
	root     *node
	lines    lines
	texts    []*Text
	layers   map[*node]*layer
}

// Text is a part of a document that can be edited: a string, a part of one, or a number.
type Text struct {
	Place
	original, value string
	spans           []span // where it stands; in several places where a document repeats it
	within          *Text  // a text that this is part of
}

type span struct {
	layer      *layer
	start, end int
}

// String returns the text without the notation of the file around it, as it was set last.
func (t *Text) String() string { return t.value }

// Set replaces the text.
func (t *Text) Set(text string) { t.value = text }

// Changed says whether the text is another one than in the file.
func (t *Text) Changed() bool { return t.value != t.original }

// Edited says whether any text was set to another one.
func (d *Document) Edited() bool { return slices.ContainsFunc(d.texts, (*Text).Changed) }

// Bytes returns the document with its edits.
func (d *Document) Bytes() ([]byte, error) {
	pending := make(map[*layer][]edit)
	for _, t := range d.texts {
		if !t.Changed() || t.within != nil && t.within.Changed() {
			continue
		}
		for _, s := range t.spans {
			for _, e := range difference(t.original, t.value) {
				pending[s.layer] = append(pending[s.layer], edit{s.start + e.start, s.start + e.end, e.text})
			}
		}
	}
	if len(pending) == 0 {
		return []byte(d.original), nil
	}
	expected := make(map[*node]string)
	for depth := maxLayers; depth > 0; depth-- {
		for l, edits := range pending {
			if l.depth() != depth {
				continue
			}
			edits, err := settled(edits)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", d.File, err)
			}
			if l.scalar != nil {
				expected[l.scalar] = apply(l.text, edits)
			}
			delete(pending, l)
			pending[l.parent] = append(pending[l.parent], l.lift(edits)...)
		}
	}
	edits, err := settled(pending[d.file])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, err)
	}
	d.erb.show(edits)
	edited := apply(d.original, edits)
	return []byte(edited), d.verify(edited, expected)
}

// verify reads an edited document again: it must hold what the document held before, but for what was edited.
func (d *Document) verify(edited string, expected map[*node]string) error {
	root, err := readTree(d.erb.hide(edited), linesOf(edited))
	if err == nil {
		err = d.erb.check(edited)
	}
	if err == nil {
		err = sameTree(d.root, root, expected)
	}
	if err != nil {
		return fmt.Errorf("%s: edited, it is not what it should be, which is a mistake of the program: %w", d.File, err)
	}
	return nil
}

func sameTree(old, edited *node, expected map[*node]string) error {
	want, ok := expected[old]
	if !ok {
		want = old.value
	}
	if len(old.items) != len(edited.items) || len(old.keys) != len(edited.keys) || edited.value != want && !old.isAlias ||
		old.isScalar() != edited.isScalar() {
		return fmt.Errorf("%s holds %q in place of %q", old.path(), edited.value, want)
	}
	if old.document != nil {
		inner, err := readTree(edited.value, linesOf(edited.value))
		if err != nil {
			return err
		}
		return sameTree(old.document, inner, expected)
	}
	for i := range old.keys {
		if err := sameTree(old.keys[i], edited.keys[i], expected); err != nil {
			return err
		}
	}
	for i := range old.items {
		if err := sameTree(old.items[i], edited.items[i], expected); err != nil {
			return err
		}
	}
	return nil
}

// settled sorts the edits of one text. Equal ones come of a text of YAML that is referred to again.
func settled(edits []edit) ([]edit, error) {
	sortEdits(edits)
	edits = slices.Compact(edits)
	for i := 1; i < len(edits); i++ {
		if edits[i-1].end > edits[i].start || edits[i-1].start == edits[i].start {
			return nil, fmt.Errorf("%q and %q shall stand in one place", edits[i-1].text, edits[i].text)
		}
	}
	return edits, nil
}

// difference returns the edits that make new of old: as few words as possible are replaced, so that line breaks and
// spaces of the author stay.
func difference(before, after string) []edit {
	a, b := words(before), words(after)
	first := 0
	for first < len(a) && first < len(b) && a[first] == b[first] {
		first++
	}
	last := 0
	for last < min(len(a), len(b))-first && a[len(a)-1-last] == b[len(b)-1-last] {
		last++
	}
	start := len(strings.Join(a[:first], ""))
	a, b = a[first:len(a)-last], b[first:len(b)-last]
	if len(a)*len(b) > 1<<20 { // the table would cost too much
		return []edit{{start, start + len(strings.Join(a, "")), strings.Join(b, "")}}
	}
	return align(a, b, start)
}

// align finds the longest common subsequence of words by dynamic programming.
func align(a, b []string, offset int) []edit {
	width := len(b) + 1
	common := make([]int32, (len(a)+1)*width) // of a[i:] and b[j:]
	for i, word := range slices.Backward(a) {
		for j, other := range slices.Backward(b) {
			if word == other {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			} else {
				common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
			}
		}
	}
	var edits []edit
	open := false // whether the last edit ends where we are
	extend := func() *edit {
		if !open {
			edits = append(edits, edit{start: offset, end: offset})
			open = true
		}
		return &edits[len(edits)-1]
	}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			offset += len(a[i])
			i, j, open = i+1, j+1, false
		case j == len(b) || i < len(a) && common[(i+1)*width+j] >= common[i*width+j+1]:
			e := extend()
			offset += len(a[i])
			e.end = offset
			i++
		default:
			extend().text += b[j]
			j++
		}
	}
	return edits
}

// words cuts a text into words of letters, digits and underscores, and single other characters.
func words(text string) []string {
	var out []string
	start, inWord, placeholder := 0, false, 0
	for i, c := range text {
		if i < placeholder {
			continue // within the variable that stands for a tag of ERB, of which no part may be replaced
		}
		if strings.HasPrefix(text[i:], "${"+placeholderName) {
			placeholder = i + strings.IndexByte(text[i:]+"}", '}') + 1
		}
		isWord := c == '_' || c == ':' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if i > 0 && (!inWord || !isWord) {
			out = append(out, text[start:i])
			start = i
		}
		inWord = isWord
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}
