package exposition

import (
	"bytes"
	"math"
	"strconv"
)

// maxPlain bounds the integers that are written without an exponent: all of them are exact in a float64.
const maxPlain = 1e15

// appendValue appends a sample's value such that parsing gives the same bits, but for the payload of a NaN.
func appendValue(dst []byte, v float64) []byte {
	// Fast path: most values of counters and byte sizes are integers. The comparison of bits keeps -0 out.
	if v > -maxPlain && v < maxPlain {
		if i := int64(v); float64(i) == v && (i != 0 || math.Float64bits(v) == 0) {
			return strconv.AppendInt(dst, i, 10)
		}
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// appendBound appends the value of a label le. It is part of the identity of a series, so it is spelt exactly as
// client_golang spells it: as short as possible in the text format, always recognisable as a float in OpenMetrics.
func appendBound(dst []byte, v float64, openMetrics bool) []byte {
	if v == 0 {
		v = 0 // no -0
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
	if openMetrics && !math.IsInf(v, 0) && !math.IsNaN(v) && !bytes.ContainsAny(dst[start:], ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendEscaped appends text as both formats write it inside quotes, or, without quotes, as the text format writes HELP.
func appendEscaped(dst []byte, s string, quotes bool) []byte {
	from := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '\n':
			c = 'n'
		case c == '\\':
		case c == '"' && quotes:
		default:
			continue
		}
		dst = append(dst, s[from:i]...)
		dst = append(dst, '\\', c)
		from = i + 1
	}
	return append(dst, s[from:]...)
}
