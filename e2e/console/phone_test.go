package console

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// cutOff are cells of tables that stand as cards which are not in view, or do not say what they hold.
const cutOff = `[...document.querySelectorAll(".cards tbody tr > td[data-of]")].filter((e) => e.offsetHeight > 0 &&
  (e.getBoundingClientRect().right > innerWidth || !getComputedStyle(e, "::before").content.includes(e.dataset.of))
).slice(0, 5).map((e) => e.outerHTML).join("\n")`

// TestPhone uses the console at the width of a phone: every page and the search are there to be seen, and tables that are
// wider than the screen show that they go on.
func TestPhone(t *testing.T) {
	b := open(t, demo(t), "/")
	b.do(t, chromedp.EmulateViewport(360, 800))
	b.show(t, "/")
	for _, page := range []string{"Overview", "Names", "Explain", "Rules", "Cardinality", "Configuration"} {
		b.await(t, fmt.Sprintf(`[...document.querySelectorAll(".tabs a")].some((e) => { const r = e.getBoundingClientRect();
			return e.innerText === %q && r.left >= 0 && r.right <= 360 && r.bottom <= 200 &&
				document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2) === e })`, page))
	}
	b.do(t, chromedp.SendKeys(chromedp.ID("find"), "bbs memorystats\r"))
	b.awaitText(t, "#found", "bbs.memoryStats.numBytesAllocated")
	b.do(t, chromedp.Click(chromedp.CSS(`.tabs li:last-child a`)))
	b.awaitText(t, "h1", "Configuration")

	// What one looks for stands in view, each cell with the heading of its column.
	for _, path := range []string{
		"/", "/names", "/explain?name=bbs.memoryStats.numBytesAllocated&origin=bbs", "/cardinality", "/config?list=all", "/rules",
	} {
		b.show(t, path)
		b.await(t, `document.querySelector(".cards tbody tr")`)
		if cut := eval[string](t, b, cutOff); cut != "" {
			t.Errorf("%s: out of sight or without a heading: %s", path, cut)
		}
	}
	if height := eval[float64](t, b, `document.querySelector(".top").offsetHeight`); height > 160 {
		t.Errorf("the bar takes %.0f px", height)
	}

	b.show(t, "/")
	b.await(t, `document.querySelectorAll("#demo-names tbody tr").length === 20`)
	if height := eval[float64](t, b, `document.getElementById("demo").offsetHeight`); height > 700 {
		t.Errorf("the box of the demo takes %.0f px", height)
	}
	b.await(t, `(() => { const f = document.querySelector("#sources .frame"); return f.scrollWidth > f.clientWidth })()`)
	// Covers move with the table, the shadows below them stay at the edges of the frame.
	const attachment = `getComputedStyle(document.querySelector("#sources .frame")).backgroundAttachment`
	if got := eval[string](t, b, attachment); got != "local, local, scroll, scroll" {
		t.Errorf("the frame of a wide table has no shadow where it goes on: %s", got)
	}

	b.show(t, "/rules?view=workbench&file=10-runtime.yaml")
	b.awaitText(t, "#result", "Its rules")
	b.await(t, `(() => { const card = document.getElementById("result").getBoundingClientRect();
		return [...document.querySelectorAll("#result > *")].every((e) => e.getBoundingClientRect().right <= card.right) })()`)
}
