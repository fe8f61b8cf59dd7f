package api

import (
	"slices"
	"testing"
)

// TestStepsOfUntaken: of a name that no rule takes the steps say in the words of the glossary what that means.
func TestStepsOfUntaken(t *testing.T) {
	f := newFixture(t)
	for name, want := range map[string][]string{
		"Untagged Name": {
			`No rule takes "Untagged Name": it is untagged, and undescribed, since no entry of metrics describes it either.`,
		},
		"numCPUS": {
			`No rule takes "numCPUS": it is untagged, but described by an entry of metrics.`,
			`An entry of metrics describes the base name "numCPUS": kind gauge, unit none, help "Processors that the process may use.".`,
		},
		"orders.10.0.0.1": {
			`No rule takes "orders.10.0.0.1".`,
			`The quarantine takes ids and numbers out of "orders.10.0.0.1", which no rule names; it sets ip to "10.0.0.1". The base name ` +
				`is "orders".`,
		},
		"rep.foo": {
			`Rule component/known matches "rep.foo"; it sets component to "rep". The rest, "foo", is matched against the rules again.`,
			`No rule takes "foo".`,
		},
	} {
		x, err := f.Explain(t.Context(), ExplainQuery{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range x.Steps {
			got = append(got, s.Sentence)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
