package wire

import (
	"math"
	"strconv"
)

var zeroText = []byte{'0'} // constant

// integer reads a JSON number that is whole, however it is written: 150, 1.5e2 and 150.00 are the same. It fails for fractions and for
// what does not fit into 64 bits.
func integer(text []byte) (magnitude uint64, negative, ok bool) {
	b := text
	if len(b) > 0 && b[0] == '-' {
		b, negative = b[1:], true
	}
	// Fast path: up to 19 digits, which always fit.
	if len(b) > 0 && len(b) < 20 && (b[0] != '0' || len(b) == 1) {
		for i, c := range b {
			if c < '0' || c > '9' {
				break
			}
			magnitude = magnitude*10 + uint64(c-'0')
			if i == len(b)-1 {
				return magnitude, negative, true
			}
		}
	}
	if numberLength(text) != len(text) || len(text) == 0 {
		return 0, false, false
	}
	magnitude, ok = scaledInteger(b)
	return magnitude, negative, ok
}

// scaledInteger reads digits, a fraction and an exponent, whose grammar is known to be right.
func scaledInteger(b []byte) (magnitude uint64, ok bool) {
	point, end := len(b), len(b)
	for i, c := range b {
		if c == '.' {
			point = i
		}
		if c|0x20 == 'e' {
			end = i
			break
		}
	}
	point = min(point, end)
	exponent := 0
	if end < len(b) {
		// Beyond the range of int it is far from every whole number of 64 bits: only 0 is left.
		exponent, _ = strconv.Atoi(string(b[end+1:]))
		exponent = max(-1<<30, min(1<<30, exponent))
	}
	place := point + exponent // where the point stands once the exponent is applied, counted in digits
	seen := 0
	for _, c := range b[:end] {
		if c == '.' {
			continue
		}
		digit := uint64(c - '0')
		if seen >= place {
			if digit != 0 {
				return 0, false
			}
			continue
		}
		seen++
		if magnitude > (math.MaxUint64-digit)/10 {
			return 0, false
		}
		magnitude = magnitude*10 + digit
	}
	for ; seen < place && magnitude != 0; seen++ {
		if magnitude > math.MaxUint64/10 {
			return 0, false
		}
		magnitude *= 10
	}
	return magnitude, true
}

// powers of ten that a float64 holds exactly
var powersOfTen = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// float reads a JSON number. It fails beyond the range of float64.
func float(text []byte) (float64, bool) {
	if numberLength(text) != len(text) || len(text) == 0 {
		return 0, false
	}
	// Fast path: at most 15 digits without an exponent. They and the power of ten are exact, so that the quotient is the nearest
	// float64, as it must be.
	if len(text) <= 16 {
		b, negative := text, false
		if b[0] == '-' {
			b, negative = b[1:], true
		}
		var mantissa uint64
		fraction, isFraction, exact := 0, false, true
		for _, c := range b {
			switch {
			case c == '.':
				isFraction = true
				continue
			case c > '9':
				exact = false
			}
			mantissa = mantissa*10 + uint64(c-'0')
			if isFraction {
				fraction++
			}
		}
		if exact && mantissa < 1e15 {
			v := float64(mantissa) / powersOfTen[fraction]
			if negative {
				v = -v
			}
			return v, true
		}
	}
	// It copies short text to the stack.
	v, err := strconv.ParseFloat(string(text), 64)
	return v, err == nil
}
