package compat

import (
	"bytes"
	"net/url"
)

var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
)

// schemeHost takes scheme and host out of the uri of a request, which is not empty, as net/url does; both are empty where it cannot be read. The results are
// parts of uri in all but odd cases.
func schemeHost(uri []byte) (scheme, host []byte) {
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

// plainHost returns the host that a uri begins with after its scheme, and whether all of it is of the kind that cannot be wrong: a name
// or address, digits as the port, and a path without fragment, control characters or broken escapes.
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
		case c == '%' && !query && (i+2 >= len(rest) || !isHex(rest[i+1]) || !isHex(rest[i+2])):
			return nil, false
		}
	}
	return host, true
}

func isHostByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' || c == ':'
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
