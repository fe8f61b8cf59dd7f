package scaleout

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"loggregator_exporter/e2e/peer"
)

// costs are the unit costs that docs/scaling.md states, by the names that its formulas give them.
type costs map[string]float64

// guide reads docs/scaling.md: the lines of the tables, and the unit costs.
func guide(t *testing.T) (rows []string, c costs) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(peer.Root(t), "docs", "scaling.md"))
	if err != nil {
		t.Fatal(err)
	}
	c = costs{}
	unit := regexp.MustCompile(`^\| \*(\w+)\* \| ([0-9.]+) `)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if m := unit.FindStringSubmatch(line); m != nil {
			if c[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
				t.Fatal(err)
			}
		}
		rows = append(rows, line)
	}
	for _, name := range []string{"m", "c", "q", "s", "w", "b", "z", "p", "a", "h", "base", "full", "most", "skew"} {
		if c[name] == 0 {
			t.Errorf("docs/scaling.md does not say what %s is", name)
		}
	}
	return rows, c
}

// The table of docs/scaling.md is what its formulas make of its unit costs.
func TestSizingTable(t *testing.T) {
	rows, c := guide(t)
	found := 0
	first := regexp.MustCompile(`^\| ([0-9,]+) \| ([0-9,]+) \| `)
	for _, row := range rows {
		m := first.FindStringSubmatch(row)
		if m == nil {
			continue
		}
		found++
		if want := c.row(count(t, m[1]), count(t, m[2])); row != want {
			t.Errorf("the table says\n%s\nthe formulas\n%s", row, want)
		}
	}
	if found < 5 {
		t.Errorf("%d rows", found)
	}
}

func count(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// row computes a row from the number of series and the envelopes a second.
func (c costs) row(series, envelopes float64) string {
	samples := series / 15
	cores := (samples*c["m"] + max(0, envelopes-samples)*c["q"] + samples*c["s"]) / 1e6
	exporters := max(1, math.Ceil(cores*c["skew"]/c["full"]), math.Ceil(series/c["most"]))
	skew := c["skew"]
	if exporters == 1 {
		skew = 1
	}
	busiest := series / exporters * skew
	return fmt.Sprintf("| %s | %s | %.0f | %.2f | %.0f MiB | %s | %.2f s | %s | %.2f | %.1f GiB | %.2f MB/s |",
		thousands(series), thousands(envelopes), exporters, cores/exporters*skew, c["base"]+busiest*c["b"]/(1<<20),
		megabytes(busiest*c["z"]), busiest*c["s"]/1e6, thousands(math.Round(samples)), samples*c["p"]/1e6, series*c["h"]/(1<<30), samples*c["w"]/1e6)
}

func megabytes(v float64) string { return fmt.Sprintf("%.1f MB", v/1e6) }

func thousands(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// What the page says of a name that does not spread follows from the cost of its envelopes, too.
func TestHotNameCeiling(t *testing.T) {
	rows, c := guide(t)
	perSecond := math.Floor(c["full"]/c["c"]*1e6/1000) * 1000
	for _, want := range []string{
		"**" + thousands(perSecond) + " envelopes a second**",
		"**" + thousands(perSecond*15) + " instances**",
		"**" + thousands(math.Floor(c["most"]/7/1000)*1000) + " instances**",
	} {
		if !strings.Contains(strings.Join(rows, " "), want) {
			t.Errorf("docs/scaling.md does not say %s", want)
		}
	}
}
