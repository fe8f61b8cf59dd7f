package console

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// findMissing looks for what is not there: names that resemble it are offered, and the page says why it is missing.
func findMissing(t *testing.T, b *tab) {
	t.Helper()
	b.do(t, chromedp.SendKeys(chromedp.ID("search"), "bbs.memoryStats.numBytesAlocated"))
	b.awaitText(t, "#found .near", "bbs.memoryStats.numBytesAllocated")
	b.awaitText(t, "#found .near", "cf_num_bytes_allocated")
	b.do(t, chromedp.Click(chromedp.CSS("#found .near a")))
	b.awaitText(t, "#presence", "The name arrives, and is exposed")
	b.show(t, "/explain?name=bbs.memoryStats.numBytesAllocated&kind=counter")
	b.awaitText(t, "#presence", "not as it is asked for. It is sent as gauge")
	b.do(t, chromedp.Click(chromedp.CSS("#presence a")))
	b.awaitText(t, "#presence", "The name arrives, and is exposed")
	b.awaitText(t, "#becomes-title", "Becomes")
	b.awaitText(t, "#live", "cf_num_bytes_allocated{")
	b.show(t, "/explain?name=cf_num_bytes_allocated")
	b.awaitText(t, "#presence", "This is the name of a metric")
	b.do(t, chromedp.Click(chromedp.CSS("#presence a")))
	b.awaitText(t, "#found", "bbs.memoryStats.numBytesAllocated")

	b.expectComplaints(true) // of its status 404
	b.show(t, "/cardinality?metric=cf_num_bytes_alocated")
	b.awaitText(t, ".near", "cf_num_bytes_allocated")
	b.expectComplaints(false)
}

// findSizes finds an app by its name, and goes through the metrics, sorted and page by page.
func findSizes(t *testing.T, b *tab) {
	t.Helper()
	b.do(t, chromedp.SendKeys(chromedp.ID("search"), "STOREFRONT staging"))
	b.await(t, `[...document.querySelectorAll("[aria-label='Table of owners'] tbody th a")].map((e) => e.innerText).join() === "storefront"`)
	b.do(t, chromedp.Click(chromedp.CSS(`[aria-label="Table of owners"] tbody a`)))
	b.awaitText(t, "#found", "Only names of")

	b.show(t, "/cardinality")
	b.do(t, chromedp.Click(chromedp.CSS(`#metrics-title ~ a`)))
	b.awaitText(t, "#found .pager", "1 to 50 of")
	b.do(t, chromedp.Click(chromedp.CSS(`#found thead a`)))
	b.await(t, `document.querySelector("#found thead th").ariaSort === "ascending"`)
	first := eval[string](t, b, `document.querySelector("#found tbody th").innerText`)
	b.do(t, chromedp.Click(chromedp.CSS(`#found .pager a[rel=next]`)))
	b.awaitText(t, "#found .pager", "51 to 100 of")
	b.do(t, chromedp.Click(chromedp.CSS(`#found .pager a[rel=prev]`)))
	b.await(t, `document.querySelector("#found tbody th").innerText === `+quote(first))
	b.do(t, chromedp.SendKeys(chromedp.ID("search"), "numbytesallocated num_bytes_allocated"))
	b.awaitText(t, "#found", "No metric matches.")
}

// findRules finds rules by what an address asks for, sorts them, and opens files and copies in the workbench.
func findRules(t *testing.T, b *tab) {
	t.Helper()
	b.await(t, `(() => { const row = document.querySelector("#found tbody th"), r = row.getBoundingClientRect();
		return row.innerText.startsWith("runtime/memory-stats") && r.bottom < innerHeight })()`)
	b.show(t, "/rules")
	b.do(t, chromedp.Click(chromedp.CSS(`#found thead th:nth-child(3) a`)))
	b.await(t, `(() => { const names = [...document.querySelectorAll("#found tbody td:nth-child(3)")].map((e) => parseInt(e.innerText.replaceAll(",", "")));
		return names.length === 50 && names[0] > 100 && names.every((n, i) => !i || n <= names[i - 1]) })()`)
	b.do(t, chromedp.Click(chromedp.CSS(`#found .pager a[rel=next]`)))
	b.awaitText(t, "#found .pager", "51 to 100 of")

	b.show(t, "/rules?view=workbench")
	b.do(t, chromedp.SetValue(chromedp.ID("start"), "10-runtime.yaml"), chromedp.Click(chromedp.CSS("form[aria-label^=Start] button")))
	b.awaitText(t, ".bench", "in place of 10-runtime.yaml")
	b.awaitText(t, ".bench", "This file is built in")
	b.awaitText(t, "#result", "Nothing changes")
	b.await(t, `document.getElementById("text").value.includes("id: runtime/memory-stats")`)
	eval[any](t, b, `(() => { const e = document.getElementById("text"); e.value = e.value.replace("type: vm_memory", "type: go_memory");
		e.dispatchEvent(new Event("input", {bubbles: true})) })()`)
	b.awaitText(t, "#result", "names change")
	b.awaitText(t, "#result", `type="go_memory"`)

	b.show(t, "/rules?view=workbench&rule=runtime/memory-stats")
	b.await(t, `document.getElementById("text").value.includes('pattern: "memoryStats.{stat...}"')`)
	b.awaitText(t, "#result", "Its rules")
	b.await(t, `document.querySelector("#result .bad") === null`)
}
