package console

import (
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"loggregator_exporter/web/api"
)

// Views of the page of rules.
const (
	viewRules     = "rules"
	viewWorkbench = "workbench"
	viewProposals = "proposals"
)

const rulesPerPage = 50

// rulesPage is the data of the page of rules, of which one view is filled.
type rulesPage struct {
	View  string
	Views []view

	Rules   *api.RulesPage
	Query   api.RulesQuery
	Columns []column
	Pager   pager
	// InFiles is the number of rules of all files, Unused how many of them take no live name.
	InFiles, Unused int

	Bench     *bench
	Proposals *api.Proposals
	// Doubtful is how many of the proposed rules have doubts, DoubtfulNames how many names these would take.
	Doubtful, DoubtfulNames int
}

// Without is how many names have no rule or are in quarantine, as all pages count.
func (p rulesPage) Without() int { return p.Proposals.Untagged + p.Proposals.Quarantine }

// Counted is how many these are as proposals count; 0 if as many.
func (p rulesPage) Counted() int {
	if n := p.Proposals.Proposal.Names - p.Proposals.Proposal.Taken; n != p.Without() {
		return n
	}
	return 0
}

// view is one of the views of a page.
type view struct {
	Name    string
	Query   template.URL
	Current bool
}

// bench is the workbench: a rule file, and what it would change.
type bench struct {
	Text     string
	Replaces string // the rule file in force that it takes the place of, or ""
	BuiltIn  bool   // Replaces is one of the catalogue
	Address  string // to send the text to
	Files    []api.RuleFile
	Own      string // names to try that need not be live, one a line
	Report   *trial
}

// learns says whether a request needs the proposals of learning, which cost more than other answers.
func learns(r *http.Request) bool {
	q := r.URL.Query()
	return q.Get("view") == viewProposals || q.Get("from") == viewProposals
}

func (c *Console) rules(r *http.Request, f *frame) error {
	p := rulesPage{View: r.URL.Query().Get("view")}
	var err error
	switch p.View {
	case viewWorkbench:
		f.Title = "Workbench"
		p.Bench, err = c.bench(r)
	case viewProposals:
		f.Title, f.API = "Proposed rules", "api/v1/learn"
		err = c.proposals(r, &p)
	default:
		p.View, f.API = viewRules, "api/v1/rules"
		err = c.rulesInForce(r, &p, f)
	}
	if err != nil {
		return err
	}
	p.Views = []view{
		{"In force", query(), p.View == viewRules},
		{"Workbench", query("view", viewWorkbench), p.View == viewWorkbench},
		{"Proposals", query("view", viewProposals), p.View == viewProposals},
	}
	f.Page = p
	return nil
}

func (c *Console) proposals(r *http.Request, p *rulesPage) (err error) {
	if p.Proposals, err = c.options.Data.Learn(r.Context()); err != nil {
		return err
	}
	for _, rule := range p.Proposals.Proposal.Rules {
		if rule.Doubtful {
			p.Doubtful++
			p.DoubtfulNames += rule.Names
		}
	}
	return nil
}

func (c *Console) rulesInForce(r *http.Request, p *rulesPage, f *frame) error {
	values := r.URL.Query()
	values.Del("view")
	var err error
	if p.Query, err = api.ParseRulesQuery(values); err != nil {
		return err
	}
	if !values.Has("limit") {
		p.Query.Limit = rulesPerPage
	}
	if p.Rules, err = c.options.Data.Rules(r.Context(), p.Query); err != nil {
		return err
	}
	f.API += question(values)
	values.Del("cursor")
	p.Pager = newPager("rules", p.Rules.From, len(p.Rules.Rules), p.Rules.Total, p.Rules.Previous, p.Rules.Next,
		func(cursor string) template.URL { return with(values, "cursor", cursor) })
	p.Columns = columns("rules", ruleHeadings, p.Query.Sort, p.Query.Descending,
		func(key string, descending bool) template.URL {
			values.Set("sort", key)
			return with(values, "order", order(descending))
		})
	for _, file := range p.Rules.Files {
		p.InFiles += file.Rules
		p.Unused += file.Unused
	}
	return nil
}

// ruleHeadings are those of the list of rules.
var ruleHeadings = []heading{
	{"id", "Rule", "", false},
	{"place", "Place", "", false},
	{"names", "Live names", "num", true},
	{"series", "Series", "num", true},
	{"", "Examples", "", false},
}

// firstText is what the workbench holds if nothing else is asked for, and firstOwn a name that it takes.
const (
	firstText = `version: 1
rules:
  # The first rule that matches a name wins. Names of captures become labels.
  - pattern: "shop.queues.{queue}.{leaf}"
    name: "queue_{leaf}"
`
	firstOwn = "shop.queues.orders.depth"
)

// bench fills the workbench: with the text of a rule file in force, with a copy of one rule, with what learning
// proposes, or with a rule for one name.
func (c *Console) bench(r *http.Request) (*bench, error) {
	b := &bench{Text: firstText, Own: firstOwn, Address: "rules"}
	list, err := c.options.Data.Rules(r.Context(), api.RulesQuery{Limit: 1})
	if err != nil {
		return nil, err
	}
	b.Files = list.Files
	values := r.URL.Query()
	file, rule, name := values.Get("file"), values.Get("rule"), values.Get("name")
	if file+rule+values.Get("from") != "" {
		b.Own = ""
	}
	switch {
	case rule != "":
		text, err := c.options.Data.RuleCopy(r.Context(), rule)
		if err != nil {
			return nil, err
		}
		b.Text = text.Text
	case file != "":
		text, err := c.options.Data.RuleText(r.Context(), file)
		if err != nil {
			return nil, err
		}
		b.Text, b.Replaces = text.Text, file
		b.Address += string(query("replaces", file))
		b.BuiltIn = slices.ContainsFunc(b.Files, func(f api.RuleFile) bool { return f.File == file && f.Catalogue })
	case values.Get("from") == viewProposals:
		proposals, err := c.options.Data.Learn(r.Context())
		if err != nil {
			return nil, err
		}
		b.Text = proposals.File
		if values.Has("doubtful") {
			b.Text = proposals.DoubtfulFile
		}
	case name != "":
		b.Text, b.Own = ruleFor(name), name
	}
	return b, nil
}

// try answers the workbench.
func (c *Console) try(r *http.Request, f *frame) error {
	q, err := api.ParseTryQuery(r.URL.Query())
	if err != nil {
		return err
	}
	if q.Text, err = api.ReadRules(r); err != nil {
		return err
	}
	report, err := c.options.Data.Try(r.Context(), q)
	if err != nil {
		return err
	}
	f.Title, f.Page = "Workbench", rulesPage{View: viewWorkbench, Bench: &bench{Report: newTrial(report)}}
	return nil
}

// special are the characters with a meaning in patterns.
var special = regexp.MustCompile(`[\\{}()|*?]`)

// ruleFor writes a rule that takes one name and leaves it as it is, to start from.
func ruleFor(name string) string {
	return "version: 1\nrules:\n" +
		"  # Put captures in braces where the name has a dimension, as in \"queues.{queue}.depth\". Each becomes a label.\n" +
		"  # Then say what is left: name: \"queues.depth\".\n" +
		"  - pattern: " + strconv.QuoteToGraphic(special.ReplaceAllString(name, `\$0`)) + "\n"
}
