package metric

import "strings"

// IsGUID reports whether text has the form of a GUID, 8-4-4-4-12 hexadecimal digits. A source id of this form is an
// app's; Loggregator's components use names.
func IsGUID[T string | []byte](text T) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (text[i] == '-') || !dash && !IsHexDigit(text[i]) {
			return false
		}
	}
	return true
}

// IsHexDigit reports whether c is a hexadecimal digit of either case.
func IsHexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// IsContainerMetric reports whether a name is one of the five that Diego sends for every instance of an app.
func IsContainerMetric[T string | []byte](name T) bool {
	switch string(name) {
	case "cpu", "memory", "disk", "memory_quota", "disk_quota":
		return true
	}
	return false
}

// IsRouter reports whether an origin or source id is the gorouter's: a name of its job, alone or followed by an index
// as in "router__0".
func IsRouter[T string | []byte](sender T) bool {
	for _, name := range [...]string{"gorouter", "router"} {
		if len(sender) >= len(name) && string(sender[:len(name)]) == name {
			return len(sender) == len(name) || sender[len(name)] == '_'
		}
	}
	return false
}

// LegalLabel returns the label name for an envelope tag. Bytes other than ASCII letters, digits and underscores become
// underscores; the result never starts with a digit, nor with two underscores, which Prometheus reserves.
func LegalLabel(tag string) string {
	legal := func(c byte) bool {
		return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	}
	changed := tag == "" || '0' <= tag[0] && tag[0] <= '9' || strings.HasPrefix(tag, "__")
	for i := 0; !changed && i < len(tag); i++ {
		changed = !legal(tag[i])
	}
	if !changed {
		return tag
	}
	b := []byte(tag)
	for i, c := range b {
		if !legal(c) {
			b[i] = '_'
		}
	}
	name := strings.TrimLeft(string(b), "_")
	if name == "" || len(name) < len(b) || '0' <= name[0] && name[0] <= '9' {
		name = "_" + name
	}
	return name
}
