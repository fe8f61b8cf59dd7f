package console

import (
	"testing"

	"loggregator_exporter/web/api"
)

// TestCopyOf: a copy of a rule is a rule file of its own, with the types that the rule uses.
func TestCopyOf(t *testing.T) {
	for _, tc := range []struct{ file, text, want string }{
		{
			"version: 1\ntypes: {queue: [mail, 'no'], other: [a]}\nrules: []\n", "id: jobs/queues\npattern: \"{queue:queue}.depth\"\nname: depth",
			"version: 1\ntypes:\n    queue:\n        - mail\n        - \"no\"\nrules:\n" +
				"  # A copy of jobs/queues, which comes before that one.\n  - pattern: \"{queue:queue}.depth\"\n    name: depth\n",
		},
		{
			"rules: []\n", `{id: jobs/queues, pattern: "{queue}.depth"}`,
			"version: 1\nrules:\n  # A copy of jobs/queues, which comes before that one.\n  - {pattern: \"{queue}.depth\"}\n",
		},
	} {
		f := &fake{text: api.RuleText{Text: tc.file}, rules: api.RulesPage{Rules: []api.Rule{{
			RuleRef: api.RuleRef{ID: "jobs/queues", File: "jobs.yaml", Text: tc.text}, Section: "rules",
		}}}}
		got, err := (&Console{options: Options{Data: f}}).copyOf(t.Context(), "jobs/queues")
		if err != nil || got != tc.want {
			t.Errorf("%v\n%s", err, got)
		}
	}
}
