package overview

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
)

// TestSeverityOfBranches: a branch of the ledger is as severe as the problem that it is, and no more: a few lost
// envelopes or outdated samples are none.
func TestSeverityOfBranches(t *testing.T) {
	for _, tc := range []struct {
		name   string
		source func(s *Source)
		losses []Loss
		want   []string
	}{
		{"well", func(*Source) {}, []Loss{{Origin: "x"}}, nil},
		{"a few outdated", func(s *Source) { s.Samples = map[string]uint64{"stored": 99, "outdated": 1} }, nil, nil},
		{
			"many outdated, and malformed ones",
			func(s *Source) {
				s.Envelopes, s.Samples = map[string]uint64{"malformed": 1}, map[string]uint64{"conflict": 1, "outdated": 1}
			}, nil,
			[]string{"malformed warning", "outdated warning", "conflict warning"},
		},
		{
			"over limits", func(s *Source) { s.Samples = map[string]uint64{"over_limit": 1, "invalid": 1} }, nil,
			[]string{"over_limit warning", "invalid warning"},
		},
		{"a few losses", func(s *Source) { s.Received = 990 }, []Loss{{Origin: "x", Count: 1}}, []string{"upstream_lost notice"}},
		{
			"many losses", func(*Source) {},
			[]Loss{{Origin: "x", Direction: "egress", Count: 1}, {Origin: "y"}},
			[]string{"upstream_lost warning", "x warning"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.point()
				f.sources, f.losses = []Source{well("rlp")}, tc.losses
				tc.source(&f.sources[0])
				s, err := f.Status(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, b := range slices.Concat([]Flow{s.Ledger.UpstreamLost}, s.Ledger.Envelopes, s.Ledger.Samples) {
					if b.Severity != "" {
						got = append(got, fmt.Sprint(b.Outcome, " ", b.Severity))
					}
				}
				for i := range s.Losses {
					if l := &s.Losses[i]; l.Severity != "" {
						got = append(got, fmt.Sprint(l.Origin, " ", l.Severity))
					}
				}
				if !slices.Equal(got, tc.want) {
					t.Errorf("%q, want %q", got, tc.want)
				}
			})
		})
	}
}
