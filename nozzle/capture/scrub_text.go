package capture

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// Scrubber replaces what identifies a foundation and its users: names of apps, spaces and organizations, GUIDs, addresses, hosts, URIs and user agents.
// Equal inputs give equal outputs for as long as the scrubber lives, different ones different outputs, and its key is known to
// nobody: it is random and is never written. It serves one goroutine.
type Scrubber struct {
	key [32]byte
	// seen remembers what texts became; the same come again and again.
	seen map[string]string
}

// What is remembered is forgotten beyond this number of texts, none of which is long.
const (
	maxScrubSeen     = 1 << 16
	maxScrubSeenText = 256
)

// NewScrubber returns a scrubber with a key of its own.
func NewScrubber() *Scrubber {
	s := &Scrubber{}
	_, _ = rand.Read(s.key[:]) // it never fails
	return s
}

// digest is a keyed hash of a text; purpose keeps equal texts of different kinds apart.
func (s *Scrubber) digest(purpose, text string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, s.key[:])
	_, _ = mac.Write([]byte(purpose))
	_, _ = mac.Write([]byte{0})
	_, _ = mac.Write([]byte(text))
	var sum [sha256.Size]byte
	mac.Sum(sum[:0])
	return sum
}

// Letters of pseudonyms. None is a hexadecimal digit, and there are no digits among them: a pseudonym never looks like an id,
// an address, an index or a zone, so that whatever takes those out of names leaves it alone.
const pseudonymLetters = "ghjkmnpqrstvwxyz"

const pseudonymLength = 12 // of 4 bits each: among 100,000 names no two are likely to meet

// word is the pseudonym of a name.
func (s *Scrubber) word(text string) string {
	sum := s.digest("word", text)
	var b [pseudonymLength]byte
	for i := range b {
		b[i] = pseudonymLetters[sum[i]&15]
	}
	return string(b[:])
}

// name is a pseudonym that says what it stands for. No name stays no name.
func (s *Scrubber) name(what, text string) string {
	if text == "" {
		return ""
	}
	return what + "-" + s.word(text)
}

// text replaces GUIDs, addresses and long hexadecimal ids wherever they stand, and nothing else.
func (s *Scrubber) text(text string) string {
	if known, ok := s.seen[text]; ok {
		return known
	}
	scrubbed := s.scrub(text)
	if s.seen == nil || len(s.seen) >= maxScrubSeen {
		s.seen = make(map[string]string)
	}
	if len(text) <= maxScrubSeenText {
		s.seen[strings.Clone(text)] = scrubbed
	}
	return scrubbed
}

func (s *Scrubber) scrub(text string) string {
	var b strings.Builder
	from := 0
	replace := func(at, n int, with string) {
		b.WriteString(text[from:at])
		b.WriteString(with)
		from = at + n
	}
	for i := 0; i < len(text); {
		inNumber := i > 0 && isDecimal(text[i-1]) && from != i
		switch {
		case idLen(text[i:]) > 0:
			n := idLen(text[i:])
			replace(i, n, s.id(text[i:i+n]))
			i += n
		case !inNumber && ipv4Len(text[i:]) > 0:
			skip, n := ipv4In(text[i:])
			replace(i+skip, n, s.ipv4(text[i+skip:i+skip+n]))
			i += skip + n
		case (i == 0 || !isHexOrColon(text[i-1])) && ipv6Len(text[i:]) > 0:
			n := ipv6Len(text[i:])
			replace(i, n, s.ipv6(text[i:i+n]))
			i += n
		default:
			i++
		}
	}
	if from == 0 {
		return text
	}
	b.WriteString(text[from:])
	return b.String()
}

func isDecimal(c byte) bool { return c >= '0' && c <= '9' }

func isHexDigit(c byte) bool {
	return isDecimal(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isHexOrColon(c byte) bool { return isHexDigit(c) || c == ':' }

// Hexadecimal runs from this length on are ids, unless they are decimal numbers.
const minHexID = 16

// idLen is the length of a GUID, whole or without its end as Diego shortens it, or of a long hexadecimal id that text starts with, else 0.
func idLen(text string) int {
	groups := []int{8, 4, 4, 4}
	at := 0
	for i, n := range groups {
		if !hexRun(text[at:], n) {
			return longHexLen(text)
		}
		at += n
		if i == len(groups)-1 {
			break
		}
		if at >= len(text) || text[at] != '-' && text[at] != '_' || text[at] != text[8] {
			return longHexLen(text)
		}
		at++
	}
	if at < len(text) && text[at] == text[8] && hexRun(text[at+1:], 4) {
		at += 5
		for last := 4; last < 12 && at < len(text) && isHexDigit(text[at]); last++ {
			at++
		}
	}
	return at
}

func hexRun(text string, n int) bool {
	if len(text) < n {
		return false
	}
	for i := range n {
		if !isHexDigit(text[i]) {
			return false
		}
	}
	return true
}

func longHexLen(text string) int {
	n, digits := 0, 0
	for n < len(text) && isHexDigit(text[n]) {
		if isDecimal(text[n]) {
			digits++
		}
		n++
	}
	if n < minHexID || digits == n || digits == 0 {
		return 0
	}
	return n
}

// id replaces the digits of a GUID or hexadecimal id, and keeps its length, separators, case, which of its groups are
// decimal and, of a GUID, the version. How the id is spelt makes no difference to the digits.
func (s *Scrubber) id(id string) string {
	plain := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(id))
	digits := make([]byte, 0, len(plain)+2*sha256.Size)
	for block := 0; len(digits) < len(plain); block++ {
		sum := s.digest("id"+strconv.Itoa(block), plain)
		digits = hex.AppendEncode(digits, sum[:])
	}
	keepForm(digits, plain)
	upper := strings.ToLower(id) != id
	out := []byte(id)
	next := 0
	for i, c := range out {
		if !isHexDigit(c) {
			continue
		}
		out[i] = digits[next]
		if upper && digits[next] >= 'a' {
			out[i] -= 'a' - 'A'
		}
		next++
	}
	return string(out)
}

// guidGroups are where the groups of a GUID begin, without separators.
var guidGroups = [...]int{0, 8, 12, 16, 20}

// keepForm leaves decimal those groups of an id that are, and no others, since rules tell instances' numbers by that; and keeps the
// version of a GUID.
func keepForm(digits []byte, plain string) {
	const version = 12
	for i, from := range guidGroups {
		to := len(plain)
		if i+1 < len(guidGroups) {
			to = min(to, guidGroups[i+1])
		}
		if from >= to {
			return
		}
		group := digits[from:to]
		switch {
		case allDecimal(plain[from:to]):
			for k, c := range group {
				if !isDecimal(c) {
					group[k] = c - 'a' + '0'
				}
			}
		case allDecimal(string(group)):
			group[len(group)-1] = 'a' + (group[len(group)-1]-'0')%6
		}
		if from == version {
			group[0] = plain[version]
		}
	}
}

func allDecimal(text string) bool {
	for i := range len(text) {
		if !isDecimal(text[i]) {
			return false
		}
	}
	return true
}

// ipv4Len is the length of an IPv4 address that text starts with, its octets apart by one of `.`, `-` and `_`, else 0.
func ipv4Len(text string) int {
	at := 0
	for octet := range 4 {
		value, n := 0, 0
		for n < 3 && at+n < len(text) && isDecimal(text[at+n]) {
			value = 10*value + int(text[at+n]-'0')
			n++
		}
		if n == 0 || value > 255 || n > 1 && text[at] == '0' {
			return 0
		}
		at += n
		if octet == 3 {
			break
		}
		if at >= len(text) || strings.IndexByte(".-_", text[at]) < 0 || octet > 0 && text[at] != text[strings.IndexAny(text, ".-_")] {
			return 0
		}
		at++
	}
	if at < len(text) && isDecimal(text[at]) {
		return 0
	}
	return at
}

// ipv4In finds the address in a run of numbers that starts as one. Of more than four numbers, as in index.address, the address
// begins with the first that is plausible as its first octet.
func ipv4In(text string) (skip, n int) {
	first := ipv4Len(text)
	for at := 0; ; {
		n := ipv4Len(text[at:])
		if n == 0 {
			return 0, first
		}
		sep := strings.IndexAny(text[at:], ".-_")
		if sep > 1 {
			return at, n
		}
		at += sep + 1
	}
}

// ipv4 replaces an address, and keeps what stands between its octets.
func (s *Scrubber) ipv4(address string) string {
	sep := address[strings.IndexAny(address, ".-_")]
	var value uint32
	for octet := range strings.SplitSeq(address, string(sep)) {
		n, _ := strconv.ParseUint(octet, 10, 8)
		value = value<<8 | uint32(n)
	}
	value = s.permute(value)
	out := make([]byte, 0, len("255.255.255.255"))
	for shift := 24; shift >= 0; shift -= 8 {
		if len(out) > 0 {
			out = append(out, sep)
		}
		out = strconv.AppendUint(out, uint64(value>>shift&0xff), 10)
	}
	return string(out)
}

// permute maps addresses onto addresses one to one: a Feistel network, whose rounds are keyed. Hashes alone would meet, since there are so few addresses.
func (s *Scrubber) permute(v uint32) uint32 {
	left, right := uint16(v>>16), uint16(v)
	for round := range 6 {
		sum := s.digest("address"+strconv.Itoa(round), string(binary.BigEndian.AppendUint16(nil, right)))
		left, right = right, left^binary.BigEndian.Uint16(sum[:])
	}
	return uint32(left)<<16 | uint32(right)
}

// ipv6Len is the length of an IPv6 address that text starts with, else 0. Two colons are the least that one has.
func ipv6Len(text string) int {
	n, colons := 0, 0
	for n < len(text) && n < 45 && (isHexOrColon(text[n]) || text[n] == '.') {
		if text[n] == ':' {
			colons++
		}
		n++
	}
	if colons < 2 {
		return 0
	}
	for ; n > 1; n-- {
		if _, err := netip.ParseAddr(text[:n]); err == nil {
			return n
		}
	}
	return 0
}

// ipv6 replaces an address by one of those that are never routed.
func (s *Scrubber) ipv6(address string) string {
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return s.word(address)
	}
	sum := s.digest("address6", parsed.String())
	var b [16]byte
	copy(b[:], sum[:])
	b[0] = 0xfd
	return netip.AddrFrom16(b).String()
}
