package documents

import (
	"slices"
	"strings"
)

// layer is a text that is written inside another one: a string literal in a file, a parameter in a URL. It knows where
// each of its bytes stands there, so that an edit changes the bytes that it must, and no more.
type layer struct {
	parent *layer // nil: the file itself
	scalar *node  // whose value the text is; nil for texts within such a value
	text   string
	// at says where each byte of the text begins in the parent's, and as its last value where the text ends.
	at []int
	// encode writes a piece of this text in the notation of the parent.
	encode func(piece string) string
	// rewrite, if any, writes the whole text anew. It returns the edit of the parent, and whether that is needed, since
	// an edited text does not fit into the notation of the old one. It is given the edits that would fit, which it may
	// change.
	rewrite func(text string, edits []edit) (edit, bool)
	escapes map[rune]string // how JSON in this text escapes characters that need not be; nil until somebody asks
}

// maxLayers is how many texts are written inside one another at most: a document in a string of a resource, a string of
// that, a parameter of a URL in it, a string of JSON in that.
const maxLayers = 4

// depth is the number of texts around a text.
func (l *layer) depth() int {
	depth := 0
	for ; l.parent != nil; l = l.parent {
		depth++
	}
	return depth
}

// edit replaces the bytes from start to end of a text.
type edit struct {
	start, end int
	text       string
}

// apply makes edits that are sorted and do not overlap.
func apply(text string, edits []edit) string {
	var b strings.Builder
	done := 0
	for _, e := range edits {
		b.WriteString(text[done:e.start])
		b.WriteString(e.text)
		done = e.end
	}
	b.WriteString(text[done:])
	return b.String()
}

func sortEdits(edits []edit) {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.start - b.start })
}

// lift turns edits of a layer's text into those of its parent's.
func (l *layer) lift(edits []edit) []edit {
	lifted := make([]edit, len(edits))
	for i, e := range edits {
		lifted[i] = edit{l.at[e.start], l.at[e.end], l.encode(e.text)}
	}
	if l.rewrite != nil {
		if whole, needed := l.rewrite(apply(l.text, edits), slices.Clone(lifted)); needed {
			return []edit{whole}
		}
	}
	return lifted
}

// decoded collects the text of a layer.
type decoded struct {
	text []byte
	at   []int
}

// add appends a piece of the text which begins at an offset of the parent's text. All bytes of a piece begin there: it
// is a character, or what one escape stands for.
func (d *decoded) add(piece string, offset int) {
	d.text = append(d.text, piece...)
	for range len(piece) {
		d.at = append(d.at, offset)
	}
}

// layer ends the text, at an offset of the parent's.
func (d *decoded) layer(parent *layer, end int, encode func(string) string) *layer {
	return &layer{parent: parent, text: string(d.text), at: append(d.at, end), encode: encode}
}

// verbatimLayer is a part of a text that is written as it is.
func verbatimLayer(parent *layer, start, end int) *layer {
	var d decoded
	for i := start; i < end; i++ {
		d.add(parent.text[i:i+1], i)
	}
	return d.layer(parent, end, func(piece string) string { return piece })
}
