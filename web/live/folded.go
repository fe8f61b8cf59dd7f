package live

import (
	"bytes"
	"strings"
	"sync"
)

// folded are the texts of a snapshot as a search needs them. They are made by the first one.
type folded struct {
	once         sync.Once
	names, texts texts
}

// texts are in lower case, one after the other, so that a word is looked for in all of them at once.
type texts struct {
	all  []byte
	ends []uint32
}

// NamesWith calls found with the positions of the names that contain a word, ascending: those of Names, and behind them
// those of Others. The word is in lower case and has no line break.
func (s *Snapshot) NamesWith(word string, found func(i int)) {
	s.fold()
	s.folded.names.with(word, found)
}

// TextsWith is NamesWith for Texts.
func (s *Snapshot) TextsWith(word string, found func(i int)) {
	s.fold()
	s.folded.texts.with(word, found)
}

// FoldedName returns a name in lower case; see NamesWith.
func (s *Snapshot) FoldedName(i int) []byte {
	s.fold()
	return s.folded.names.at(i)
}

// FoldedText returns one of Texts in lower case.
func (s *Snapshot) FoldedText(i int) []byte {
	s.fold()
	return s.folded.texts.at(i)
}

func (s *Snapshot) fold() {
	s.folded.once.Do(func() {
		for i := range s.Names {
			s.folded.names.add(s.Names[i].Name)
		}
		for i := range s.Others {
			s.folded.names.add(s.Others[i].Name)
		}
		for _, text := range s.Texts {
			s.folded.texts.add(text)
		}
	})
}

func (t *texts) add(text string) {
	t.all = append(AppendLower(t.all, text), '\n')
	t.ends = append(t.ends, uint32(len(t.all)))
}

func (t *texts) at(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = t.ends[i-1]
	}
	return t.all[from : t.ends[i]-1]
}

func (t *texts) with(word string, found func(i int)) {
	wanted := []byte(word)
	for from, i := 0, 0; i < len(t.ends); i++ {
		at := bytes.Index(t.all[from:], wanted)
		if at < 0 {
			return
		}
		for from += at; int(t.ends[i]) <= from; {
			i++
		}
		found(i)
		from = int(t.ends[i])
	}
}

// AppendLower appends a text in lower case. Names are ASCII nearly always; other letters stay as they are only where
// all of the text is not.
func AppendLower[T string | []byte](dst []byte, text T) []byte {
	for i := range len(text) {
		c := text[i]
		if c >= 0x80 {
			return append(dst[:len(dst)-i], strings.ToLower(string(text))...)
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
