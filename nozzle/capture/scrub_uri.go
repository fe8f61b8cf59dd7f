package capture

import (
	"strconv"
	"strings"
)

// host replaces the labels of a host's name one by one; an address stays an address, and a port stays.
func (s *Scrubber) host(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Count(host, ":") == 1 && isNumber(host[i+1:]) {
		return s.host(host[:i]) + host[i:]
	}
	if scrubbed := s.text(host); scrubbed != host {
		return scrubbed
	}
	labels := strings.Split(host, ".")
	for i, label := range labels {
		if label != "" {
			labels[i] = s.word(strings.ToLower(label))
		}
	}
	return strings.Join(labels, ".")
}

func isNumber(text string) bool {
	if text == "" {
		return false
	}
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

// addresses replaces a list of hosts or addresses.
func (s *Scrubber) addresses(list string) string {
	var b strings.Builder
	separates := func(r rune) bool { return r == '\n' || r == ',' || r == ' ' || r == ';' }
	for list != "" {
		end := strings.IndexFunc(list, separates)
		if end < 0 {
			end = len(list)
		}
		if end > 0 {
			b.WriteString(s.host(list[:end]))
		} else {
			end = 1
			b.WriteString(list[:1])
		}
		list = list[end:]
	}
	return b.String()
}

// uri keeps scheme, port and the number of segments of the path; ids and numbers in it stay ids and numbers.
func (s *Scrubber) uri(uri string) string {
	var b strings.Builder
	rest := uri
	if i := strings.Index(rest, "://"); i >= 0 {
		b.WriteString(s.scheme(rest[:i]))
		b.WriteString("://")
		rest = rest[i+3:]
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		host := rest[:end]
		if i := strings.LastIndexByte(host, '@'); i >= 0 { // a user and a password
			host = host[i+1:]
		}
		b.WriteString(s.host(host))
		rest = rest[end:]
	}
	path, query := rest, ""
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		path, query = rest[:i], rest[i:]
	}
	for i, segment := range strings.Split(path, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(s.value(segment))
	}
	if query != "" {
		b.WriteByte(query[0])
		b.WriteString(s.word(query[1:]))
	}
	return b.String()
}

func (s *Scrubber) scheme(scheme string) string {
	switch scheme {
	case "http", "https", "ws", "wss", "tcp", "tls":
		return scheme
	}
	return s.word(scheme)
}

// value replaces a text of unknown meaning: ids and addresses keep their shape; numbers, which are short of what could identify
// anybody, and truth values stay.
func (s *Scrubber) value(text string) string {
	switch {
	case text == "", text == "true", text == "false", len(text) <= 6 && isNumber(text):
		return text
	case idLen(text) == len(text):
		return s.id(text)
	case ipv4Len(text) == len(text):
		return s.ipv4(text)
	case ipv6Len(text) == len(text):
		return s.ipv6(text)
	}
	return s.word(text)
}
