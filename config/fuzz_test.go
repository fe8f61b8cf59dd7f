package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"golang.org/x/tools/txtar"
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
		_ = os.Unsetenv(s.Env()) // so that the environment of whoever runs this does not count
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parseFile("c.yml", text)
		if err != nil {
			l := loader{}
			l.add(err)
			for _, e := range l.errs {
				if !strings.HasPrefix(e.Error(), "c.yml:") {
					t.Errorf("error without its place: %v", e)
				}
			}
		}
		l := loader{viper: viper.New(), flags: pflag.NewFlagSet("", pflag.ContinueOnError), file: file, platform: newPlatform(file)}
		values, err := l.values()
		if err != nil || len(l.errs) > 0 {
			t.Fatal("values of the file do not merge: ", err, errors.Join(l.errs...))
		}
		cfg, err := decode(values)
		if err != nil {
			t.Fatal("values of the file have the wrong types: ", err)
		}
		v := validator{loader: &l}
		v.nozzle(&cfg.Nozzle)
		v.metrics(&cfg.Metrics)
	})
}
