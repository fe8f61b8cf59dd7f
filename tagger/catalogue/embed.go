// Package catalogue holds the built-in rules and metadata, one YAML file per family of components, in the language
// of docs/rules.md.
//
// The order of the file names is the order of precedence: transports and prefixes first, then components, then
// what holds for every component.
package catalogue

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Files returns the catalogue: *.yaml files in its root, to be applied in the order of their names.
func Files() fs.FS { return files }

// Text returns the text of all files: the vocabulary of Cloud Foundry's metrics, for callers that tell known words
// from others.
func Text() string {
	var all strings.Builder
	names, _ := fs.Glob(files, "*.yaml") // the pattern is well formed
	for _, name := range names {
		text, _ := files.ReadFile(name) // it was just listed
		_, _ = all.Write(text)
	}
	return all.String()
}
