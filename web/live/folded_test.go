package live

import (
	"slices"
	"testing"
)

func TestFolded(t *testing.T) {
	s := &Snapshot{folded: &folded{}, Texts: []string{"", "Router__0", "ÄÖ.x", "router__10"}}
	for _, name := range []string{"memoryStats", "", "MEMORY", "a\nmemory b", "mem", "Memórÿ"} {
		s.Names = append(s.Names, Name{Name: name})
	}
	for _, tc := range []struct {
		word  string
		names []int
		texts []int
	}{
		{"memory", []int{0, 2, 3}, nil},
		{"mem", []int{0, 2, 3, 4, 5}, nil},
		{"ys", []int{0}, nil}, // not across the end of one text and the beginning of the next
		{"router__1", nil, []int{3}},
		{"äö", nil, []int{2}},
		{"memórÿ", []int{5}, nil},
		{"b", []int{3}, nil},
		{"statsm", nil, nil},
	} {
		var names, texts []int
		s.NamesWith(tc.word, func(i int) { names = append(names, i) })
		s.TextsWith(tc.word, func(i int) { texts = append(texts, i) })
		if !slices.Equal(names, tc.names) || !slices.Equal(texts, tc.texts) {
			t.Errorf("%q: names %v, want %v; texts %v, want %v", tc.word, names, tc.names, texts, tc.texts)
		}
	}
	if got := string(s.FoldedName(2)) + " " + string(s.FoldedText(2)); got != "memory äö.x" {
		t.Error(got)
	}
}
