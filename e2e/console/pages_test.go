package console

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"loggregator_exporter/e2e/peer"
)

//go:embed axe/axe.min.js
var axe string

// runAxe returns what axe-core finds, a line each.
const runAxe = `axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.flatMap((v) =>
  v.nodes.map((n) => v.id + ": " + n.failureSummary.replaceAll("\n", " ") + " " + n.html.slice(0, 200))).join("\n"))`

// serves is what the demo says when it listens.
var serves = regexp.MustCompile(`the exporter serves at (127\.0\.0\.1:\d+)`)

// demo runs the demo until the test ends, and returns its address once every VM has sent its metrics.
func demo(t *testing.T) string {
	t.Helper()
	p := peer.Start(t, serves, peer.Exporter(t), "demo", "--web.listen_address=127.0.0.1:0")
	peer.Until(peer.Within(t, peer.Patience), t, "the metrics of every VM", func() string {
		if !p.Said("for Prometheus") {
			return "not yet"
		}
		return ""
	})
	return p.Found
}

// paths are the pages, in all their views.
var paths = []string{
	"/", "/?ledger=total", "/names", "/names?state=untagged", "/names?undescribed=true", "/names?reason=duplicate&sort=samples&order=desc",
	"/names?search=no+such+name", "/explain",
	"/explain?name=router__0.memoryStats.numBytesAllocated&origin=router__0", "/explain?name=my.own.metric&kind=counter",
	"/explain?name=cf_num_bytes_allocated%7Bcomponent%3D~%22rep%7Cbbs%22%7D", "/explain?name=cf_num_bytes_allocated%7Bjob!%3D%22a%22,x%3D%221%22%7D",
	"/explain?name=bbs.memoryStats.numBytesAlocated", "/rules", "/rules?unused=true", "/rules?search=memory", "/rules?view=workbench",
	"/rules?view=workbench&file=10-runtime.yaml", "/rules?view=proposals", "/cardinality", "/cardinality?list=owners&search=retail",
	"/cardinality?list=metrics", "/cardinality?metric=cf_num_bytes_allocated", "/config", "/config?list=all", "/docs",
	"/docs?page=runbook", "/names?state=wrong",
}

// TestPages opens each page of the demo: it says nothing to the browser's console, asks no other host, is free of
// what axe-core finds in both colour schemes, and fits a phone.
func TestPages(t *testing.T) {
	b := open(t, demo(t), "/")
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			b.expectComplaints(strings.HasSuffix(path, "wrong")) // of its status 400
			b.do(t, chromedp.EmulateViewport(1280, 900))
			b.show(t, path)
			b.expectComplaints(false)
			eval[any](t, b, axe)
			for _, scheme := range []string{"light", "dark"} {
				b.colours(t, scheme)
				found := run(t, b, chromedp.Evaluate[string](runAxe, chromedp.EvalAwaitPromise))
				if found != "" {
					t.Errorf("%s: %s", scheme, found)
				}
			}
			for _, width := range []int64{1280, 768, 360} {
				b.do(t, chromedp.EmulateViewport(width, 900))
				b.assertFits(t, fmt.Sprintf("%s at %d", path, width))
			}
		})
	}
}
