package capture

import (
	"crypto/hmac"
	"crypto/sha256"
	"iter"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

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

// Letters of pseudonyms. None is a hexadecimal digit, and there are no digits among them: a pseudonym never looks
// like an id, an address, an index or a zone, so that rules that take those out of names do not take a pseudonym for
// one.
const pseudonymLetters = "ghjkmnpqrstvwxyz"

// pseudonymLength is in letters of 4 bits: two of 100,000 words get the same pseudonym with a probability of 2 in
// 100,000.
const pseudonymLength = 12

// pseudonym returns the replacement of a word or text.
func (s *Scrubber) pseudonym(text string) string {
	sum := s.digest("word", text)
	var b [pseudonymLength]byte
	for i := range b {
		b[i] = pseudonymLetters[sum[i]&15]
	}
	return string(b[:])
}

// name returns a pseudonym that begins with the kind of name that it replaces. An empty name stays empty.
func (s *Scrubber) name(what, text string) string {
	if text == "" {
		return ""
	}
	return what + "-" + s.pseudonym(text)
}

// maxNumber is how many digits a number may have that is kept: enough for ports, indices and sizes in names, too few
// for the number of a customer or an account.
const maxNumber = 6

// value replaces a text of unknown meaning as a whole. Ids and addresses keep their shape; short numbers and truth
// values stay.
func (s *Scrubber) value(text string) string {
	switch {
	case text == "", text == "true", text == "false", len(text) <= maxNumber && isNumber(text):
		return text
	case idLen(text) == len(text):
		return s.id(text)
	case ipv4Len(text) == len(text):
		return s.ipv4(text)
	case ipv6Len(text) == len(text):
		return s.ipv6(text)
	}
	return s.pseudonym(text)
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

// words replaces ids, addresses and those words that the vocabulary does not have, and keeps everything else: case,
// separators and short numbers.
func (s *Scrubber) words(text string) string {
	if known, ok := s.replaced[text]; ok {
		return known
	}
	replaced := s.replace(text, s.vocabularyRun)
	const maxRemembered, maxLength = 1 << 16, 256
	if s.replaced == nil || len(s.replaced) >= maxRemembered {
		s.replaced = make(map[string]string)
	}
	if len(text) <= maxLength {
		s.replaced[strings.Clone(text)] = replaced
	}
	return replaced
}

// knows reports whether a word is known: the vocabulary has it, in the singular at least, or it is made of known
// words of three letters and more, as "mountduration" is.
func (s *Scrubber) knows(word string) bool {
	return s.vocabulary[word] || s.vocabulary[strings.TrimSuffix(word, "s")] || s.knownPrefix(word) == len(word)
}

// knownPrefix is the length of the longest prefix of a word that is made of known words of three letters and more.
func (s *Scrubber) knownPrefix(word string) int {
	const shortest, longest = 3, 64 // bytes
	word = word[:min(len(word), longest)]
	made := make([]bool, len(word)+1) // whether the prefix of a length is made of known words
	made[0] = true
	prefix := 0
	for to := shortest; to <= len(word); to++ {
		for from := 0; from <= to-shortest && !made[to]; from++ {
			made[to] = made[from] && s.vocabulary[word[from:to]]
		}
		if made[to] {
			prefix = to
		}
	}
	return prefix
}

// vocabularyRun keeps a run whose words are all known or that has no more than two letters, as in "z1" or "p99". Of
// other runs it replaces the unknown words, adjacent ones as one. A known beginning of a capitalized word stays: of
// the name "DurationForexampledriver" the program that emits it wrote "For".
func (s *Scrubber) vocabularyRun(b *strings.Builder, run []part) {
	letters, unknown := 0, false
	for _, p := range run {
		if p.kind == wordPart {
			letters += utf8.RuneCountInString(p.text)
			unknown = unknown || !s.knows(p.lower())
		}
	}
	keep := !unknown || letters <= 2
	pending := ""
	for _, p := range run {
		if p.kind == wordPart && !keep && !s.knows(p.lower()) {
			if n := s.knownPrefix(p.lower()); n > 0 && pending == "" && n < len(p.text) && isCapitalized(p.text) {
				b.WriteString(p.text[:n])
				p.text = p.text[n:]
			}
			pending += p.text
			continue
		}
		s.writePseudonym(b, pending)
		pending = ""
		if p.kind == numberPart {
			s.writeNumber(b, p.text)
		} else {
			b.WriteString(p.text)
		}
	}
	s.writePseudonym(b, pending)
}

// hosts replaces a host, an address, a path, or a list of them. Addresses stay addresses, ids stay ids, and short
// numbers, ports among them, stay.
func (s *Scrubber) hosts(text string) string {
	return s.replace(text, func(b *strings.Builder, run []part) {
		if len(run) == 1 && run[0].kind == numberPart {
			s.writeNumber(b, run[0].text)
			return
		}
		var whole strings.Builder
		for _, p := range run {
			whole.WriteString(p.text)
		}
		s.writePseudonym(b, whole.String())
	})
}

// uri keeps the scheme, the port and the number of segments of the path. A user and a password are left out.
func (s *Scrubber) uri(uri string) string {
	var b strings.Builder
	rest := uri
	if scheme, after, ok := strings.Cut(uri, "://"); ok {
		switch scheme {
		case "http", "https", "ws", "wss", "tcp", "tls":
		default:
			scheme = s.pseudonym(scheme)
		}
		b.WriteString(scheme + "://")
		end := strings.IndexAny(after, "/?#")
		if end < 0 {
			end = len(after)
		}
		host := after[:end]
		b.WriteString(s.hosts(host[strings.LastIndexByte(host, '@')+1:]))
		rest = after[end:]
	}
	path := rest
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		path = rest[:i]
	}
	b.WriteString(s.hosts(path))
	if query := rest[len(path):]; query != "" {
		b.WriteByte(query[0])
		b.WriteString(s.pseudonym(query[1:]))
	}
	return b.String()
}

// replace replaces ids and addresses wherever they stand. It leaves each run of letters and digits between them to
// writeRun, and keeps the separators.
func (s *Scrubber) replace(text string, writeRun func(b *strings.Builder, run []part)) string {
	var b strings.Builder
	var run []part
	endRun := func() {
		if len(run) > 0 {
			writeRun(&b, run)
			run = run[:0]
		}
	}
	for p := range parts(text) {
		if p.kind == wordPart || p.kind == numberPart {
			run = append(run, p)
			continue
		}
		endRun()
		switch p.kind {
		case idPart:
			b.WriteString(s.id(p.text))
		case ipv4Part:
			b.WriteString(s.ipv4(p.text))
		case ipv6Part:
			b.WriteString(s.ipv6(p.text))
		default:
			b.WriteString(p.text)
		}
	}
	endRun()
	return b.String()
}

// writePseudonym writes the replacement of a word in the word's case; of no word, nothing.
func (s *Scrubber) writePseudonym(b *strings.Builder, word string) {
	if word != "" {
		b.WriteString(likeCase(word, s.pseudonym(strings.ToLower(word))))
	}
}

// writeNumber writes a short number as it is, and of a long one as many other digits.
func (s *Scrubber) writeNumber(b *strings.Builder, number string) {
	if len(number) > maxNumber {
		number = s.digits(number)
	}
	b.WriteString(number)
}

// isCapitalized reports whether a word begins with a single ASCII capital.
func isCapitalized(word string) bool {
	return 'A' <= word[0] && word[0] <= 'Z' && (len(word) == 1 || word[1] < 'A' || word[1] > 'Z')
}

// likeCase gives a pseudonym the case of the word it replaces: upper, capitalized, or lower.
func likeCase(word, pseudonym string) string {
	first, size := utf8.DecodeRuneInString(word)
	switch {
	case !unicode.IsUpper(first):
		return pseudonym
	case len(word) > size && strings.ToUpper(word) == word:
		return strings.ToUpper(pseudonym)
	default:
		return strings.ToUpper(pseudonym[:1]) + pseudonym[1:]
	}
}

// digits replaces a long number by one of the same length.
func (s *Scrubber) digits(number string) string {
	out := make([]byte, 0, len(number)+sha256.Size)
	for block := 0; len(out) < len(number); block++ {
		sum := s.digest("digits"+strconv.Itoa(block), number)
		for _, c := range sum {
			out = append(out, '0'+c%10)
		}
	}
	if out[0] == '0' {
		out[0] = '1'
	}
	return string(out[:len(number)])
}

// part is a piece of a text.
type part struct {
	kind partKind
	text string
}

type partKind uint8

const (
	separatorPart partKind = iota // ASCII punctuation, spaces and control characters
	wordPart                      // a word: letters up to the next change from lower to upper case
	numberPart                    // decimal digits
	idPart                        // a GUID or a long hexadecimal id, see idLen
	ipv4Part
	ipv6Part
)

func (p part) lower() string { return strings.ToLower(p.text) }

// parts yields the pieces of a text, in order and without gaps.
func parts(text string) iter.Seq[part] {
	return func(yield func(part) bool) {
		for at := 0; at < len(text); {
			p := nextPart(text, at)
			if !yield(p) {
				return
			}
			at += len(p.text)
		}
	}
}

func nextPart(text string, at int) part {
	rest := text[at:]
	afterLetterOrDigit := at > 0 && isWordByte(text[at-1])
	if n := idLen(rest); n > 0 {
		return part{idPart, rest[:n]}
	}
	if at == 0 || !isDecimal(text[at-1]) {
		if skip, n := ipv4In(rest); skip > 0 {
			return part{numberPart, rest[:leadingDigits(rest)]}
		} else if n > 0 {
			return part{ipv4Part, rest[:n]}
		}
	}
	if !afterLetterOrDigit {
		if n := ipv6Len(rest); n > 0 {
			return part{ipv6Part, rest[:n]}
		}
	}
	switch c := rest[0]; {
	case isDecimal(c):
		return part{numberPart, rest[:leadingDigits(rest)]}
	case isWordByte(c):
		return part{wordPart, rest[:wordLen(rest)]}
	default:
		return part{separatorPart, rest[:1]}
	}
}

func leadingDigits(text string) int {
	n := 0
	for n < len(text) && isDecimal(text[n]) {
		n++
	}
	return n
}

// isWordByte reports whether a byte belongs to a word or number: all but ASCII punctuation, spaces and control
// characters.
func isWordByte(c byte) bool {
	return c >= utf8.RuneSelf || isDecimal(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// wordLen is the length of the word that text starts with: "numBytes" starts with "num", "HTTPStatus" with "HTTP".
func wordLen(text string) int {
	upper, last := 0, 0 // capitals at the beginning, and where the last of them stands
	for at, r := range text {
		isWord := r >= utf8.RuneSelf || isWordByte(byte(r)) && !isDecimal(byte(r))
		switch {
		case !isWord:
			return at
		case !unicode.IsUpper(r):
			if upper > 1 {
				return last // the last capital begins the next word
			}
			return at + lowerLen(text[at:])
		}
		upper, last = upper+1, at
	}
	return len(text)
}

// lowerLen is the length of the letters that text starts with, up to a capital.
func lowerLen(text string) int {
	for at, r := range text {
		if unicode.IsUpper(r) || r < utf8.RuneSelf && (!isWordByte(byte(r)) || isDecimal(byte(r))) {
			return at
		}
	}
	return len(text)
}
