#!/usr/bin/env bash
# go.opentelemetry.io/proto/otlp v1.11.1 with google.golang.org/protobuf v1.36.11 (encoding/protojson).
#
# OTLP in JSON writes trace and span ids in hexadecimal digits. protojson takes them without an error, as base64: the 32
# digits of a trace id become 24 bytes, the 16 of a span id 12. Encoding the message again gives the same digits, so a
# test that goes there and back sees nothing; sent on as protobuf, or compared with an id of 16 bytes, it is another id.
#
# Seen: error <nil>, trace id 24 bytes, span id 12 bytes, again as JSON: true
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

cat > go.mod <<'EOF'
module finding

go 1.26

require (
	go.opentelemetry.io/proto/otlp v1.11.1
	google.golang.org/protobuf v1.36.11
)
EOF

cat > main.go <<'EOF'
package main

import (
	"fmt"
	"strings"

	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

func main() {
	const id = "0af7651916cd43dd8448eb211c80319c"
	var exemplar metrics.Exemplar
	err := protojson.Unmarshal([]byte(`{"asDouble":0.25,"traceId":"`+id+`","spanId":"b7ad6b7169203331"}`), &exemplar)
	again, _ := protojson.Marshal(&exemplar)
	fmt.Printf("error %v, trace id %d bytes, span id %d bytes, again as JSON: %t\n", err, len(exemplar.TraceId),
		len(exemplar.SpanId), strings.Contains(string(again), `"`+id+`"`))
}
EOF

seen=$(GOFLAGS=-mod=mod GOWORK=off go run . 2> err) || { cat err >&2; exit 1; }
wanted='error <nil>, trace id 24 bytes, span id 12 bytes, again as JSON: true'
echo "$seen"
[ "$seen" = "$wanted" ] || { echo "this is no longer so; it was:"; echo "$wanted"; exit 1; }
