#!/usr/bin/env bash
# github.com/prometheus/prometheus v0.315.0 (promql/parser of Prometheus 3.15).
#
# The position of a selector that ends in "anchored" or "smoothed" ends before that word, and so does the position of
# every expression that ends in the selector; "offset" and "@" are within it. A program that edits queries in place, as
# for a factor behind a selector, writes it between the selector and its word.
#
# Seen: "m offset 5m" of "m offset 5m", "m @ 1" of "m @ 1", "m" of "m smoothed", "m[5m]" of "m[5m] anchored",
#       "1 + m" of "1 + m smoothed", "m smoothed offset 5m" of "m smoothed offset 5m"
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

cat > go.mod <<'EOF'
module finding

go 1.26

require github.com/prometheus/prometheus v0.315.0
EOF

cat > main.go <<'EOF'
package main

import (
	"fmt"
	"log"

	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	p := parser.NewParser(parser.Options{EnableExtendedRangeSelectors: true})
	for _, query := range []string{
		"m offset 5m", "m @ 1", "m smoothed", "m[5m] anchored", "1 + m smoothed", "m smoothed offset 5m",
	} {
		expr, err := p.ParseExpr(query)
		if err != nil {
			log.Fatal(err)
		}
		at := expr.PositionRange()
		fmt.Printf("%q of %q\n", query[at.Start:at.End], query)
	}
}
EOF

seen=$(GOFLAGS=-mod=mod GOWORK=off go run . 2> err) || { cat err >&2; exit 1; }
wanted='"m offset 5m" of "m offset 5m"
"m @ 1" of "m @ 1"
"m" of "m smoothed"
"m[5m]" of "m[5m] anchored"
"1 + m" of "1 + m smoothed"
"m smoothed offset 5m" of "m smoothed offset 5m"'
echo "$seen"
[ "$seen" = "$wanted" ] || { echo "this is no longer so; it was:"; echo "$wanted"; exit 1; }
