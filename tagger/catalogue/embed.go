// Package catalogue holds the built-in rules and metadata, one YAML file per family of components, in the language of docs/rules.md.
//
// The order of the file names is the order of precedence: transports and prefixes first, then components, then what
// holds for every component.
package catalogue

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var files embed.FS

// Files returns the catalogue: *.yaml files in its root, to be applied in the order of their names.
func Files() fs.FS { return files }
