package console

import (
	"bytes"
	"compress/gzip"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"loggregator_exporter/internal/leaks"
	"loggregator_exporter/web/api"
)

func TestMain(m *testing.M) { os.Exit(leaks.Check(m.Run())) }

// newMux serves a console that shows what f answers.
func newMux(f *fake) *http.ServeMux {
	mux := http.NewServeMux()
	New(Options{Data: f, TelemetryPath: "/metrics", Demo: true, Log: slog.New(slog.DiscardHandler)}).Register(mux)
	return mux
}

// TestUnasked: an exporter that is only scraped holds no parsed templates, which are thousands of allocations.
func TestUnasked(t *testing.T) {
	if got := testing.AllocsPerRun(10, func() { newMux(&fake{}) }); got > 500 {
		t.Errorf("%v allocations before a page is asked for", got)
	}
}

// ask sends a request and returns the answer.
func ask(tb testing.TB, f *fake, method, path, contentType, body string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	newMux(f).ServeHTTP(w, r)
	return w
}

// get returns a page that is there.
func get(tb testing.TB, f *fake, path string) string {
	tb.Helper()
	w := ask(tb, f, http.MethodGet, path, "", "")
	if w.Code != http.StatusOK {
		tb.Fatalf("GET %s: %d\n%s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// paths are all pages, in all their views.
var paths = []string{
	"/", "/?ledger=total", "/names", "/names?search=router&state=conflict&sort=series&order=desc&metric=cf_x&owner=a",
	"/explain", "/explain?name=router__0.memoryStats.numBytesAllocated&origin=router__0&kind=gauge&tags=a%3Db",
	"/rules", "/rules?file=rules.yaml&unused=true&search=q", "/rules?view=workbench",
	"/rules?view=workbench&file=rules.yaml", "/rules?view=workbench&from=proposals",
	"/rules?view=workbench&name=a.b", "/rules?view=proposals",
	"/cardinality", "/cardinality?metric=cf_x", "/config", "/config?search=rlp&all=true",
}

func TestHeaders(t *testing.T) {
	f := newFake(t)
	for _, path := range append([]string{"/assets/console.css", "/assets/console.js", "/assets/icon.svg"}, paths...) {
		h := ask(t, f, http.MethodGet, path, "", "").Header()
		for key, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
				"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options": "nosniff",
			"Referrer-Policy":        "no-referrer",
		} {
			if got := h.Get(key); got != want {
				t.Errorf("%s: %s is %q, want %q", path, key, got, want)
			}
		}
	}
}

// What the policy forbids would not work: no page may hold it.
var forbidden = regexp.MustCompile(`<script>|<style| style="| on[a-z]+="|="(https?:)?//|<iframe|javascript:`)

// Links are relative, so that the console works below any path of a proxy.
var absolute = regexp.MustCompile(` (href|src|action)="/`)

func TestPagesHoldNothingForbidden(t *testing.T) {
	f := newFake(t)
	for _, path := range paths {
		body := get(t, f, path)
		if found := forbidden.FindString(body); found != "" {
			t.Errorf("%s holds %s", path, found)
		}
		if found := absolute.FindString(body); found != "" {
			t.Errorf("%s holds %s", path, found)
		}
		if n := strings.Count(body, "<h1"); n != 1 {
			t.Errorf("%s has %d first headings", path, n)
		}
	}
}

func TestMethods(t *testing.T) {
	f := newFake(t)
	for _, tc := range []struct {
		method, path, contentType string
		status                    int
	}{
		{"HEAD", "/", "", 200},
		{"POST", "/", "", 405},
		{"POST", "/names", "", 405},
		{"DELETE", "/rules", "", 405},
		{"POST", "/rules", "application/yaml", 200},
		{"POST", "/rules", "application/yaml; charset=utf-8", 200},
		{"POST", "/rules", "application/x-www-form-urlencoded", 415},
		{"POST", "/rules", "text/plain", 415},
		{"POST", "/rules", "multipart/form-data; boundary=x", 415},
		{"POST", "/rules", "", 415},
		{"GET", "/nothing", "", 404},
		{"GET", "/assets/", "", 404},
		{"GET", "/assets/../console.go", "", 307},
		{"GET", "/names?stat=conflict", "", 400},
		{"GET", "/names?state=lost", "", 400},
		{"GET", "/explain?name=x&kind=log", "", 400},
		{"GET", "/rules?limit=0", "", 400},
		{"GET", "/cardinality?limit=x", "", 400},
	} {
		if got := ask(t, f, tc.method, tc.path, tc.contentType, "rules: []").Code; got != tc.status {
			t.Errorf("%s %s %s: %d, want %d", tc.method, tc.path, tc.contentType, got, tc.status)
		}
	}
}

// Errors are pages, with the way back. What could not be made in time is asked for again.
func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name   string
		f      fake
		status int
		text   string
		retry  string
	}{
		{"no time", fake{busy: &api.Error{Type: api.ErrorUnavailable, Text: "64 wait already"}}, 503, "64 wait already", "1"},
		{"timeout", fake{err: &api.Error{Type: api.ErrorTimeout, Text: "given <up>"}}, 503, "given &lt;up&gt;", "1"},
		{"not found", fake{err: &api.Error{Type: api.ErrorNotFound, Text: "no such file"}}, 404, "no such file", ""},
		{"defect", fake{err: errors.New("it broke")}, 500, "could not be made, see the log: it broke", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := ask(t, &tc.f, http.MethodGet, "/rules?file=x", "", "")
			if w.Code != tc.status || w.Header().Get("Retry-After") != tc.retry {
				t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
			}
			for _, want := range []string{tc.text, `<a href="./">Back to the overview</a>`, `<a href="metrics">`} {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("no %s in\n%s", want, w.Body)
				}
			}
			if again := strings.Contains(w.Body.String(), `http-equiv="refresh"`); again != (tc.retry != "") {
				t.Errorf("asked for again: %t", again)
			}
		})
	}
}

// What costs more is admitted as such.
func TestAdmission(t *testing.T) {
	for path, heavy := range map[string]int{
		"/": 0, "/rules": 0, "/rules?view=workbench": 0, "/rules?view=proposals": 1,
		"/rules?view=workbench&from=proposals": 1,
	} {
		f := newFake(t)
		get(t, f, path)
		if f.heavy != heavy {
			t.Errorf("%s: %d", path, f.heavy)
		}
	}
	f := newFake(t)
	ask(t, f, http.MethodPost, "/rules", "application/yaml", "")
	if f.heavy != 1 {
		t.Error("a trial is not admitted as heavy")
	}
}

// All that a browser loads beside the pages.
func TestAssets(t *testing.T) {
	f := newFake(t)
	body := get(t, f, "/")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for _, match := range regexp.MustCompile(`"(assets/[^"]+)"`).FindAllStringSubmatch(body, -1) {
		w := ask(t, f, http.MethodGet, "/"+match[1], "", "")
		if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "max-age=31536000, immutable" {
			t.Errorf("%s: %d %s", match[1], w.Code, w.Header())
		}
		_, _ = z.Write(w.Body.Bytes())
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if packed.Len() < 4_000 || packed.Len() > 100_000 {
		t.Errorf("stylesheet, script and icon have %d bytes with gzip", packed.Len())
	}
	w := ask(t, f, http.MethodGet, "/assets/console.css?old", "", "")
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("another version of an asset: %d %s", w.Code, w.Header())
	}
}
