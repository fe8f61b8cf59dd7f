package metric

import (
	"bytes"
	"net/url"
)

// StatusClass makes 2xx of 200; what is not a status code is no class, but nil.
func StatusClass[T string | []byte](code T) []byte {
	if len(code) != 3 || code[0] == '0' || !IsStatusCode(code) {
		return nil
	}
	return statusClasses[code[0]-'1']
}

var statusClasses = [...][]byte{
	[]byte("1xx"), []byte("2xx"), []byte("3xx"), []byte("4xx"), []byte("5xx"), []byte("6xx"), []byte("7xx"),
	[]byte("8xx"), []byte("9xx"),
}

// IsStatusCode reports whether the value of a tag status_code is a number of at most three digits. The gorouter sends 0
// of requests that got no response.
func IsStatusCode[T string | []byte](code T) bool {
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return false
		}
	}
	return len(code) >= 1 && len(code) <= 3
}

var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
)

// SchemeHost takes scheme and host out of the uri of a request, which is not empty, as net/url does; both are empty
// where it cannot be read. The results are parts of uri in all but odd cases.
func SchemeHost(uri []byte) (scheme, host []byte) {
	if uri[0] == '/' && (len(uri) == 1 || uri[1] != '/') {
		return nil, nil // a path alone
	}
	rest, ok := bytes.CutPrefix(uri, schemeHTTP)
	scheme = schemeHTTP
	if ok && len(rest) > 0 && rest[0] == 's' {
		rest, scheme = rest[1:], schemeHTTPS
	}
	rest, colon := bytes.CutPrefix(rest, []byte("://"))
	if ok && colon {
		if host, ok := plainHost(rest); ok {
			// Fast path: nothing in it needs more than to be looked at.
			return scheme, host
		}
	}
	u, err := url.Parse(string(uri))
	if err != nil {
		return nil, nil
	}
	return []byte(u.Scheme), []byte(u.Host)
}

// plainHost returns the host that a uri begins with after its scheme, and whether all of it is of the kind that
// cannot be wrong: a name or address, digits as the port, and a path without fragment, control characters or broken
// escapes.
func plainHost(rest []byte) ([]byte, bool) {
	end := 0
	for end < len(rest) && isHostByte(rest[end]) {
		end++
	}
	host := rest[:end]
	if i := bytes.IndexByte(host, ':'); i >= 0 && !allDigits(host[i+1:]) {
		return nil, false
	}
	if end < len(rest) && rest[end] != '/' && rest[end] != '?' {
		return nil, false
	}
	query := false
	for i := end; i < len(rest); i++ {
		switch c := rest[i]; {
		case c <= ' ' || c >= 0x7f || c == '#':
			return nil, false
		case c == '?':
			query = true
		case c == '%' && !query && (i+2 >= len(rest) || !IsHexDigit(rest[i+1]) || !IsHexDigit(rest[i+2])):
			return nil, false
		}
	}
	return host, true
}

func isHostByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' ||
		c == ':'
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
