package api

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"loggregator_exporter/internal/suggest"
	"loggregator_exporter/tagger/naming"
	"loggregator_exporter/web/live"
)

const (
	// maxNear is how many names, and how many metrics, are offered in place of one that does not exist.
	maxNear = 5
	// maxNearBytes and maxNearWords bound what is looked at of each text.
	maxNearBytes = 200
	maxNearWords = 24
	// maxWordwise bounds the texts that are compared word by word, which takes some microseconds each: those that have
	// most groups of three letters in common with the wanted one.
	maxWordwise = 2000
	// leastLikeness is how much of a wanted text must be found in one that is offered, from 0 to 1.
	leastLikeness = 0.6
)

// near returns the raw names and the exposed metrics that resemble a text most. Texts resemble each other by their
// words, as naming takes them apart, wherever these stand: a misspelt word, and another separator or prefix, are no
// hindrance.
func near(ctx context.Context, s *live.Snapshot, text string) (names, metrics []string, err error) {
	isMetric := make([]bool, len(s.Texts))
	var rawNames, allMetrics []string
	for i := range s.Names {
		n := &s.Names[i]
		if n.Series > 0 {
			for _, pos := range n.Metrics {
				isMetric[pos] = true
			}
		}
		if i == 0 || n.Name != s.Names[i-1].Name { // a name has a row for each kind and unit
			rawNames = append(rawNames, n.Name)
		}
	}
	for pos, is := range isMetric {
		if is {
			allMetrics = append(allMetrics, s.Texts[pos])
		}
	}
	wanted := newLikeness(text)
	if names, err = wanted.nearest(ctx, rawNames); err != nil {
		return nil, nil, err
	}
	metrics, err = wanted.nearest(ctx, allMetrics)
	return names, metrics, err
}

// nearest returns those of the texts that resemble the wanted one most.
func (l *likeness) nearest(ctx context.Context, texts []string) ([]string, error) {
	var found nearest
	for i, text := range l.sift(texts) {
		if i%256 == 0 && ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		found.add(text, l.of(text))
	}
	return found.texts(), nil
}

// sift returns the texts that are worth to be compared word by word.
func (l *likeness) sift(texts []string) []string {
	var counts [maxNearBytes + 1]int // of texts, by the groups of letters that they have in common
	common := make([]uint8, len(texts))
	for i, text := range texts {
		for group := range letterGroups(text) {
			if l.groups[group] {
				common[i]++
			}
		}
		counts[common[i]]++
	}
	least, room := len(counts), maxWordwise
	for least > 1 && room >= counts[least-1] {
		least--
		room -= counts[least]
	}
	kept := make([]string, 0, maxWordwise)
	for i, text := range texts {
		if n := int(common[i]); n >= least || n == least-1 && n > 0 && room > 0 {
			if n < least {
				room--
			}
			kept = append(kept, text)
		}
	}
	return kept
}

// letterGroups yields a number for each three letters or digits in a row, whatever their case and what stands between.
func letterGroups(text string) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		group, n := uint32(0), 0
		for i := range min(len(text), maxNearBytes) {
			c := text[i] | 0x20 // lower case; digits have this bit set
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				continue
			}
			group = group<<8&0xffffff | uint32(c)
			if n++; n >= 3 && !yield(uint16(group*2654435761>>20)) {
				return
			}
		}
	}
}

// likeness compares texts with a wanted one.
type likeness struct {
	text   string
	words  []string
	bytes  int                // of the words
	groups [4096]bool         // of letters, that it has; see letterGroups
	known  map[string][]uint8 // how much of each wanted word another word has, in hundredths
}

func newLikeness(text string) *likeness {
	l := &likeness{text: text, words: wordsOf(text), known: map[string][]uint8{}}
	for _, w := range l.words {
		l.bytes += len(w)
	}
	for group := range letterGroups(text) {
		l.groups[group] = true
	}
	return l
}

func wordsOf(text string) []string {
	words := naming.Words(text[:min(len(text), maxNearBytes)])
	return words[:min(len(words), maxNearWords)]
}

// sameButCase is the likeness of texts of which only the case differs.
const sameButCase = 2

// of returns how much of the wanted text another one has, from 0 to 1, or sameButCase; words that were not wanted count
// against it.
func (l *likeness) of(text string) float64 {
	if strings.EqualFold(text, l.text) { // their words may differ: capitals begin a word
		return sameButCase
	}
	if l.bytes == 0 {
		return 0
	}
	words := wordsOf(text)
	parts := make([]uint8, len(l.words))
	more := 0
	for _, w := range words {
		best := uint8(0)
		for i, part := range l.compare(w) {
			parts[i], best = max(parts[i], part), max(best, part)
		}
		if best == 0 {
			more += len(w)
		}
	}
	sum := 0.0
	for i, part := range parts {
		sum += float64(part) / 100 * float64(len(l.words[i]))
	}
	const against = 0.2
	return sum / (float64(l.bytes) + against*float64(more))
}

// compare returns how much of each wanted word a word has: all of it if it is the same, less if few letters differ,
// or if one is the beginning of the other.
func (l *likeness) compare(word string) []uint8 {
	if parts, ok := l.known[word]; ok {
		return parts
	}
	parts := make([]uint8, len(l.words))
	for i, wanted := range l.words {
		short, long := min(len(word), len(wanted)), max(len(word), len(wanted))
		switch allowed := 1 + long/5; {
		case word == wanted:
			parts[i] = 100
		case short >= 3 && long-short <= allowed && suggest.Distance(word, wanted) <= allowed:
			parts[i] = 80
		case short >= 3 && word[:short] == wanted[:short]:
			parts[i] = uint8(80 * short / long)
		}
	}
	l.known[word] = parts
	return parts
}

// nearest keeps the texts that resemble most.
type nearest struct {
	list []nearText
}

type nearText struct {
	text     string
	likeness float64
}

func (n *nearest) add(text string, likeness float64) {
	if likeness < leastLikeness || len(n.list) == maxNear && likeness < n.list[maxNear-1].likeness {
		return
	}
	n.list = append(n.list, nearText{text, likeness})
	slices.SortFunc(n.list, func(x, y nearText) int {
		return cmp.Or(
			cmp.Compare(y.likeness, x.likeness), cmp.Compare(len(x.text), len(y.text)), strings.Compare(x.text, y.text),
		)
	})
	n.list = n.list[:min(len(n.list), maxNear)]
}

func (n *nearest) texts() []string {
	texts := make([]string, len(n.list))
	for i := range n.list {
		texts[i] = n.list[i].text
	}
	return texts
}
