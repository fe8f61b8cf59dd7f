package exposition

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// TestObserve tells of scrapes of all formats and outcomes.
func TestObserve(t *testing.T) {
	var got []string
	h := newTestHandler(small, own(), Options{Observe: func(s Scrape) {
		got = append(got, fmt.Sprintf("%s %s %s %q %d %d", s.UserAgent, s.Outcome, s.Format, s.Compression, s.Bytes,
			s.LimitBytes))
		if s.Remote == "" || s.Duration <= 0 {
			t.Errorf("%+v", s)
		}
	}})
	scrape(t, h, http.MethodGet, "User-Agent", "a")
	scrape(t, h, http.MethodGet, "User-Agent", "vm_promscrape", "Accept-Encoding", "gzip")
	openMetrics := httptest.NewRecorder()
	b := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	b.Header.Set("User-Agent", "b")
	b.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	h.ServeHTTP(openMetrics, b)
	scrape(t, h, http.MethodHead, "User-Agent", "is no scrape")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics?match[]={", http.NoBody)
	h.ServeHTTP(httptest.NewRecorder(), r)
	want := []string{
		fmt.Sprintf("a complete text %q %d 0", "", len(textPage)),
		fmt.Sprintf("vm_promscrape complete text %q %d %d", "gzip", len(textPage), 16<<20),
		fmt.Sprintf("b complete openmetrics %q %d 0", "", openMetrics.Body.Len()),
		" invalid  \"\" 0 0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
