package tagger

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// captureKind says which text a capture takes.
type captureKind uint8

const (
	kindSegment captureKind = iota // up to the next dot or slash
	kindPath                       // up to the next slash
	kindDotted                     // up to the next dot, may be empty: `*` of statsd_exporter
	kindRest
	kindInt
	kindWord
	kindGUID
	kindIP
	kindStatus
	kindZone
	kindPort
	kindOrigin
	kindSet
)

// captureKinds are the types that patterns can name.
func captureKindNamed(name string) (captureKind, bool) {
	switch name {
	case "int":
		return kindInt, true
	case "word":
		return kindWord, true
	case "guid":
		return kindGUID, true
	case "ip":
		return kindIP, true
	case "status":
		return kindStatus, true
	case "zone":
		return kindZone, true
	case "port":
		return kindPort, true
	case "path":
		return kindPath, true
	case "origin":
		return kindOrigin, true
	}
	return 0, false
}

func captureKindNames() []string {
	return []string{"int", "word", "guid", "ip", "status", "zone", "port", "path", "origin"}
}

// capture is a capture of a pattern: its name, "" where it captures nothing, and what it takes.
type capture struct {
	name string
	kind captureKind
	set  *valueSet // kindSet only
}

// sameText says that two captures take the same texts in the same order of preference, whatever they are called.
func (c *capture) sameText(d *capture) bool {
	return c.kind == d.kind && (c.set == d.set || c.set != nil && d.set != nil && slices.Equal(c.set.values, d.set.values))
}

// valueSet is a set of values, longest first.
type valueSet struct {
	values  []string
	index   map[string]struct{}
	lengths []int // distinct, descending
	first   byteSet
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
		vs.first.add(v[0])
		if n := len(vs.lengths); n == 0 || vs.lengths[n-1] != len(v) {
			vs.lengths = append(vs.lengths, len(v))
		}
	}
	return vs
}

// byteSet is a set of bytes.
type byteSet [4]uint64

func (b *byteSet) add(c byte)      { b[c>>6] |= 1 << (c & 63) }
func (b *byteSet) has(c byte) bool { return b[c>>6]&(1<<(c&63)) != 0 }

// isRun says that the capture takes any run of certain bytes, and shortestRun how many at least.
func (c *capture) isRun() bool {
	switch c.kind {
	case kindSegment, kindPath, kindDotted, kindRest, kindInt, kindWord:
		return true
	default:
		return false
	}
}

func (c *capture) shortestRun() int {
	if c.kind == kindDotted {
		return 0
	}
	return 1
}

// holds says whether a run of the capture may hold a byte.
func (c *capture) holds(b byte) bool {
	switch c.kind {
	case kindSegment:
		return b != '.' && b != '/'
	case kindPath:
		return b != '/'
	case kindDotted:
		return b != '.'
	case kindInt:
		return isDigit(b)
	case kindWord:
		return isWord(b)
	default:
		return true
	}
}

// span returns the ends of the shortest and the longest text that the capture can take of s from pos on; every end between is one
// too. ok is false where it can take nothing. Not for kindOrigin and kindSet, whose ends do not form a range.
func (c *capture) span(s string, pos int) (shortest, longest int, ok bool) {
	if c.isRun() {
		end := pos
		for end < len(s) && c.holds(s[end]) {
			end++
		}
		shortest = pos + c.shortestRun()
		return shortest, end, end >= shortest
	}
	var lo, hi int
	switch c.kind {
	case kindGUID:
		hi = guidLen(s[pos:])
		lo = hi
	case kindStatus:
		hi = statusLen(s[pos:])
		lo = hi
	case kindIP:
		lo, hi = ipLen(s[pos:])
	case kindZone:
		lo, hi = zoneLen(s[pos:])
	default:
		lo, hi = 1, portLen(s[pos:])
	}
	return pos + lo, pos + hi, hi > 0
}

// regexp is the capture as a regular expression: what patterns mean is defined by it. origins are the texts of kindOrigin.
func (c *capture) regexp(origins []string) string {
	switch c.kind {
	case kindSegment:
		return `[^./]+`
	case kindPath:
		return `[^/]+`
	case kindDotted:
		return `[^.]*`
	case kindRest:
		return `(?s:.+)`
	case kindInt:
		return `[0-9]+`
	case kindWord:
		return `[A-Za-z0-9_-]+`
	case kindGUID:
		return `(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{8}(?:_[0-9A-Fa-f]{4}){3}_[0-9A-Fa-f]{12})`
	case kindIP:
		o := `(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
		return `(?:` + o + `(?:\.` + o + `){3}|` + o + `(?:-` + o + `){3}|` + o + `(?:_` + o + `){3})`
	case kindStatus:
		return `(?:[1-5](?:[0-9][0-9]|xx|XX)|xxx|XXX)`
	case kindZone:
		return `[Aa]?[Zz][0-9]{1,3}`
	case kindPort:
		return `(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{1,3}|[1-9])`
	case kindOrigin:
		return `(?:` + alternation(origins, folded) + `)`
	default:
		return `(?:` + alternation(c.set.values, regexp.QuoteMeta) + `)`
	}
}

func alternation(values []string, write func(string) string) string {
	if len(values) == 0 {
		return `[^\x00-\x{10FFFF}]` // nothing matches
	}
	written := make([]string, len(values))
	for i, v := range values {
		written[i] = write(v)
	}
	return strings.Join(written, "|")
}

// folded is an expression for a text in either ASCII case and as service-metrics rewrites it: with an underscore for each
// character that Prometheus does not allow in names.
func folded(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf && isLetter(byte(r)) {
			b.WriteString("[" + strings.ToLower(string(r)) + strings.ToUpper(string(r)) + "]")
			continue
		}
		if r < utf8.RuneSelf && isRewritten(byte(r)) {
			b.WriteString("(?:" + regexp.QuoteMeta(string(r)) + "|_)")
			continue
		}
		b.WriteString(regexp.QuoteMeta(string(r)))
	}
	return b.String()
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isWord(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '-' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// guidLen is 36 where s starts with a GUID, else 0.
func guidLen(s string) int {
	const n = 36
	if len(s) < n {
		return 0
	}
	sep := s[8]
	if sep != '-' && sep != '_' {
		return 0
	}
	for i := range n {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != sep {
				return 0
			}
		default:
			if !isHex(s[i]) {
				return 0
			}
		}
	}
	return n
}

// statusLen is 3 where s starts with an HTTP status or class, else 0.
func statusLen(s string) int {
	if len(s) < 3 {
		return 0
	}
	rest := s[1:3]
	if s[0] == 'x' && rest == "xx" || s[0] == 'X' && rest == "XX" {
		return 3
	}
	if s[0] < '1' || s[0] > '5' {
		return 0
	}
	if rest == "xx" || rest == "XX" || isDigit(rest[0]) && isDigit(rest[1]) {
		return 3
	}
	return 0
}

// octetLen is the length of the longest number up to 255 without leading zeros that s starts with, or 0.
func octetLen(s string) int {
	if s == "" || !isDigit(s[0]) {
		return 0
	}
	if s[0] == '0' {
		return 1
	}
	n, v := 0, 0
	for n < len(s) && n < 3 && isDigit(s[n]) {
		if v = v*10 + int(s[n]-'0'); v > 255 {
			break
		}
		n++
	}
	return n
}

// ipLen returns the lengths of the shortest and the longest IPv4 address that s starts with, or 0, 0.
func ipLen(s string) (shortest, longest int) {
	at, sep := 0, byte(0)
	for octet := 0; ; octet++ {
		n := octetLen(s[at:])
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
			sep = s[at]
		}
		if s[at] != sep || sep != '.' && sep != '-' && sep != '_' {
			return 0, 0
		}
		at++
	}
}

// zoneLen returns the lengths of the shortest and the longest zone that s starts with, or 0, 0.
func zoneLen(s string) (shortest, longest int) {
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

// portLen is the length of the longest port number that s starts with, or 0.
func portLen(s string) int {
	if s == "" || s[0] == '0' {
		return 0
	}
	n, v := 0, 0
	for n < len(s) && isDigit(s[n]) {
		if v = v*10 + int(s[n]-'0'); v > 65535 {
			break
		}
		n++
	}
	return n
}

// isRewritten tells whether service-metrics writes an underscore for an ASCII character.
func isRewritten(c byte) bool { return !isLetter(c) && !isDigit(c) && c != '_' && c != ':' }

// equalsOrigin compares an origin with a text of the same length, in either ASCII case, where the text may hold underscores as
// service-metrics writes them.
func equalsOrigin(origin, s string) bool {
	for i := range len(origin) {
		x, y := origin[i], s[i]
		if x == y || y == '_' && x < utf8.RuneSelf && isRewritten(x) {
			continue
		}
		if x|0x20 != y|0x20 || !isLetter(x) {
			return false
		}
	}
	return true
}

// foldEqual compares in either ASCII case.
func foldEqual(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || !isLetter(x) {
			return false
		}
	}
	return true
}
