package console

import (
	"html"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"loggregator_exporter/docs"
)

var (
	hrefs   = regexp.MustCompile(`href="([^"]*)"`)
	anchors = regexp.MustCompile(`id="([^"]*)"`)
)

// TestManual follows every link of the documentation within the console, and finds no Markdown left in it.
func TestManual(t *testing.T) {
	f := newFake(t)
	names, err := fs.Glob(docs.Files, "*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, ids := map[string]string{}, map[string]bool{}
	for _, name := range names {
		page := strings.TrimSuffix(name, ".md")
		_, body, _ := strings.Cut(get(t, f, "/docs?page="+page), "<article")
		pages[page], _, _ = strings.Cut(body, "</article>")
		for _, id := range anchors.FindAllStringSubmatch(pages[page], -1) {
			if ids[page+"#"+id[1]] {
				t.Errorf("%s: two headings are called %s", page, id[1])
			}
			ids[page+"#"+id[1]] = true
		}
	}
	followed := 0
	for page, body := range pages {
		for _, link := range hrefs.FindAllStringSubmatch(body, -1) {
			to := html.UnescapeString(link[1])
			if strings.Contains(to, "://") {
				continue
			}
			followed++
			file, anchor, _ := strings.Cut(to, "#")
			name, ok := strings.CutPrefix(file, "docs?page=")
			if file == "" {
				name, ok = page, true
			}
			if !ok || pages[name] == "" || anchor != "" && !ids[name+"#"+anchor] {
				t.Errorf("%s leads to %s, which is not there", page, to)
			}
		}
		if strings.Contains(body, "<img") || strings.Contains(body, "](") || !strings.Contains(body, "<h1") {
			t.Errorf("%s is not rendered as a whole", page)
		}
	}
	if len(pages) < 20 || followed < 100 {
		t.Errorf("%d pages and %d links: too few", len(pages), followed)
	}
}

func TestManualPages(t *testing.T) {
	f := newFake(t)
	if text := read(t, f, "/docs"); !strings.Contains(text, "Documentation Capture") && !strings.Contains(text, "Console The exporter serves") {
		t.Error(text[:min(len(text), 500)])
	}
	for _, page := range []string{"none", "../go", "/etc/passwd", "runbook.md", "<b>"} {
		w := ask(t, f, "GET", "/docs?page="+page, "", "")
		if w.Code != 404 || !strings.Contains(w.Body.String(), "no page of the documentation") {
			t.Errorf("%s: %d", page, w.Code)
		}
	}
}

// TestMentions: texts may hold names that an app chose; only pages that exist become links.
func TestMentions(t *testing.T) {
	m := newManual()
	for _, tc := range []struct{ text, want string }{
		{"see docs/metrics.md, What", `see <a href="docs?page=metrics">docs/metrics.md</a>, What`},
		{"docs/sharding.md#streams-that-go-mute", `<a href="docs?page=sharding#streams-that-go-mute">docs/sharding.md#streams-that-go-mute</a>`},
		{"docs/none.md", "docs/none.md"},
		{`<b> docs/rules.md" onclick="x`, `&lt;b&gt; <a href="docs?page=rules">docs/rules.md</a>&#34; onclick=&#34;x`},
		{"\u202edocs", `\u202edocs`},
	} {
		if got := string(m.mentions(tc.text)); got != tc.want {
			t.Errorf("%q: %s, want %s", tc.text, got, tc.want)
		}
	}
	if got, err := m.inline("Keep `a` as in [rules](rules.md#x), <b>not</b> [b](../b.md)."); err != nil ||
		got != `Keep <code>a</code> as in <a href="docs?page=rules#x">rules</a>, <!-- raw HTML omitted -->not<!-- raw HTML omitted --> b.` {
		t.Errorf("%s, %v", got, err)
	}
}
