package api

import (
	"strings"
	"testing"

	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
)

// TestRuleCopy: a copy of a rule is a rule file of its own, with the types that the rule uses.
func TestRuleCopy(t *testing.T) {
	help := strings.Repeat("long ", 1000)
	for _, tc := range []struct{ file, want string }{
		{
			"types: {queue: [mail, 'no'], other: [a]}\nrules:\n  - id: jobs/queues\n    pattern: \"{queue:queue}.depth\"\n    name: depth\n" +
				"  - pattern: other\n    name: x\n",
			"version: 1\ntypes:\n  queue:\n    - \"mail\"\n    - \"no\"\nrules:\n" +
				"  # A copy of jobs/queues, which comes before that one.\n  - pattern: \"{queue:queue}.depth\"\n    name: depth\n",
		},
		{
			"rules: [{id: jobs/queues, pattern: \"{queue}.depth\\\\}\", name: depth, help: it's}, {pattern: b}]\n",
			"version: 1\nrules:\n  # A copy of jobs/queues, which comes before that one.\n  - {pattern: \"{queue}.depth\\\\}\", name: depth, help: it's}\n",
		},
		{
			"rules:\n  - pattern: a\n    id: jobs/queues\n    help: " + help + "\n",
			"version: 1\nrules:\n  # A copy of jobs/queues, which comes before that one.\n  - pattern: a\n    help: " + help + "\n",
		},
	} {
		f := newFixture(t, func(o *store.Options) {
			rules, _, err := tagger.Load(tagger.Source{File: "jobs.yaml", Data: []byte(tc.file)})
			if err != nil {
				t.Fatal(err)
			}
			o.Resolver = resolverOf(rules)
		})
		f.rules = tagger.Options{UserRules: []tagger.Source{{File: "jobs.yaml", Data: []byte(tc.file)}}}
		got, err := f.RuleCopy(t.Context(), "jobs/queues")
		if err != nil || got.Text != tc.want {
			t.Errorf("%v\n%s", err, got.Text)
			continue
		}
		if _, _, err := tagger.Load(tagger.Source{File: "copy.yaml", Data: []byte(got.Text)}); err != nil {
			t.Error(err)
		}
		if _, err := f.RuleCopy(t.Context(), "jobs/none"); !isType(err, ErrorNotFound) {
			t.Error(err)
		}
	}
}
