package rewrite

import (
	"slices"

	"loggregator_exporter/migrate"
	"loggregator_exporter/migrate/documents"
)

// Records collects the recording rules of the documents of one run, whose labels queries in all of these follow.
type Records struct {
	rules map[string][]record // by the names that they record
}

// record is one recording rule.
type record struct {
	expr string
	sets []string // the labels that the rule itself sets
}

// Add takes the recording rules of a document.
func (r *Records) Add(d *documents.Document) {
	for _, q := range d.Queries {
		if q.Kind != documents.Record {
			continue
		}
		if r.rules == nil {
			r.rules = map[string][]record{}
		}
		r.rules[q.Name] = append(r.rules[q.Name], record{q.Expr.String(), q.Sets})
	}
}

// maxChain is how many recording rules may stand behind one another.
const maxChain = 10

// Follow returns a Migrator by which queries follow the labels of what is recorded. Names that several rules record
// with different labels are left out.
func (r *Records) Follow(m *migrate.Migrator) *migrate.Migrator {
	for range maxChain {
		recorded := map[string][]migrate.Rename{}
		same := true
		for name, rules := range r.rules {
			renames := labelsOf(m, rules)
			if len(renames) > 0 {
				recorded[name] = renames
			}
			same = same && slices.Equal(renames, m.Recorded(name))
		}
		if same {
			break
		}
		m = m.WithRecorded(recorded)
	}
	return m
}

// labelsOf are the labels that all rules of one name rename alike; nil if they do not.
func labelsOf(m *migrate.Migrator, rules []record) []migrate.Rename {
	var all []migrate.Rename
	for i, rule := range rules {
		result := m.Query(rule.expr)
		renames := slices.DeleteFunc(slices.Clone(result.Labels), func(l migrate.Rename) bool {
			return slices.Contains(rule.sets, l.Old)
		})
		if !result.OK || i > 0 && !slices.Equal(all, renames) {
			return nil
		}
		all = renames
	}
	return all
}
