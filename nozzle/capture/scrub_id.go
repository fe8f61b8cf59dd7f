package capture

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"loggregator_exporter/metric"
)

func isDecimal(c byte) bool { return c >= '0' && c <= '9' }

// minHexID is how many hexadecimal digits make an id; fewer, or decimal digits alone, do not.
const minHexID = 16

// idLen is the length of a GUID, whole or without its end as Diego shortens it, or of a long hexadecimal id that
// text starts with, else 0.
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
		for last := 4; last < 12 && at < len(text) && metric.IsHexDigit(text[at]); last++ {
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
		if !metric.IsHexDigit(text[i]) {
			return false
		}
	}
	return true
}

func longHexLen(text string) int {
	n, digits := 0, 0
	for n < len(text) && metric.IsHexDigit(text[n]) {
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

// id replaces the digits of a GUID or hexadecimal id. It keeps length, separators and case, which of its groups are
// decimal and, of a GUID, the version. Spellings of one id, with other separators or in another case, get the same
// digits.
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
		if !metric.IsHexDigit(c) {
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

// keepForm leaves decimal those groups of an id that are, and no others, since rules tell instances' numbers by
// that; and keeps the version of a GUID.
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

// ipv4Len is the length of an IPv4 address that text starts with, else 0. Its octets are separated by `.`, `-` or
// `_`, and may be padded with zeros.
func ipv4Len(text string) int {
	at := 0
	for octet := range 4 {
		value, n := 0, 0
		for n < 3 && at+n < len(text) && isDecimal(text[at+n]) {
			value = 10*value + int(text[at+n]-'0')
			n++
		}
		if n == 0 || value > 255 {
			return 0
		}
		at += n
		if octet == 3 {
			break
		}
		if at >= len(text) || strings.IndexByte(".-_", text[at]) < 0 ||
			octet > 0 && text[at] != text[strings.IndexAny(text, ".-_")] {
			return 0
		}
		at++
	}
	if at < len(text) && isDecimal(text[at]) {
		return 0
	}
	return at
}

// ipv4In finds the address in a run of numbers that starts as one. Of more than four numbers, as in index.address,
// the address begins with the first that is plausible as its first octet.
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

// permute maps addresses onto addresses one to one, by a Feistel network with keyed rounds. Hashes would map two of
// so few addresses onto one.
func (s *Scrubber) permute(v uint32) uint32 {
	left, right := uint16(v>>16), uint16(v)
	for round := range 6 {
		sum := s.digest("address"+strconv.Itoa(round), string(binary.BigEndian.AppendUint16(nil, right)))
		left, right = right, left^binary.BigEndian.Uint16(sum[:])
	}
	return uint32(left)<<16 | uint32(right)
}

// ipv6Len is the length of an IPv6 address that text starts with, else 0. Text that merely has the form, such as the
// start of "a::Name" or "::", is none: an address has two groups or more and a digit, and no letter or digit follows
// it.
func ipv6Len(text string) int {
	n, groups, digits := 0, 0, 0
	for ; n < len(text) && n < maxIPv6; n++ {
		switch c := text[n]; {
		case metric.IsHexDigit(c):
			if n == 0 || text[n-1] == ':' {
				groups++
			}
			if isDecimal(c) {
				digits++
			}
			continue
		case c == ':', c == '.':
			continue
		}
		break
	}
	if groups < 2 || digits == 0 || n < len(text) && isWordByte(text[n]) {
		return 0
	}
	for ; n > 1; n-- {
		if _, err := netip.ParseAddr(text[:n]); err == nil && strings.Contains(text[:n], ":") {
			return n
		}
	}
	return 0
}

// maxIPv6 is the length of the longest textual form of an IPv6 address, one that ends in an IPv4 address.
const maxIPv6 = 45

// ipv6 replaces an address by one of those that are never routed.
func (s *Scrubber) ipv6(address string) string {
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return s.pseudonym(address)
	}
	sum := s.digest("address6", parsed.String())
	var b [16]byte
	copy(b[:], sum[:])
	b[0] = 0xfd
	return netip.AddrFrom16(b).String()
}
