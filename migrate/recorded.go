package migrate

import "loggregator_exporter/migrate/promql"

// WithRecorded returns a Migrator that also knows series which recording rules write, by their names, and the labels of
// these that have other names once the rules are migrated. Queries of such series then follow their labels.
func (m *Migrator) WithRecorded(recorded map[string][]Rename) *Migrator {
	with := *m
	with.recorded = recorded
	return &with
}

// Recorded returns the labels of a recorded series that have other names.
func (m *Migrator) Recorded(name string) []Rename { return m.recorded[name] }

// selectRecorded says what a selector of a recorded series becomes; nil if it selects no such series by name.
func (m *Migrator) selectRecorded(s *promql.Selector) *translation {
	name := s.Name
	if n := nameMatcher(s); name == "" && n != nil {
		name = n.Value
	}
	renames := m.recorded[name]
	if len(renames) == 0 {
		return nil
	}
	return &translation{
		selector: s, recorded: renames, mul: 1, div: 1,
		matchers: []*matcher{{label: labelName, values: []string{name}}},
	}
}

// recordedLabel is what a label of a recorded series is called.
func (s *translation) recordedLabel(label string) string {
	for _, r := range s.recorded {
		if r.Old == label {
			return r.New
		}
	}
	return label
}
