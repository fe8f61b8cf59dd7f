package exposition

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestScrapeSlots(t *testing.T) {
	const (
		full  = "Limit of concurrent scrapes reached (8), try again later."
		share = "Limit of concurrent scrapes of one address reached (%d of 8), try again later."
	)
	s := newScrapeSlots(8)
	var releases []func()
	for i, step := range []struct{ remote, want string }{
		{"10.0.0.1:1", ""},
		{"10.0.0.1:2", ""},
		{"10.0.0.1:3", ""},
		{"10.0.0.1:4", ""},
		{"10.0.0.1:5", fmt.Sprintf(share, 4)},
		{"[::ffff:10.0.0.1]:6", fmt.Sprintf(share, 4)}, // the same address, as a socket for both versions of IP has it
		{"[2001:db8::1]:1", ""},
		{"[2001:db8::2:1]:1", ""}, // another address of the same network
		{"[2001:db8::3]:1", fmt.Sprintf(share, 2)},
		{"[2001:db8:0:1::1]:1", ""}, // another network
		{"@", ""},                   // a Unix socket
		{"10.0.0.1:7", full},
		{"10.0.0.9:1", full},
	} {
		release, refusal := s.take(step.remote)
		if refusal != step.want || (release == nil) != (refusal != "") {
			t.Errorf("step %d, %s: %q, want %q", i, step.remote, refusal, step.want)
		}
		if release != nil {
			releases = append(releases, release)
		}
	}
	for _, release := range releases {
		release()
	}
	if s.free != 8 || len(s.taken) != 0 {
		t.Errorf("%d slots are free after all were released, %v are taken", s.free, s.taken)
	}
}

// TestSlowReadersLeaveSlotsToOthers has one address hold as many scrapes as it can: another address is answered.
func TestSlowReadersLeaveSlotsToOthers(t *testing.T) {
	g := gate{make(chan struct{}), make(chan struct{})}
	h := newTestHandler(small, g, Options{})
	ask := func(remote string) (status int, body string) {
		r, w := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody), httptest.NewRecorder()
		r.RemoteAddr = remote
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	done := make(chan int)
	for range 4 {
		go func() { status, _ := ask("10.0.0.1:1"); done <- status }()
		<-g.entered
	}
	const want = "Limit of concurrent scrapes of one address reached (4 of 8), try again later.\n"
	if status, body := ask("10.0.0.1:2"); status != http.StatusServiceUnavailable || body != want {
		t.Errorf("the slow readers' address: %d %q", status, body)
	}
	go func() { status, _ := ask("10.0.0.2:1"); done <- status }()
	<-g.entered
	close(g.leave)
	for range 5 {
		if status := <-done; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	go func() { <-g.entered }()
	if status, body := ask("10.0.0.1:3"); status != http.StatusOK || !strings.HasPrefix(body, "# HELP cf_a") {
		t.Errorf("after them: %d %q", status, body)
	}
}
