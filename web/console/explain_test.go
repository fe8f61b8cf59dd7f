package console

import (
	"strings"
	"testing"

	"loggregator_exporter/web/api"
)

// TestUntaken: the page calls a name that no rule takes as the list of names does.
func TestUntaken(t *testing.T) {
	entry := api.Step{Stage: "metadata", Rule: &api.RuleRef{ID: "runtime/cpus"}}
	for want, steps := range map[string][]api.Step{
		"untagged, but described by an entry of metrics":                                   {entry},
		"undescribed: neither a rule takes the name, nor an entry of metrics describes it": nil,
	} {
		f := newFake(t)
		f.explained.Rule, f.explained.Steps = "", steps
		if text := read(t, f, "/explain?name=numCPUS"); !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}
