package console

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// rows is the number of rows of the first table below an element.
func rows(t *testing.T, b *tab, selector string) int {
	t.Helper()
	return eval[int](t, b, `document.querySelectorAll("`+selector+` tbody tr").length`)
}

// TestDemo uses the console as a newcomer does, on the demo.
func TestDemo(t *testing.T) {
	address := demo(t)
	t.Run("newcomer", func(t *testing.T) { newcomer(t, open(t, address, "/")) })
	t.Run("names", func(t *testing.T) { searchNames(t, open(t, address, "/names")) })
	t.Run("missing", func(t *testing.T) { findMissing(t, open(t, address, "/names")) })
	t.Run("sizes", func(t *testing.T) { findSizes(t, open(t, address, "/cardinality")) })
	t.Run("rules", func(t *testing.T) { findRules(t, open(t, address, "/rules?search=memory-stats")) })
	t.Run("keyboard", func(t *testing.T) { useKeyboard(t, open(t, address, "/")) })
	t.Run("workbench", func(t *testing.T) { useWorkbench(t, open(t, address, "/rules?view=workbench")) })
	t.Run("without scripts", func(t *testing.T) { withoutScripts(t, open(t, address, "/")) })
	t.Run("live", func(t *testing.T) { watchLive(t, open(t, address, "/")) })
}

// newcomer finds twenty names that are one metric, whose values move, and what becomes of a name of their own.
func newcomer(t *testing.T, b *tab) {
	t.Helper()
	b.await(t, `document.querySelectorAll("#demo-names tbody tr").length === 20`)
	b.awaitText(t, "#demo", "20 flat names, one metric")
	b.awaitText(t, "#demo-names tbody tr", `{component="router", index="1", type="vm_memory", …}`)
	before := eval[string](t, b, `document.querySelector("#demo-names tbody").innerText`)
	b.await(t, `document.querySelector("#demo-names tbody").innerText !== `+quote(before))

	b.do(t, chromedp.SendKeys(chromedp.ID("own"), "router__7.queues.orders.depth"+kb.Enter))
	b.awaitText(t, ".becomes", `cf_queues_orders_depth{component="router", environment="demo", index="7"}`)
	b.await(t, `[...document.querySelectorAll(".becomes .part")].map((e) => e.innerText).join() === "router,7"`)
	b.awaitText(t, ".steps", "instance/job__index")
	b.awaitText(t, "#live", "No such name has arrived lately")
}

func quote(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`", "$", "\\$").Replace(s) + "`"
}

// searchNames searches as one types, by state, in another order and page by page.
func searchNames(t *testing.T, b *tab) {
	t.Helper()
	if n := rows(t, b, "#found"); n != 50 {
		t.Errorf("%d rows, want a page of 50", n)
	}
	first := eval[string](t, b, `document.querySelector("#found tbody th").innerText`)
	b.do(t, chromedp.Click(chromedp.CSS(`#found .pager a[rel=next]`)))
	b.await(t, `document.querySelector("#found .pager").innerText.includes("51 to 100 of") &&
		document.querySelector("#found tbody th").innerText !== `+quote(first))
	b.do(t, chromedp.Click(chromedp.CSS(`#found .pager a[rel=next]`)))
	b.await(t, `document.querySelector("#found .pager").innerText.includes("101 to 150 of")`)
	b.do(t, chromedp.Click(chromedp.CSS(`#found .pager a[rel=prev]`)))
	b.await(t, `document.querySelector("#found .pager").innerText.includes("51 to 100 of")`)
	b.do(t, chromedp.Click(chromedp.CSS(`#found .pager a[rel=prev]`)))
	b.await(t, `document.querySelector("#found tbody th").innerText === `+quote(first))

	b.do(t, chromedp.SendKeys(chromedp.ID("search"), "bbs memorystats allocated"))
	b.await(t, `[...document.querySelectorAll("#found tbody th")].map((e) => e.innerText).join() ===
		"bbs.memoryStats.numBytesAllocated,bbs.memoryStats.numBytesAllocatedHeap,bbs.memoryStats.numBytesAllocatedStack"`)
	b.await(t, `location.search === "?search=bbs+memorystats+allocated"`)
	b.await(t, `document.activeElement.id === "search"`)

	b.show(t, "/names?search=bbs+memorystats")
	b.do(t, chromedp.Click(chromedp.CSS(`thead th:nth-child(2) a`))) // once more by name: the other way
	b.await(t, `document.querySelector("thead th:nth-child(2)").ariaSort === "descending"`)
	b.await(t, `document.querySelector("#found tbody th").innerText === "bbs.memoryStats.numMallocs" ||
		document.querySelector("#found tbody th").innerText === "bbs.memoryStats.numFrees"`)
	b.show(t, "/names")
	b.do(t, chromedp.Click(chromedp.CSS(`.chips li:nth-child(4) a`)))
	b.await(t, `location.search === "?state=untagged"`)
	b.await(t, `[...document.querySelectorAll("#found tbody .state")].every((e) => ["untagged", "undescribed"].includes(e.innerText))`)

	b.show(t, "/names")
	b.do(t, chromedp.SendKeys(chromedp.ID("search"), "zz.qq.name"))
	b.awaitText(t, "#found", "No live name matches.")
	b.do(t, chromedp.Click(chromedp.CSS("#found .empty a")))
	b.awaitText(t, "#presence", "No component has sent this name since the start")
	b.awaitText(t, ".becomes", "cf_zz_qq_name{")
}

// useKeyboard reaches everything without a mouse.
func useKeyboard(t *testing.T, b *tab) {
	t.Helper()
	b.typeKeys(t, kb.Tab)
	b.await(t, `document.activeElement.innerText === "Skip to the content" &&
		document.activeElement.getBoundingClientRect().top >= 0`)
	b.typeKeys(t, kb.Enter)
	b.await(t, `document.activeElement.id === "main"`)
	b.press(t, "/")
	b.await(t, `document.activeElement.id === "find" && document.activeElement.value === ""`)
	b.typeKeys(t, "a/b")
	b.await(t, `document.activeElement.value === "a/b"`)
	b.typeKeys(t, kb.Enter)
	b.await(t, `location.pathname === "/names" && document.getElementById("search").value === "a/b"`)
	b.show(t, "/")
	seen := map[string]bool{}
	for range 60 { // every stop of the tabulator can be seen
		b.typeKeys(t, kb.Tab)
		stop := eval[string](t, b, `(() => { const e = document.activeElement, s = getComputedStyle(e);
			return e === document.body ? "end" : (s.outlineStyle === "none" ? "no outline: " : "") + e.outerHTML.slice(0, 120) })()`)
		if stop == "end" {
			break
		}
		if strings.HasPrefix(stop, "no outline") {
			t.Error(stop)
		}
		seen[stop] = true
	}
	if len(seen) < 20 {
		t.Errorf("only %d stops", len(seen))
	}
}

// fill writes a text into a field of a page, as if it were pasted.
func (b *tab) fill(t *testing.T, id, text string) {
	t.Helper()
	eval[any](t, b, `(() => { const e = document.getElementById("`+id+`"); e.value = `+quote(text)+`;
		e.dispatchEvent(new Event("input", {bubbles: true})) })()`)
}

// misnumbered are the numbers of lines that do not stand beside their lines.
const misnumbered = `(() => {
  const text = document.getElementById("text"), style = getComputedStyle(text);
  const first = text.getBoundingClientRect().top + parseFloat(style.paddingTop), height = parseFloat(style.lineHeight);
  return [...document.querySelector(".editor pre").children].filter((e, i) =>
    Math.abs(e.getBoundingClientRect().top - first - i * height) > 1).map((e) => e.innerText).join(" ");
})()`

// useWorkbench writes a rule file with a mistake, mends it, and sees what it would change, while nothing changes.
func useWorkbench(t *testing.T, b *tab) {
	t.Helper()
	write := func(text string) {
		t.Helper()
		b.fill(t, "text", text)
	}
	b.awaitText(t, "#result", "Nothing changes")
	tryOwnNames(t, b)
	write("version: 1\nrules:\n  - pattern: \"{component}.memoryStats.{stat}\"\n    nane: \"go_{stat}\"\n")
	b.awaitText(t, "#result", "line 4, column 5")
	b.awaitText(t, "#result", `"nane"`)
	b.await(t, `document.querySelector(".editor mark")?.innerText.trim() === "4"`)
	if wrong := eval[string](t, b, misnumbered); wrong != "" {
		t.Errorf("numbers beside the text stand elsewhere than its lines: %s", wrong)
	}
	b.do(t, chromedp.Click(chromedp.CSS("#result [data-line]")))
	b.await(t, `document.activeElement.id === "text" && document.activeElement.selectionStart === 68`)

	write("version: 1\nrules:\n  - id: mine\n    pattern: \"{component}.memoryStats.{stat}\"\n    name: \"go_{stat}\"\n")
	b.awaitText(t, "#result", "names change")
	b.awaitText(t, "#result", "By mine")
	b.await(t, `document.querySelector("#result del").innerText.startsWith("cf_") &&
		document.querySelector("#result ins").innerText.startsWith("cf_go_")`)
	b.await(t, `document.querySelectorAll(".editor mark").length === 0`)
	write("version: 1\nrules: []\n")
	b.awaitText(t, "#result", "Nothing changes")

	b.show(t, "/names?metric=cf_num_bytes_allocated")
	b.awaitText(t, "#found", "bbs.memoryStats.numBytesAllocated") // the running exporter is as it was
	b.show(t, "/rules?view=workbench&name=shop.queue{0}.depth")
	b.await(t, `document.getElementById("text").value.includes('pattern: "shop.queue\\\\{0\\\\}.depth"')`)
	b.awaitText(t, "#result", "Nothing changes")
}

// tryOwnNames tries names that never came, and tests that stand in the file, each in its place.
func tryOwnNames(t *testing.T, b *tab) {
	t.Helper()
	b.await(t, `document.querySelector("#result ins")?.innerText === 'cf_queue_depth{environment="demo",queue="orders"}'`)
	b.fill(t, "own", "shop.queues.mail.age\n{name: shop.queues.mail.depth, kind: counter, origin: shop}\n{nam")
	b.await(t, `[...document.querySelectorAll("#result ins")].map((e) => e.innerText).join() ===
		'cf_queue_age{environment="demo",queue="mail"},' +
		'cf_queue_depth_total{component="shop",environment="demo",origin="shop",queue="mail"}'`)
	b.awaitText(t, "#result", "not valid YAML")
	b.fill(t, "text", "rules:\n  - {pattern: \"shop.{q}\", name: shop}\ntests:\n  - {given: {name: shop.a}, expect: {metric: cf_mall}}\n"+
		"  - {given: {name: shop.b}, expect: {tags: {q: b}}}\n")
	b.await(t, `[...document.querySelectorAll("#result .state")].map((e) => e.innerText).join() === "fails,passes"`)
	b.awaitText(t, "#result", `metric: got "cf_shop", want "cf_mall"`)
	b.do(t, chromedp.Click(chromedp.CSS(`#result [data-line="5"]`)))
	b.await(t, `document.activeElement.id === "text" && document.activeElement.selectionStart === 107`)
}

// withoutScripts finds all but live parts where scripts are off.
func withoutScripts(t *testing.T, b *tab) {
	t.Helper()
	b.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled,
			emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	b.show(t, "/")
	b.do(t, chromedp.SendKeys(chromedp.ID("find"), "bbs memorystats allocatedheap"+kb.Enter))
	b.do(t, chromedp.WaitVisible(chromedp.CSS(`#found a[href*="bbs.memoryStats.numBytesAllocatedHeap"]`)))
	b.do(t, chromedp.Click(chromedp.CSS(`#found a[href*="bbs.memoryStats.numBytesAllocatedHeap"]`)))
	b.do(t, chromedp.WaitVisible(chromedp.CSS(".becomes")))
	text := run(t, b, chromedp.TextContent(chromedp.CSS("#live")))
	if !strings.Contains(text, `cf_num_bytes_allocated_heap{`) {
		t.Errorf("no live series in %s", text)
	}
	b.show(t, "/rules?view=workbench")
	b.do(t, chromedp.WaitVisible(chromedp.CSS("noscript")))
}

// watchLive pauses the live parts, and is told when the exporter is silent.
func watchLive(t *testing.T, b *tab) {
	t.Helper()
	b.do(t, chromedp.ScrollIntoView(chromedp.ID("pause")), chromedp.Click(chromedp.ID("pause")))
	b.await(t, `document.getElementById("pause").innerText.includes("Paused")`)
	b.do(t, chromedp.Click(chromedp.ID("pause")))
	b.await(t, `document.getElementById("pause").innerText.includes("Live")`)
	b.expectComplaints(true)
	eval[any](t, b, `window.fetch = () => Promise.resolve(new Response("", {status: 503}))`)
	b.awaitText(t, "#silence", "the exporter is busy")
	eval[any](t, b, `window.fetch = () => Promise.reject(new TypeError("away"))`)
	b.awaitText(t, "#silence", "no answer from the exporter")
}
