package tagger

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"loggregator_exporter/metric"
)

// captureType says which texts a capture takes.
type captureType uint8

const (
	typeSegment captureType = iota // up to the next dot or slash
	typeField                      // up to the next dot, may be empty: `*` of statsd_exporter
	typeRest
	typeInt
	typeWord
	typeGUID
	typeIP
	typeStatus
	typeZone
	typePort
	typePath
	typeOrigin
	typeSet
)

// typeInfo describes a captureType.
type typeInfo struct {
	name string // as patterns spell it, "" if they cannot
	// regexp is the meaning of the type, for tests: the index must find what the regular expressions of all patterns
	// find.
	regexp string
	sample string  // a text that it takes
	bytes  byteSet // that texts of the type can contain
	// lengths returns the lengths of the shortest and the longest text of the type that s starts with, or 0, 0. All
	// lengths between them are possible as well. A type without lengths is a run: any number of its bytes, at least
	// shortest.
	lengths  func(s string) (shortest, longest int)
	shortest int
}

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

	octetRegexp = `(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
	ipRegexp    = octetRegexp + `(?:\.` + octetRegexp + `){3}|` + octetRegexp + `(?:-` + octetRegexp + `){3}|` +
		octetRegexp + `(?:_` + octetRegexp + `){3}`
	guidRegexp = `[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|` +
		`[0-9A-Fa-f]{8}(?:_[0-9A-Fa-f]{4}){3}_[0-9A-Fa-f]{12}`
	portRegexp = `6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{1,3}|[1-9]`
)

var captureTypes = [...]typeInfo{
	typeSegment: {regexp: `[^./]+`, sample: "q9w", bytes: allBytesBut("./"), shortest: 1},
	typeField:   {regexp: `[^.]*`, sample: "q9w", bytes: allBytesBut(".")},
	typeRest:    {regexp: `(?s:.+)`, sample: "q9w", bytes: allBytesBut(""), shortest: 1},
	typeInt:     {name: "int", regexp: `[0-9]+`, sample: "7", bytes: bytesOf(digits), shortest: 1},
	typeWord: {
		name: "word", regexp: `[A-Za-z0-9_-]+`, sample: "q9w", bytes: bytesOf(letters + digits + "_-"), shortest: 1,
	},
	typeGUID: {
		name: "guid", regexp: guidRegexp, sample: "01234567-89ab-cdef-0123-456789abcdef",
		bytes: bytesOf("abcdefABCDEF" + digits + "-_"), lengths: guidLengths,
	},
	typeIP: {name: "ip", regexp: ipRegexp, sample: "10.0.0.1", bytes: bytesOf(digits + ".-_"), lengths: ipLengths},
	typeStatus: {
		name: "status", regexp: `[1-5](?:[0-9][0-9]|xx|XX)|xxx|XXX`, sample: "200",
		bytes: bytesOf(digits + "xX"), lengths: statusLengths,
	},
	typeZone: {
		name: "zone", regexp: `[Aa]?[Zz][0-9]{1,3}`, sample: "z1", bytes: bytesOf(digits + "aAzZ"), lengths: zoneLengths,
	},
	typePort:   {name: "port", regexp: portRegexp, sample: "8080", bytes: bytesOf(digits), lengths: portLengths},
	typePath:   {name: "path", regexp: `[^/]+`, sample: "q9w", bytes: allBytesBut("/"), shortest: 1},
	typeOrigin: {name: "origin", sample: sampleOrigin, bytes: allBytesBut("")}, // the texts are those of the metric
	typeSet:    {bytes: allBytesBut("")},                                       // the texts are those of the capture
}

// sampleOrigin is the component for which origin captures take their sample.
const sampleOrigin = "q9w"

// captureTypeNamed returns the type that patterns call by a name.
func captureTypeNamed(name string) (captureType, bool) {
	for t := range captureTypes {
		if captureTypes[t].name == name && name != "" {
			return captureType(t), true
		}
	}
	return 0, false
}

func captureTypeNames() []string {
	var names []string
	for t := range captureTypes {
		if name := captureTypes[t].name; name != "" {
			names = append(names, name)
		}
	}
	return names
}

// capture is a capture of a pattern: its name, "" for one that captures nothing, and the texts that it takes.
type capture struct {
	name string
	typ  captureType
	set  *valueSet // typeSet only
}

func (c *capture) info() *typeInfo { return &captureTypes[c.typ] }

// isRun reports whether the capture takes any number of bytes of its set.
func (c *capture) isRun() bool {
	return c.info().lengths == nil && c.typ != typeOrigin && c.typ != typeSet
}

// takesSame reports whether two captures take the same texts, in the same order of preference.
func (c *capture) takesSame(d *capture) bool {
	return c.typ == d.typ && (c.set == d.set || c.set != nil && d.set != nil && slices.Equal(c.set.values, d.set.values))
}

// sample is a text that the capture takes.
func (c *capture) sample() string {
	if c.typ == typeSet {
		return c.set.values[0]
	}
	return c.info().sample
}

// ends calls yield with the end of every text that the capture takes of s from pos on, the longest first. origins
// are the texts of typeOrigin.
func (c *capture) ends(s string, pos int, origins *[2]string, yield func(end int)) {
	switch info := c.info(); {
	case c.typ == typeSet:
		if pos == len(s) || !c.set.firstBytes.has(s[pos]) {
			return
		}
		for _, n := range c.set.lengths {
			if end := pos + n; end <= len(s) && c.set.has(s[pos:end]) {
				yield(end)
			}
		}
	case c.typ == typeOrigin:
		for _, o := range origins {
			if end := pos + len(o); o != "" && end <= len(s) && equalsOrigin(o, s[pos:end]) {
				yield(end)
			}
		}
	case info.lengths != nil:
		shortest, longest := info.lengths(s[pos:])
		for n := longest; n >= max(shortest, 1); n-- {
			yield(pos + n)
		}
	default:
		end := pos
		for end < len(s) && info.bytes.has(s[end]) {
			end++
		}
		for ; end >= pos+info.shortest; end-- {
			yield(end)
		}
	}
}

// String writes the capture as a pattern would, a long set shortened.
func (c *capture) String() string {
	name := c.name
	if name == "" {
		name = "_"
	}
	switch {
	case c.typ == typeRest:
		return "{" + name + "...}"
	case c.typ == typeSet && len(c.set.values) > 4:
		return fmt.Sprintf("{%s:%s|... %d more}", name, strings.Join(c.set.values[:3], "|"), len(c.set.values)-3)
	case c.typ == typeSet:
		return "{" + name + ":" + strings.Join(c.set.values, "|") + "}"
	case c.info().name != "":
		return "{" + name + ":" + c.info().name + "}"
	default:
		return "{" + name + "}"
	}
}

// valueSet is a set of values, longest first.
type valueSet struct {
	values     []string
	index      map[string]struct{}
	lengths    []int // distinct, descending
	firstBytes byteSet
}

func newValueSet(values []string) *valueSet {
	vs := &valueSet{values: slices.Clone(values), index: make(map[string]struct{}, len(values))}
	slices.SortFunc(vs.values, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	vs.values = slices.Compact(vs.values)
	for _, v := range vs.values {
		vs.index[v] = struct{}{}
		vs.firstBytes.add(v[0])
		if n := len(vs.lengths); n == 0 || vs.lengths[n-1] != len(v) {
			vs.lengths = append(vs.lengths, len(v))
		}
	}
	return vs
}

func (vs *valueSet) has(value string) bool {
	_, ok := vs.index[value]
	return ok
}

// byteSet is a set of bytes.
type byteSet [4]uint64

func (b *byteSet) add(c byte)      { b[c>>6] |= 1 << (c & 63) }
func (b *byteSet) has(c byte) bool { return b[c>>6]&(1<<(c&63)) != 0 }

// isIn reports whether all bytes of the set are in another one.
func (b *byteSet) isIn(c *byteSet) bool { return b[0]&^c[0]|b[1]&^c[1]|b[2]&^c[2]|b[3]&^c[3] == 0 }

func bytesOf(s string) (set byteSet) {
	for i := range len(s) {
		set.add(s[i])
	}
	return set
}

func allBytesBut(s string) byteSet {
	set := bytesOf(s)
	for i := range set {
		set[i] = ^set[i]
	}
	return set
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isAlphanumeric(c byte) bool { return isLetter(c) || isDigit(c) }

func guidLengths(s string) (shortest, longest int) {
	var guid [36]byte
	if len(s) < len(guid) {
		return 0, 0
	}
	copy(guid[:], s)
	if guid[8] == '_' {
		for i, c := range guid {
			switch c {
			case '_':
				guid[i] = '-'
			case '-':
				guid[i] = '_'
			}
		}
	}
	if !metric.IsGUID(guid[:]) {
		return 0, 0
	}
	return len(guid), len(guid)
}

func statusLengths(s string) (shortest, longest int) {
	if len(s) < 3 {
		return 0, 0
	}
	class, rest := s[0], s[1:3]
	isRest := rest == "xx" || rest == "XX" || isDigit(rest[0]) && isDigit(rest[1])
	if '1' <= class && class <= '5' && isRest || s[:3] == "xxx" || s[:3] == "XXX" {
		return 3, 3
	}
	return 0, 0
}

func ipLengths(s string) (shortest, longest int) {
	at, separator := 0, byte(0)
	for octet := 0; ; octet++ {
		n := octetLength(s[at:])
		if n == 0 {
			return 0, 0
		}
		if octet == 3 {
			return at + 1, at + n
		}
		at += n
		if at >= len(s) {
			return 0, 0
		}
		if octet == 0 {
			separator = s[at]
		}
		if s[at] != separator || separator != '.' && separator != '-' && separator != '_' {
			return 0, 0
		}
		at++
	}
}

// octetLength is the length of the longest number up to 255 without leading zeros that s starts with, or 0.
func octetLength(s string) int {
	if strings.HasPrefix(s, "0") {
		return 1
	}
	return numberLength(s, 255)
}

// numberLength is the length of the longest number up to most that s starts with, or 0.
func numberLength(s string, most int) int {
	n, value := 0, 0
	for n < len(s) && isDigit(s[n]) {
		if value = value*10 + int(s[n]-'0'); value > most {
			break
		}
		n++
	}
	return n
}

func zoneLengths(s string) (shortest, longest int) {
	at := 0
	if s != "" && s[0]|0x20 == 'a' {
		at = 1
	}
	if at >= len(s) || s[at]|0x20 != 'z' {
		return 0, 0
	}
	at++
	n := 0
	for n < 3 && at+n < len(s) && isDigit(s[at+n]) {
		n++
	}
	if n == 0 {
		return 0, 0
	}
	return at + 1, at + n
}

func portLengths(s string) (shortest, longest int) {
	if strings.HasPrefix(s, "0") {
		return 0, 0
	}
	return 1, numberLength(s, 65535)
}

// equalsOrigin says whether an origin and a text of the same length are equal apart from the case of ASCII letters
// and from the underscores that service-metrics writes.
func equalsOrigin(origin, s string) bool {
	for i := range len(origin) {
		if s[i] != '_' || !isRewritten(origin[i]) {
			if !equalFoldASCII(origin[i:i+1], s[i:i+1]) {
				return false
			}
		}
	}
	return true
}

// isRewritten says whether service-metrics writes an underscore for an ASCII character.
func isRewritten(c byte) bool { return c < utf8.RuneSelf && !isAlphanumeric(c) && c != '_' && c != ':' }

// equalFoldASCII says whether texts are equal apart from the case of ASCII letters.
func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if x, y := a[i], b[i]; x != y && (x|0x20 != y|0x20 || !isLetter(x)) {
			return false
		}
	}
	return true
}
