package resolver

import (
	"fmt"
	"strings"
	"testing"

	"loggregator_exporter/metric"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
)

// What a session keeps is bounded in bytes, too, as it counts them, whether a name is long, or a tag that rules read.
func TestSessionForgetsLongNames(t *testing.T) {
	rules, _, err := tagger.New(tagger.Options{UserRules: []tagger.Source{{File: "rules.yaml", Data: []byte(
		"rules: [{pattern: 'long.{name...}', name: '{name}', tags: {az: '{$tag.az}'}}]",
	)}}})
	if err != nil {
		t.Fatal(err)
	}
	for what, long := range map[string][2]int{"names": {1000, 0}, "tags": {0, 30_000}} {
		s := New(Options{Tagger: rules}).Session().(*session)
		forgot := false
		for i := range 2 * maxNameBytes / (long[0] + long[1]) {
			before := len(s.names)
			s.named(&store.Identity{
				Kind: metric.KindGauge, Name: fmt.Sprint("long.", strings.Repeat("x", long[0]), i),
				Tags: []metric.Label{{Name: "az", Value: strings.Repeat("z", long[1])}},
			})
			forgot = forgot || len(s.names) < before
		}
		kept := 0
		for key, n := range s.names {
			kept += n.bytes(len(key))
		}
		if !forgot || kept != s.bytes || kept > maxNameBytes || len(s.names) == 0 {
			t.Errorf("%s: %d bytes are kept, %d were counted; forgotten: %t", what, kept, s.bytes, forgot)
		}
	}
}
