package console

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"loggregator_exporter/docs"
	"loggregator_exporter/web/api"
)

// manual is the documentation, made ready to be shown when it is asked for.
type manual struct {
	markdown goldmark.Markdown
	titles   []manualTitle
}

// manualTitle is a page in the list of all.
type manualTitle struct {
	Name, Title string
	Current     bool
}

func newManual() *manual {
	m := &manual{markdown: goldmark.New(
		goldmark.WithExtensions(extension.Table),
		goldmark.WithParserOptions(
			parser.WithAutoHeadingID(), parser.WithASTTransformers(util.Prioritized(manualLinks{}, 100)),
		),
	)}
	entries, _ := docs.Files.ReadDir(".") // it is part of the program
	for _, e := range entries {
		source, _ := docs.Files.ReadFile(e.Name())
		line, _, _ := bytes.Cut(source, []byte("\n"))
		m.titles = append(m.titles, manualTitle{
			Name: strings.TrimSuffix(e.Name(), ".md"), Title: strings.Trim(string(line), "# "),
		})
	}
	return m
}

// has says whether there is a page of that name.
func (m *manual) has(name string) bool {
	return slices.ContainsFunc(m.titles, func(t manualTitle) bool { return t.Name == name })
}

// render makes HTML of Markdown that is the project's own. HTML in it is left out.
func (m *manual) render(source []byte) (template.HTML, error) {
	var b bytes.Buffer
	ids := parser.WithIDs(&headingIDs{used: map[string]bool{}})
	if err := m.markdown.Convert(source, &b, parser.WithContext(parser.NewContext(ids))); err != nil {
		return "", fmt.Errorf("rendering the documentation: %w", err)
	}
	n := 0
	framed := tableTag.ReplaceAllStringFunc(b.String(), func(tag string) string {
		if tag == "</table>" {
			return "</table></div>"
		}
		n++
		return `<div class="frame" tabindex="0" role="region" aria-label="Table ` + strconv.Itoa(n) + `"><table>`
	})
	return template.HTML(framed), nil //nolint:gosec // goldmark has made it, of the project's own text
}

var tableTag = regexp.MustCompile(`</?table>`)

// manualPage is the data of a page of the documentation.
type manualPage struct {
	Titles []manualTitle
	Body   template.HTML
}

func (c *Console) manualPage(r *http.Request, f *frame) error {
	name := r.URL.Query().Get("page")
	if name == "" {
		name = "console"
	}
	source, err := fs.ReadFile(docs.Files, path.Clean(name)+".md")
	if err != nil {
		return &api.Error{
			Type: api.ErrorNotFound, Text: "no page of the documentation is called " + strconv.Quote(short(name)),
		}
	}
	p := manualPage{Titles: slices.Clone(c.parts().manual.titles)}
	for i := range p.Titles {
		if t := &p.Titles[i]; t.Name == name {
			t.Current, f.Title = true, t.Title
		}
	}
	if p.Body, err = c.parts().manual.render(source); err != nil {
		return err
	}
	f.Page = p
	return nil
}

// inline renders a line of the project's own Markdown, such as the description of a setting.
func (m *manual) inline(line string) (template.HTML, error) {
	body, err := m.render([]byte(line))
	inner := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(string(body)), "<p>"), "</p>")
	return template.HTML(inner), err //nolint:gosec // as render
}

// mention finds what names a page of the documentation.
var mention = regexp.MustCompile(`docs/([a-z-]+)\.md(#[a-z0-9_-]+)?`)

// mentions is a text, which may hold what others chose, with links to the pages of the documentation that it names.
func (m *manual) mentions(s string) template.HTML {
	escaped := template.HTMLEscapeString(visible(s))
	return template.HTML(mention.ReplaceAllStringFunc(escaped, func(found string) string { //nolint:gosec // it is escaped
		parts := mention.FindStringSubmatch(found)
		if !m.has(parts[1]) {
			return found
		}
		return `<a href="docs?page=` + parts[1] + parts[2] + `">` + found + `</a>`
	}))
}

// manualLinks leads links to other pages of the documentation to where the console shows them. What it does not hold,
// pictures and other files of the repository, loses its link.
type manualLinks struct{}

// Transform implements parser.ASTTransformer.
func (manualLinks) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	var drop []ast.Node
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the function never fails
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Image:
			drop = append(drop, n)
			return ast.WalkSkipChildren, nil
		case *ast.Link:
			to := manualLink(string(n.Destination))
			if to == "" {
				drop = append(drop, n)
			}
			n.Destination = []byte(to)
		}
		return ast.WalkContinue, nil
	})
	for _, n := range drop {
		parent := n.Parent()
		if n.Kind() == ast.KindLink {
			for child := n.FirstChild(); child != nil; child = n.FirstChild() {
				parent.InsertBefore(parent, n, child)
			}
		}
		parent.RemoveChild(parent, n)
	}
}

// manualLink is where a link of the documentation leads in the console; "" where to nothing.
func manualLink(to string) string {
	file, anchor, _ := strings.Cut(to, "#")
	if anchor != "" {
		anchor = "#" + anchor
	}
	name, isPage := strings.CutSuffix(file, ".md")
	switch {
	case file == "", strings.Contains(to, "://"):
		return to
	case isPage && !strings.Contains(name, "/"):
		return "docs?page=" + name + anchor
	default:
		return ""
	}
}

// headingIDs makes anchors as GitHub does, which the links of the documentation expect.
type headingIDs struct {
	used map[string]bool
}

// Generate implements parser.IDs.
func (h *headingIDs) Generate(value []byte, _ ast.NodeKind) []byte {
	id := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, strings.TrimSpace(string(value)))
	unique := id
	for n := 1; h.used[unique]; n++ {
		unique = id + "-" + strconv.Itoa(n)
	}
	h.used[unique] = true
	return []byte(unique)
}

// Put implements parser.IDs.
func (h *headingIDs) Put(value []byte) { h.used[string(value)] = true }
