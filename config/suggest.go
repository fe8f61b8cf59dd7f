package config

import "strings"

// maxMisspelt bounds the time that a suggestion may take: no key of ours is nearly as long.
const maxMisspelt = 100

// Nearest returns the candidate that a misspelt dotted key most likely means: up to two slips of the pen, else the same last
// word in another section, else the fewest slips, where a shared beginning of the last word makes up for slips.
// Candidates must not be empty; of equals the first one is returned.
func Nearest(key string, candidates []string) string {
	key = key[:min(len(key), maxMisspelt)]
	best, bestCost := "", -1
	for _, c := range candidates {
		cost := distance(key, c)
		switch {
		case cost <= 2:
		case lastWord(key) == lastWord(c):
			cost = 3
		default:
			cost = max(4, cost-sharedPrefix(lastWord(key), lastWord(c)))
		}
		if bestCost < 0 || cost < bestCost {
			best, bestCost = c, cost
		}
	}
	return best
}

func sharedPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func lastWord(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// distance is the number of insertions, deletions, substitutions and swaps of neighbours that turn a into b
// (optimal string alignment), in bytes. Its time is the product of the lengths, so callers bound them.
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
