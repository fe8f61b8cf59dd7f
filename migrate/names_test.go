package migrate

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"loggregator_exporter/metric"
)

var update = flag.Bool("update", false, "write names.tsv and the results of the cases")

// corpusFiles are the lists of names that are known, with the columns of origin, raw name, kind and unit.
var corpusFiles = []struct {
	file                     string
	origin, name, kind, unit int
}{
	{"../compat/testdata/firehose_exporter.tsv", 0, 1, 2, 3},
	{"../tagger/testdata/corpus/names2026.tsv", 0, 1, 2, 3},
	{"../tagger/testdata/corpus/emitters.tsv", 1, 2, 3, 4},
	{"testdata/older.tsv", 0, 1, 2, 3},
	{"../compat/testdata/boshrelease_metrics.tsv", 0, 1, 2, -1}, // without units
}

// TestNamesFile: names.tsv holds the names of the corpus, each once, as gauges and counters.
func TestNamesFile(t *testing.T) {
	units := map[string]string{} // by the other columns
	for _, c := range corpusFiles {
		text, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			f := strings.Split(line, "\t")
			if i == 0 {
				continue
			}
			kind, unit := f[c.kind], ""
			if c.unit >= 0 {
				unit = f[c.unit]
			}
			if kind == "container" {
				kind = "gauge"
			}
			key := strings.Join([]string{f[c.origin], f[c.name], kind}, "\t")
			if k, _ := metric.ParseKind(kind); k != metric.KindGauge && k != metric.KindCounter {
				continue
			}
			if units[key] == "" {
				units[key] = unit
			}
		}
	}
	var want []string
	for _, key := range slices.Sorted(maps.Keys(units)) {
		want = append(want, key+"\t"+units[key]+"\n")
	}
	text := strings.Join(want, "")
	if *update {
		if err := os.WriteFile("names.tsv", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text != namesFile {
		t.Error("names.tsv is not what the corpus says: run go test ./migrate -update")
	}
}
