package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport is the way of the data, which is also the layout: which packages of the project each package may use.
var mayImport = map[string][]string{
	"metric": {},
	"nozzle": {
		"metric", "nozzle/wire", "nozzle/gather", "nozzle/watch", "nozzle/filter", "nozzle/leftout",
		"nozzle/capture", "internal/outgoing", "internal/boundedfile", "internal/check", "internal/throttle", "internal/wholefile",
	},
	"nozzle/wire":      {"metric"},
	"nozzle/gather":    {},
	"nozzle/watch":     {"metric"},
	"nozzle/filter":    {"metric"},
	"nozzle/leftout":   {"metric", "nozzle/filter"},
	"nozzle/capture":   {"metric", "nozzle/wire"},
	"foundation":       {"metric", "nozzle/wire"},
	"tagger":           {"metric", "tagger/naming", "internal/suggest", "internal/yamlplace"},
	"tagger/naming":    {"metric"},
	"tagger/learn":     {"metric", "tagger", "tagger/naming"},
	"tagger/catalogue": {},
	"store":            {"metric"},
	"resolver":         {"metric", "tagger", "tagger/naming", "store"},
	"exposition":       {"metric", "store"},
	"remotewrite": {
		"metric", "store", "internal/outgoing", "internal/boundedfile", "internal/check", "internal/throttle",
	},
	"web":         {"metric", "tagger", "resolver", "store", "web/api", "web/console"},
	"web/console": {"metric", "diff", "docs", "web/api", "web/overview"},
	"docs":        {},
	"web/api": {
		"metric", "tagger", "tagger/catalogue", "tagger/learn", "tagger/naming", "resolver", "store", "diff",
		"exposition", "migrate/promql", "internal/beat", "internal/suggest", "web/live", "web/overview",
	},
	"web/live":     {"metric", "store"},
	"web/overview": {"metric", "store", "internal/beat", "internal/check"},
	"compat":       {"metric", "store"},
	"diff": {
		"metric", "store", "resolver", "tagger", "tagger/naming", "compat", "migrate/documents", "diff/queries",
	},
	"diff/queries":      {"metric", "migrate/documents", "migrate/promql"},
	"migrate":           {"metric", "store", "resolver", "compat", "migrate/promql"},
	"migrate/documents": {},
	"migrate/promql":    {},
	"migrate/rewrite":   {"migrate", "migrate/documents"},
	// The option types that it fills, and what checks them.
	"config": {
		"metric", "nozzle", "nozzle/filter", "tagger", "store", "remotewrite", "compat",
		"internal/suggest", "internal/boundedfile", "internal/check", "internal/outgoing", "internal/yamlplace",
	},
	"internal/beat":         {},
	"internal/boundedfile":  {},
	"internal/check":        {"metric", "internal/boundedfile"},
	"internal/leaks":        {}, // for tests
	"internal/outgoing":     {},
	"internal/redirecttest": {"internal/outgoing"}, // for tests
	"internal/throttle":     {},
	"internal/wiretest":     {"metric"}, // for tests
	"internal/suggest":      {},
	"internal/wholefile":    {},
	"internal/yamlplace":    {},
	"cmd/exporter":          nil, // the only place that wires: everything
}

func TestImportGraph(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports",
		"loggregator_exporter/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	const module = "loggregator_exporter/"
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, ok := mayImport[name]
		if !ok {
			t.Errorf("package %s is not in the layout", name)
			continue
		}
		if allowed == nil {
			continue
		}
		for _, i := range p.Imports {
			if of, ours := strings.CutPrefix(i, module); ours && !slices.Contains(allowed, of) {
				t.Errorf("%s imports %s", name, of)
			}
		}
	}
}
