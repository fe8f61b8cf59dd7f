package console

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// hostile are names that an app may choose.
var hostile = []string{
	`<script>document.title="owned"</script>`,
	`"><img src=x onerror=document.title="owned">`,
	`'><svg/onload=document.title="owned">`,
	`</title></style></textarea></script><h1>owned</h1>`,
	`javascript:document.title="owned"`,
	`{{.Page}} ${document.title="owned"} <%= 1 %>`,
	"a\x00b\x1b[31m\r\nc",
	"\u202egnp.exe.\u2066x",
	strings.Repeat("x", 1000),
	strings.Repeat("w.", 500),
	strings.Repeat("W W ", 250),
}

// TestHostileNames sends names, tags and values that try to be more than text. They run nothing, ask no other host and
// break no page, also where they are typed.
func TestHostileNames(t *testing.T) {
	r := startExporter(t, "nozzle: {udp: {enabled: true, listen_address: \"127.0.0.1:0\"}}\nweb: {listen_address: \"127.0.0.1:0\"}\n")
	for i, name := range hostile {
		r.send(t, value(name, name, map[string]string{"tag": name, fmt.Sprintf("t%d", i): strings.Repeat(name, 4000/len(name))}))
	}
	b := open(t, r.web, "/names")
	b.await(t, fmt.Sprintf(`document.querySelectorAll("#found tbody tr").length === %d`, len(hostile)))
	long := strings.Repeat("n", 10_000)
	pages := []string{
		"/", "/names", "/names?search=%3Cscript", "/rules", "/rules?view=proposals", "/cardinality", "/cardinality?list=owners", "/cardinality?list=label_values", "/config",
		"/cardinality?search=" + long,
		"/names?search=" + long, "/rules?search=" + long, "/config?search=" + long, "/rules?view=workbench&name=" + long,
	}
	for _, name := range hostile {
		pages = append(pages, "/explain?name="+url.QueryEscape(name)+"&origin="+url.QueryEscape(name),
			"/rules?view=workbench&name="+url.QueryEscape(name), "/rules?view=workbench&rule="+url.QueryEscape(name),
			"/names?search="+url.QueryEscape(name), "/cardinality?search="+url.QueryEscape(name))
	}
	for _, page := range pages {
		b.expectComplaints(strings.Contains(page, "&rule=")) // of the status 404: there is no such rule
		b.show(t, page)
		for _, width := range []int64{1280, 360} {
			b.do(t, chromedp.EmulateViewport(width, 900))
			b.assertFits(t, fmt.Sprintf("%.60s at %d", page, width))
		}
		if found := eval[string](t, b, `[document.title, ...[...document.querySelectorAll("h1")].map((e) => e.innerText)].
			filter((text) => text === "owned").join()`); found != "" {
			t.Errorf("%.60s: a name was more than text", page)
		}
		if n := eval[int](t, b, `document.querySelectorAll("main img, main script, main svg[onload], h1 + h1").length`); n > 0 {
			t.Errorf("%.60s has %d elements of a name", page, n)
		}
	}
	b.expectComplaints(true) // of statuses 400
	for _, page := range []string{
		"/explain?name=" + long, "/explain?name=x&kind=" + long, "/names?state=" + url.QueryEscape(hostile[0]),
		"/cardinality?metric=" + url.QueryEscape(hostile[1]), "/docs?page=" + url.QueryEscape(hostile[1]), "/docs?page=" + long,
	} {
		b.show(t, page)
		b.do(t, chromedp.EmulateViewport(360, 900))
		b.assertFits(t, fmt.Sprintf("%.60s", page))
	}
}
