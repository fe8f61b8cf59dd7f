package console

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds what a page takes to show something: far more than it takes on a busy machine.
const patience = time.Minute

// tab is a page in Chromium that shows the console at an address. What the browser complains of, and requests to any
// other host, fail the test.
type tab struct {
	ctx     context.Context //nolint:containedctx // chromedp keeps the browser in it
	address string

	mu         sync.Mutex
	complaints []string
	expected   bool // complaints are not failures, as while the exporter is down
}

// chromium finds the browser that `make packages` installs, or one that is there.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium-headless-shell", "chromium"} {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	t.Fatal("there is no Chromium: run make packages")
	return ""
}

// open starts a browser and shows a page.
func open(t *testing.T, address, path string) *tab {
	t.Helper()
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), append(
		chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900), chromedp.Flag("hide-scrollbars", true),
	)...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &tab{ctx: ctx, address: address}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		stop()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, c := range b.complaints {
			t.Error(c)
		}
	})
	b.do(t)
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.show(t, path)
	return b
}

// hear takes the events of the page. Chromium says here what its Content-Security-Policy forbids.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	complain := func(format string, args ...any) {
		if !b.expected {
			b.complaints = append(b.complaints, fmt.Sprintf(format, args...))
		}
	}
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		complain("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
	case *runtime.EventExceptionThrown:
		d := e.ExceptionDetails
		complain("%s:%d: %s", d.URL, d.LineNumber+1, d.Text)
		if d.Exception != nil {
			complain("%s", d.Exception.Description)
		}
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			complain("console: %s %s", arg.Value, arg.Description)
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Host != b.address && u.Scheme != "blob" {
			complain("a request to %s", e.Request.URL)
		}
	}
}

// do runs steps, which must succeed in good time.
func (b *tab) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	for _, step := range steps {
		run(t, b, step)
	}
	if len(steps) == 0 { // the browser lives as long as the first context that it is used with
		if err := chromedp.Do(b.ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func run[T any](t *testing.T, b *tab, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// show opens a page of the console.
func (b *tab) show(t *testing.T, path string) {
	t.Helper()
	b.do(t, chromedp.Navigate("http://"+b.address+path))
}

// eval returns the value of an expression.
func eval[T any](t *testing.T, b *tab, expression string) T {
	t.Helper()
	return run(t, b, chromedp.Evaluate[T](expression))
}

// await waits until an expression is true, on this page or the next one.
func (b *tab) await(t *testing.T, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		value, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err == nil && value {
			return
		}
		select { // a page that is being left answers with an error
		case <-ctx.Done():
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location + "\n" + document.body.innerText`))
			t.Fatalf("%s: %v\n%s", expression, err, text)
		case <-tick.C:
		}
	}
}

// awaitText waits until the page, or the part of it that a selector finds, holds a text.
func (b *tab) awaitText(t *testing.T, selector, text string) {
	t.Helper()
	b.await(t, fmt.Sprintf("document.querySelector(%q)?.innerText.includes(%q)", selector, text))
}

// typeKeys presses keys, wherever the focus is.
func (b *tab) typeKeys(t *testing.T, keys string) {
	t.Helper()
	b.do(t, chromedp.KeyEvent(keys))
}

// press presses a key with a character as a keyboard does: the page may keep the character from being typed.
func (b *tab) press(t *testing.T, key string) {
	t.Helper()
	b.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
			if _, err := cdp.Call(ctx, target, input.DispatchKeyEvent, input.DispatchKeyEventParams{
				Type: kind, Key: key, Text: key,
			}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// colours sets what the reader prefers: light or dark.
func (b *tab) colours(t *testing.T, scheme string) {
	t.Helper()
	b.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// expectComplaints says whether complaints of the browser are expected from now on.
func (b *tab) expectComplaints(expected bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = expected
}

// wide are the elements that stand out of the page to the right, which makes it scroll sideways.
const wide = `(() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return "";
  return [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > room + 1 &&
    !e.closest(".frame, .tabs, .editor")).slice(0, 5).map((e) => e.outerHTML.slice(0, 150)).join("\n") || "something";
})()`

// assertFits fails where a page scrolls sideways.
func (b *tab) assertFits(t *testing.T, path string) {
	t.Helper()
	if found := eval[string](t, b, wide); found != "" {
		t.Errorf("%s is wider than the screen: %s", path, strings.TrimSpace(found))
	}
}
