package console

import (
	"context"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

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
		p.Proposals, err = c.options.Data.Learn(r.Context())
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

// firstText is what the workbench holds if nothing else is asked for.
const firstText = `version: 1
rules:
  # The first rule that matches a name wins. Names of captures become labels.
  - pattern: "shop.queues.{queue}.{leaf}"
    name: "queue_{leaf}"
`

// bench fills the workbench: with the text of a rule file in force, with a copy of one rule, with what learning proposes,
// or with a rule for one name.
func (c *Console) bench(r *http.Request) (*bench, error) {
	b := &bench{Text: firstText, Address: "rules"}
	list, err := c.options.Data.Rules(r.Context(), api.RulesQuery{Limit: 1})
	if err != nil {
		return nil, err
	}
	b.Files = list.Files
	values := r.URL.Query()
	switch file, rule, name := values.Get("file"), values.Get("rule"), values.Get("name"); {
	case rule != "":
		if b.Text, err = c.copyOf(r.Context(), rule); err != nil {
			return nil, err
		}
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
	case name != "":
		b.Text = ruleFor(name)
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

// ownID is the id of a rule in its text: a copy cannot have the same one.
var ownID = regexp.MustCompile(`(?m)^id:.*\n|\{id: [^,}]*, ?`)

// copyOf writes a rule file with a copy of one rule in force.
func (c *Console) copyOf(ctx context.Context, id string) (string, error) {
	page, err := c.options.Data.Rules(ctx, api.RulesQuery{Search: id, Limit: 1000})
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(page.Rules, func(r api.Rule) bool { return r.ID == id })
	if i < 0 {
		return firstText, nil
	}
	r := &page.Rules[i]
	text := ownID.ReplaceAllStringFunc(r.Text, func(found string) string {
		if found[0] == '{' {
			return "{"
		}
		return ""
	})
	types, err := c.typesOf(ctx, r)
	if err != nil {
		return "", err
	}
	return "version: 1\n" + types + r.Section + ":\n  # A copy of " + id + ", which comes before that one.\n  - " +
		strings.ReplaceAll(text, "\n", "\n    ") + "\n", nil
}

// typesOf writes the types that a rule uses of its file, each of which declares its own.
func (c *Console) typesOf(ctx context.Context, r *api.Rule) (string, error) {
	file, err := c.options.Data.RuleText(ctx, r.File)
	if err != nil {
		return "", err
	}
	var of struct {
		Types map[string][]string `yaml:"types"`
	}
	if err := yaml.Unmarshal([]byte(file.Text), &of); err != nil {
		return "", fmt.Errorf("types of %s: %w", r.File, err)
	}
	maps.DeleteFunc(of.Types, func(name string, _ []string) bool { return !strings.Contains(r.Text, ":"+name+"}") })
	if len(of.Types) == 0 {
		return "", nil
	}
	types, err := yaml.Marshal(of)
	return string(types), err
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
