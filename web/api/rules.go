package api

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/learn"
)

// RulesQuery says which rules to list.
type RulesQuery struct {
	// File keeps the rules of one file. Unused keeps rules that take no live name. Search keeps rules whose id, pattern or
	// text contains it, whatever the case.
	File   string
	Unused bool
	Search string
	// Sort is place (the order of files and lines), id, names or series; the default is place. Ties are in the order of
	// places.
	Sort       string
	Descending bool
	// Limit is the number of rules of a page, 1 to 1000; 0 is 100. Cursor is Next or Previous of another page.
	Limit  int
	Cursor string
}

// RulesPage is a page of the list of rules in force.
type RulesPage struct {
	// Time is when live names were counted.
	Time time.Time `json:"time"`
	// Files are all files, in the order in which they count: the user's, then the catalogue's.
	Files []RuleFile `json:"files"`
	Rules []Rule     `json:"rules"`
	// Total is how many rules the query finds.
	Total int `json:"total"`
	// From is the number of the first row of the page, from 0; Next and Previous are the cursors of the pages around it.
	From     int    `json:"from"`
	Next     string `json:"next,omitempty"`
	Previous string `json:"previous,omitempty"`
	// Quarantine counts the names in which the quarantine finds something, as a search for its rule does.
	Quarantine int `json:"quarantine"`
	// Untagged counts the names that nothing takes from some sender, as SeriesCount.UntaggedNames and the state untagged
	// of NamesPage do.
	Untagged int `json:"untagged"`
	// Undescribed counts those of them that no entry of metrics describes either.
	Undescribed int `json:"undescribed"`
}

// RuleFile is a file of rules.
type RuleFile struct {
	File string `json:"file"`
	// Catalogue says that it is built in.
	Catalogue bool `json:"catalogue"`
	Rules     int  `json:"rules"`
	// Unused is how many of its rules take no live name, Names how many names its rules take or describe.
	Unused int `json:"unused"`
	Names  int `json:"names"`
	Bytes  int `json:"bytes"`
}

// Rule is a rule in force.
type Rule struct {
	RuleRef

	// Section is rules, origins, metrics or mappings.
	Section string `json:"section"`
	Drops   bool   `json:"drops"`
	// Names is how many live raw names it takes, alone or with others; of origins, names whose origin it takes, and
	// of metrics, names whose metric it describes. Series is how many series these have.
	Names  int `json:"names"`
	Series int `json:"series"`
	// Examples are up to 3 of the names, Origins up to 3 of the origins that it takes: their names are counted as well.
	Examples []string `json:"examples"`
	Origins  []string `json:"origins"`
	// Nearest is the live name that is nearest to the pattern, of a rule that is tried and takes none. OtherCase says
	// that it has all words of the pattern, but not all in the same case.
	Nearest   string `json:"nearest,omitempty"`
	OtherCase bool   `json:"nearest_in_other_case,omitempty"`
}

// RuleText is the text of a rule file in force.
type RuleText struct {
	File string `json:"file"`
	Text string `json:"text"`
}

// Rules lists the rules in force, file by file, with the number of live names that each takes.
func (a *API) Rules(ctx context.Context, q RulesQuery) (*RulesPage, error) {
	s, err := a.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	x, err := a.ruleIndex(ctx, s)
	if err != nil {
		return nil, err
	}
	of := checksum(q.File, strconv.FormatBool(q.Unused), q.Search, q.Sort, strconv.FormatBool(q.Descending),
		strconv.Itoa(len(x.rules)))
	after, err := decodeCursor(q.Cursor, of)
	if err != nil {
		return nil, err
	}
	texts := newRuleTexts(a.options.Rules)
	page := &RulesPage{
		Time: s.Taken.UTC(), Files: ruleFilesOf(x, texts), Rules: []Rule{}, Quarantine: x.quarantine, Untagged: x.untagged,
		Undescribed: x.undescribed,
	}
	found := x.search(&q, texts)
	page.Total = len(found)
	shown := pageAt(after, of, len(found), cmp.Or(q.Limit, defaultLimit))
	page.From, page.Next, page.Previous = shown.from, shown.next, shown.previous
	for _, pos := range found[shown.from:shown.to] {
		page.Rules = append(page.Rules, ruleOf(&x.rules[pos], &x.usage[pos], texts))
	}
	return page, nil
}

// search returns the positions of the rules of a query, in its order.
func (x *ruleIndex) search(q *RulesQuery, texts *ruleTexts) []int {
	files := map[string]int{}
	for i, f := range texts.files {
		files[f.File] = i
	}
	words := strings.ToLower(q.Search)
	var found []int
	for pos := range x.rules {
		r := &x.rules[pos]
		switch {
		case q.File != "" && r.File != q.File, q.Unused && x.usage[pos].names > 0:
		case words == "", strings.Contains(strings.ToLower(r.ID+" "+r.Pattern), words),
			strings.Contains(strings.ToLower(texts.text(r.File, r.Line, r.Column)), words):
			found = append(found, pos)
		}
	}
	place := func(i, j int) int {
		x, y := &x.rules[i], &x.rules[j]
		return cmp.Or(cmp.Compare(files[x.File], files[y.File]), cmp.Compare(x.Line, y.Line),
			cmp.Compare(x.Column, y.Column))
	}
	by := place
	switch q.Sort {
	case "id":
		by = func(i, j int) int { return strings.Compare(x.rules[i].ID, x.rules[j].ID) }
	case "names":
		by = func(i, j int) int { return cmp.Compare(x.usage[i].names, x.usage[j].names) }
	case "series":
		by = func(i, j int) int { return cmp.Compare(x.usage[i].series, x.usage[j].series) }
	}
	slices.SortFunc(found, func(i, j int) int {
		if q.Descending {
			return cmp.Or(by(j, i), place(i, j))
		}
		return cmp.Or(by(i, j), place(i, j))
	})
	return found
}

// ruleOf returns a rule with what it takes.
func ruleOf(r *tagger.RuleInfo, u *ruleUsage, texts *ruleTexts) Rule {
	return Rule{
		RuleRef: RuleRef{
			ID: r.ID, Pattern: r.Pattern, File: r.File, Line: r.Line, Text: texts.text(r.File, r.Line, r.Column),
		},
		Section: r.Section, Drops: r.Drops, Names: u.names, Series: u.series,
		Examples: append([]string{}, u.examples...), Origins: append([]string{}, u.origins...),
	}
}

// ruleFilesOf counts rules, and the names that they take, by file.
func ruleFilesOf(x *ruleIndex, texts *ruleTexts) []RuleFile {
	files, at := make([]RuleFile, len(texts.files)), map[string]int{}
	for i, f := range texts.files {
		files[i], at[f.File] = RuleFile{File: f.File, Catalogue: f.builtIn, Bytes: len(f.Data)}, i
	}
	fileOf := make([]int, len(x.rules))
	for pos := range x.rules {
		i, ok := at[x.rules[pos].File]
		if fileOf[pos] = i; !ok {
			fileOf[pos] = -1
			continue
		}
		files[i].Rules++
		if x.usage[pos].names == 0 {
			files[i].Unused++
		}
	}
	counted := make([]int, len(files)) // the last name that was counted for a file, from 1
	for name := range x.names.Names {
		for _, by := range x.of(name) {
			if by == quarantined || fileOf[by.rule()] < 0 {
				continue
			}
			if i := fileOf[by.rule()]; counted[i] != name+1 {
				counted[i] = name + 1
				files[i].Names++
			}
		}
	}
	return files
}

// RuleText returns the text of a rule file in force.
func (a *API) RuleText(_ context.Context, file string) (*RuleText, error) {
	source, ok := newRuleTexts(a.options.Rules).file(file)
	if !ok {
		return nil, &Error{Type: ErrorNotFound, Text: "no rule file in force is called " + quote(file)}
	}
	return &RuleText{File: file, Text: string(source.Data)}, nil
}

// ownID is the id of a rule in its text: a copy cannot have the same one.
var ownID = regexp.MustCompile(`(?m)^id:.*\n|\{id: [^,}]*, ?`)

// RuleCopy returns a rule file with a copy of one rule in force, to be changed and tried.
func (a *API) RuleCopy(_ context.Context, id string) (*RuleText, error) {
	e, err := a.explainer()
	if err != nil {
		return nil, err
	}
	all := e.Tagger().Rules()
	i := slices.IndexFunc(all, func(r tagger.RuleInfo) bool { return r.ID == id })
	if i < 0 {
		return nil, &Error{Type: ErrorNotFound, Text: "no rule in force has the id " + quote(id)}
	}
	r, texts := &all[i], newRuleTexts(a.options.Rules)
	text := ownID.ReplaceAllStringFunc(texts.whole(r.File, r.Line, r.Column), func(found string) string {
		if found[0] == '{' {
			return "{"
		}
		return ""
	})
	source, _ := texts.file(r.File)
	var b strings.Builder
	if r.Section != "mappings" {
		b.WriteString("version: 1\n" + usedTypes(source.Source, text))
	}
	b.WriteString(r.Section + ":\n  # A copy of " + id + ", which comes before that one.\n  - " +
		strings.ReplaceAll(text, "\n", "\n    ") + "\n")
	return &RuleText{File: r.File, Text: b.String()}, nil
}

// usedTypes writes the types of its file that the text of a rule uses.
func usedTypes(source tagger.Source, rule string) string {
	types := tagger.Types(source)
	maps.DeleteFunc(types, func(name string, _ []string) bool { return !strings.Contains(rule, ":"+name+"}") })
	if len(types) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("types:\n")
	for _, name := range slices.Sorted(maps.Keys(types)) {
		b.WriteString("  " + name + ":\n")
		for _, value := range types[name] {
			b.WriteString("    - " + strconv.Quote(value) + "\n")
		}
	}
	return b.String()
}

// Proposals are what learning from the live names proposes.
type Proposals struct {
	Time time.Time `json:"time"`
	// Names is how many live names were learned from. Untagged, Undescribed and Quarantine are those of RulesPage: they
	// count each part of a histogram or summary, where the proposal counts the histogram or summary once.
	Names       int             `json:"names"`
	Untagged    int             `json:"untagged"`
	Undescribed int             `json:"undescribed"`
	Quarantine  int             `json:"quarantine"`
	Proposal    *learn.Proposal `json:"proposal"`
	// File is the rule file that exporter learn would write; in DoubtfulFile the doubtful rules are no comments. It is
	// missing where there are none.
	File         string `json:"file"`
	DoubtfulFile string `json:"doubtful_file,omitempty"`
}
