package console

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"loggregator_exporter/web/overview"
)

// maxShown is how much of a text that someone else chose stands in a table.
const maxShown = 200

// visible returns a text that someone else chose with its control characters, invalid bytes and those characters
// escaped that change the direction or the order of the text around them, or are not to be seen.
func visible(s string) string {
	if strings.IndexFunc(s, hidden) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case hidden(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

// lines is visible for a text of several lines.
func lines(s string) string {
	parts := strings.Split(s, "\n")
	for i, part := range parts {
		parts[i] = visible(strings.ReplaceAll(strings.TrimSuffix(part, "\r"), "\t", "    "))
	}
	return strings.Join(parts, "\n")
}

// value writes a sample's value, which comes as Prometheus' API writes it, with commas where it is a large whole
// number.
func value(s string) string {
	v, err := strconv.ParseFloat(s, 64)
	if err == nil && v == math.Trunc(v) && math.Abs(v) >= 1000 && math.Abs(v) < 1e15 {
		return count(v)
	}
	return s
}

func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
}

// short is visible with no more than maxShown characters.
func short(s string) string {
	if utf8.RuneCountInString(s) > maxShown {
		s = string([]rune(s)[:maxShown]) + "…"
	}
	return visible(s)
}

// count writes a number with commas.
func count(v float64) string { return overview.Number(v) }

// rate writes a number of things in a second.
func rate(v float64) string {
	switch {
	case v == 0:
		return "0/s"
	case v < 0.095:
		return strconv.FormatFloat(v*60, 'g', 1, 64) + "/min"
	case v < 9.95:
		return strconv.FormatFloat(v, 'f', 1, 64) + "/s"
	default:
		return count(v) + "/s"
	}
}

// share writes a part of a whole.
func share(part, whole float64) string {
	switch percent := 100 * part / whole; {
	case whole <= 0:
		return ""
	case part > 0 && percent < 0.1:
		return "< 0.1 %"
	case percent > 99.9 && part < whole:
		return "> 99.9 %"
	case percent < 9.95:
		return strconv.FormatFloat(percent, 'f', 1, 64) + " %"
	default:
		return strconv.FormatFloat(percent, 'f', 0, 64) + " %"
	}
}

// size writes a number of bytes.
func size(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	if i == 0 || v >= 99.95 {
		return strconv.FormatFloat(v, 'f', 0, 64) + " " + units[i]
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + units[i]
}

// span writes a duration by its two largest units.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + span(d.Abs()) // which is above 0 even of the lowest duration
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return two(d, time.Minute, "min", time.Second, "s")
	case d < 24*time.Hour:
		return two(d, time.Hour, "h", time.Minute, "min")
	default:
		return two(d, 24*time.Hour, "d", time.Hour, "h")
	}
}

// seconds writes a duration that is a number of seconds.
func seconds(v float64) string {
	switch {
	case math.IsNaN(v):
		return "unknown"
	case math.Abs(v) > math.MaxInt32:
		return count(v) + " s"
	default:
		return span(time.Duration(v * float64(time.Second)))
	}
}

// two writes a duration in two units, of which the smaller one is left out if there is none of it.
func two(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	s := fmt.Sprintf("%d %s", d/large, largeName)
	if rest := d % large / small; rest > 0 {
		s += fmt.Sprintf(" %d %s", rest, smallName)
	}
	return s
}

// since writes how long ago a time was.
func since(now, t time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "never"
	case d < -time.Second:
		return "in " + span(d.Abs())
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	default:
		return span(d) + " ago"
	}
}

// plural writes a number and what is counted.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(float64(n)) + " " + many
}
