package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"golang.org/x/tools/txtar"

	"loggregator_exporter/internal/check"
	"loggregator_exporter/nozzle"
)

// FuzzFile: whatever the file holds, reading it ends in values of the right types or in errors that name the file.
func FuzzFile(f *testing.F) {
	names, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name == "config.yml" {
				f.Add(file.Data)
			}
		}
	}
	f.Add([]byte(allDefaults()))
	f.Add([]byte("? [a]\n: b\n*x : y\n<<: {log: 1}\n1: 2\n"))
	for _, s := range Settings() {
		_ = os.Unsetenv(s.Env()) // so that the environment of the test run does not count
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l := newLoader(pflag.NewFlagSet("", pflag.ContinueOnError))
		l.file = parseFile(l.table, "c.yml", text)
		for _, m := range l.file.mistakes {
			if !strings.HasPrefix(m.err.Error(), "c.yml:") {
				t.Errorf("error without its place: %v", m.err)
			}
		}
		values, err := l.decide()
		if err != nil || len(l.mistakes) > len(l.file.mistakes) {
			t.Fatal("values of the file do not merge: ", err, l.mistakes)
		}
		cfg, err := decode(values)
		if err != nil {
			t.Fatal("values of the file have the wrong types: ", err)
		}
		// The files that it names stay unread: they might be any of this machine.
		section := func(name string) check.Section { return check.NewSection(l, name) }
		stream := nozzle.Options{Stream: cfg.Nozzle.Stream}
		stream.Check(section("nozzle"), false)
		cfg.Metrics.check(section("metrics"))
	})
}
