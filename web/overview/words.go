package overview

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Number writes a whole number as all sentences and pages do, with commas.
func Number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	digits := strconv.FormatFloat(math.Abs(math.Round(v)), 'f', 0, 64)
	var b strings.Builder
	if v <= -0.5 {
		b.WriteByte('-')
	}
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// count spells a number of things.
func count(n float64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Number(n) + " " + noun + "s"
}

// percent spells a share, two digits of it where it is small.
func percent(share float64) string {
	if share >= 0.1 {
		return fmt.Sprintf("%.0f %%", 100*share)
	}
	return fmt.Sprintf("%.2g %%", 100*share)
}

// inWords spells whole minutes.
func inWords(d time.Duration) string {
	if d%time.Minute == 0 {
		return count(d.Minutes(), "minute")
	}
	return d.String()
}
