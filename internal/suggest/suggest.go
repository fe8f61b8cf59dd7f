// Package suggest finds what a misspelt word most likely means, for error messages that name the remedy.
package suggest

// maxBytes bounds the time of one comparison: no key, flag or metric name that people type is nearly as long.
const maxBytes = 100

// Nearest returns the candidate with the least Distance to word, the first of equals. It returns "" if none is
// nearer than half of the word's length plus one.
func Nearest(word string, candidates []string) string {
	nearest, least := "", len(word)/2+1
	for _, c := range candidates {
		if d := Distance(word, c); d < least {
			nearest, least = c, d
		}
	}
	return nearest
}

// Distance returns how many bytes must be inserted, deleted or replaced, or swapped with their neighbour, to turn a
// into b (optimal string alignment distance). Only the first 100 bytes of each count.
func Distance(a, b string) int {
	a, b = a[:min(len(a), maxBytes)], b[:min(len(b), maxBytes)]
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := above[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(above[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
