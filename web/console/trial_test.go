package console

import (
	"testing"

	"loggregator_exporter/diff"
	"loggregator_exporter/web/api"
)

// Rows of one raw name say what tells them apart, and nothing else.
func TestApart(t *testing.T) {
	one := diff.NameOf{RawName: "a", Kind: "gauge", SourceID: "s", InstanceID: "0", Tags: map[string]string{"job": "api", "ip": "x"}}
	two := diff.NameOf{RawName: "a", Kind: "gauge", SourceID: "s", InstanceID: "1", Tags: map[string]string{"ip": "x"}}
	alone := diff.NameOf{RawName: "b", Kind: "gauge", SourceID: "s"}
	report := newTrial(&api.TryReport{Report: &diff.Report{Groups: []diff.Group{
		{Changes: []diff.Change{{Name: one}}}, {Changes: []diff.Change{{Name: two}, {Name: alone}}},
	}}})
	for _, tc := range []struct {
		name diff.NameOf
		want string
	}{{one, "instance 0, tag job api"}, {two, "instance 1"}, {alone, ""}} {
		if got := report.Apart(tc.name); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
