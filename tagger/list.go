package tagger

// RuleInfo describes a rule in force.
type RuleInfo struct {
	ID string
	// Section is rules, origins or metrics, as in rule files, or mappings.
	Section string
	// Pattern is the first pattern, or the regular expression, as written.
	Pattern string
	// The rule begins there. A file may hold several with one id only in the section metrics.
	File         string
	Line, Column int
	// BuiltIn says that the rule belongs to the catalogue, Drops that names that it matches have no series.
	BuiltIn, Drops bool
}

// Rules lists the rules, those of a section in the order in which they are tried.
func (t *Tagger) Rules() []RuleInfo {
	var all []RuleInfo
	for _, set := range []struct {
		section string
		rules   []*rule
	}{{"rules", t.names.rules}, {"origins", t.origins.rules}, {"metrics", t.metrics.rules}} {
		for _, r := range set.rules {
			if r.isPrefix && set.section == "origins" {
				continue // it is listed among the rules
			}
			section := set.section
			if r.isMapping {
				section = "mappings"
			}
			all = append(all, RuleInfo{
				ID: r.id, Section: section, Pattern: r.source, File: r.place.file, Line: r.place.line, Column: r.place.column,
				BuiltIn: r.layer == layerCatalogue, Drops: r.drop,
			})
		}
	}
	return all
}
