package learn

import (
	"strings"

	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/naming"
)

// segment is a part of a name between separators. All names share the segments that are equal.
type segment struct {
	id    uint32
	text  string // with the separator before it, if there is one
	value string // without
	// valueID is the same for segments of one value: the id of the first of them.
	valueID uint32
	// typ is the type of capture that takes only such values: guid, ip, int, ...; "" for words.
	typ         string
	firstOfType uint32 // the id of the first segment of that type
	measure     bool   // its last word names a measurement: count, latency, bytes
	statistic   bool   // it is a statistic of whatever stands before: count, max, p99
	known       bool   // it is a component, the value of a tag, or a value that the vocabulary lists
	numbered    bool   // digits and letters
	places      int    // segments behind which it was seen
}

// separator returns the separator before the segment, "" at the start of a name.
func (s *segment) separator() string { return s.text[:len(s.text)-len(s.value)] }

// isPlural says whether the segment, nil if there is none, is a plural: several dimensions may stand behind it, as in
// queues/{vhost}/{queue}.
func (s *segment) isPlural() bool {
	return s != nil && !s.measure && singular(strings.ToLower(s.value)) != strings.ToLower(s.value)
}

// table holds the segments of all names, and knows what the vocabulary says about them.
type table struct {
	vocabulary *tagger.Vocabulary
	byText     map[string]uint32
	byValue    map[string]uint32
	ofType     map[string]uint32 // the first segment of each type
	segments   []segment
	listed     map[string]bool // labels of which the vocabulary lists values
	components map[string]bool
	tagValues  map[string]string
}

func newTable(v *tagger.Vocabulary, components map[string]bool, tagValues map[string]string) table {
	t := table{
		vocabulary: v, byText: make(map[string]uint32), byValue: make(map[string]uint32),
		ofType: make(map[string]uint32), listed: make(map[string]bool), components: components, tagValues: tagValues,
	}
	for _, label := range v.Values {
		t.listed[label] = true
	}
	return t
}

// maxSegments bounds the depth of the names that are looked at.
const maxSegments = 24

// split cuts a text into segments: at slashes where it has any, else at dots, before a GUID behind a colon, and before
// a class of status codes at the end of a segment, such as status_2xx.
func (t *table) split(dst []uint32, text string) []uint32 {
	separator := byte('.')
	if strings.IndexByte(text, '/') >= 0 {
		separator = '/'
	}
	start := 0
	for i := 1; i <= len(text); i++ {
		if i < len(text) && text[i] != separator && (text[i] != ':' || tagger.TypeOf(text[i+1:]) != "guid") &&
			!startsClass(text[i:], separator) {
			continue
		}
		dst = append(dst, t.intern(text[start:i]))
		start = i
	}
	return dst
}

// startsClass says whether a text starts with an underscore and a class of status codes, which end a segment.
func startsClass(text string, separator byte) bool {
	const size = len("_2xx")
	return len(text) >= size && text[0] == '_' && (len(text) == size || text[size] == separator) &&
		strings.EqualFold(text[2:size], "xx") && tagger.TypeOf(text[1:size]) == "status"
}

func (t *table) intern(text string) uint32 {
	if id, ok := t.byText[text]; ok {
		return id
	}
	s := segment{id: uint32(len(t.segments)), text: text, value: text}
	if text != "" && (strings.IndexByte("./:", text[0]) >= 0 || startsClass(text, 0)) {
		s.value = text[1:]
	}
	var known bool
	if s.valueID, known = t.byValue[s.value]; !known {
		s.valueID = s.id
		t.byValue[s.value] = s.id
	}
	s.typ = tagger.TypeOf(s.value)
	if s.firstOfType, known = t.ofType[s.typ]; !known {
		s.firstOfType = s.id
		t.ofType[s.typ] = s.id
	}
	words := tagger.Words(s.value)
	s.statistic = len(words) > 0
	for _, w := range words {
		s.statistic = s.statistic && statistics[w]
	}
	if n := len(words); n > 0 {
		s.measure = t.isMeasure(words[n-1])
	}
	digits := strings.ContainsAny(s.value, "0123456789")
	s.numbered = digits && s.typ == "" && !s.statistic
	_, listed := t.vocabulary.Values[s.value]
	_, tagged := t.tagValues[s.value]
	s.known = listed || tagged && !s.measure || t.isComponent(s.value)
	t.byText[text] = s.id
	t.segments = append(t.segments, s)
	return s.id
}

func (t *table) segment(id uint32) *segment { return &t.segments[id] }

func (t *table) isEmpty(id uint32) bool { return t.segment(id).value == "" }

// isComponent says whether a text is the name of a known component.
func (t *table) isComponent(value string) bool {
	return t.components[value] || t.vocabulary.Components[value]
}

// isInstance says whether a value is a known component and an index, such as dea-3.
func (t *table) isInstance(id uint32) bool {
	value := t.segment(id).value
	i := strings.LastIndexByte(value, '-')
	if i < 1 || tagger.TypeOf(value[i+1:]) != "int" {
		return false
	}
	_, listed := t.vocabulary.Values[value[:i]]
	return listed || t.isComponent(value[:i])
}

func (t *table) segmentsOf(all []branch) []*segment {
	values := make([]*segment, len(all))
	for i, b := range all {
		values[i] = t.segment(b.id)
	}
	return values
}

// isMeasure says whether names of measurements end in a word.
func (t *table) isMeasure(word string) bool {
	return statistics[word] || measures[word] || t.vocabulary.Measures[word] > 1 || naming.CanonicalUnit(word) != ""
}

// statistics are what names of one measurement end in, where a library computes several figures of it.
var statistics = setOf(`
	count sum total min max mean avg average median stddev rate value p50 p75 p90 p95 p98 p99 p999 m1 m5 m15 1m 5m
	15m last upper lower sample percentile quantile delta gauge counter timer histogram snapshot current 1min 5min
	15min
`)

// measures are words by which metrics are called: in programs of any kind, and then what the runtimes of Java and Go
// tell of their memory, classes, threads and collections.
var measures = setOf(`
	bytes size length depth latency duration time seconds millis errors error failures failed success succeeded
	requests responses messages connections sessions usage used free available limit capacity utilization percent
	ratio load uptime age lag hits misses evictions retries timeouts dropped sent received pending active idle
	waiting running completed outstanding queued processed open opened closed created deleted threads calls
	invocations reads writes read written throughput temperature backlog healthy ready up status state version level
	score progress attempts rejected accepted expired events records rows items entries keys jobs tasks workers
	users clients nodes memory cpu disk offset position delay period interval start started stopped

	heap init committed loaded unloaded daemon peak collections allocated mallocs frees
`)

// setOf returns the words of a text.
func setOf(text string) map[string]bool {
	set := make(map[string]bool)
	for w := range strings.FieldsSeq(text) {
		set[w] = true
	}
	return set
}

// singular returns the singular of an English noun, or the noun itself.
func singular(noun string) string {
	switch {
	case strings.HasSuffix(noun, "ies") && len(noun) > 4:
		return noun[:len(noun)-3] + "y"
	case strings.HasSuffix(noun, "sses"), strings.HasSuffix(noun, "xes"), strings.HasSuffix(noun, "ches"),
		strings.HasSuffix(noun, "shes"):
		return noun[:len(noun)-2]
	case strings.HasSuffix(noun, "s") && !strings.HasSuffix(noun, "ss") && !strings.HasSuffix(noun, "us") &&
		!strings.HasSuffix(noun, "is") && len(noun) > 3:
		return noun[:len(noun)-1]
	}
	return noun
}
