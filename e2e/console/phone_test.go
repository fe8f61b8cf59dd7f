package console

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

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

	b.show(t, "/names")
	b.await(t, `(() => { const f = document.querySelector("#found .frame"); return f.scrollWidth > f.clientWidth })()`)
	// Covers move with the table, the shadows below them stay at the edges of the frame.
	const attachment = `getComputedStyle(document.querySelector("#found .frame")).backgroundAttachment`
	if got := eval[string](t, b, attachment); got != "local, local, scroll, scroll" {
		t.Errorf("the frame of a wide table has no shadow where it goes on: %s", got)
	}

	b.show(t, "/rules?view=workbench&file=10-runtime.yaml")
	b.awaitText(t, "#result", "Its rules")
	b.await(t, `(() => { const card = document.getElementById("result").getBoundingClientRect();
		return [...document.querySelectorAll("#result > *")].every((e) => e.getBoundingClientRect().right <= card.right) })()`)
}
