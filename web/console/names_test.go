package console

import (
	"strings"
	"testing"

	"loggregator_exporter/web/api"
)

// TestProblemsFirst: where names are in conflict or refused, one click brings them on top, and keeps what is asked for.
func TestProblemsFirst(t *testing.T) {
	const link = "Those with problems first"
	f := newFake(t)
	body := get(t, f, "/names?search=rep&metric=cf_x")
	if want := `<a href="names?metric=cf_x&amp;search=rep&amp;sort=state">` + link + `</a>`; !strings.Contains(body, want) {
		t.Errorf("no %s in %s", want, body)
	}
	for _, path := range []string{"/names?sort=series", "/names?state=tagged"} {
		if strings.Contains(get(t, f, path), link) {
			t.Errorf("%s has an order or a state", path)
		}
	}
	f.names.States[api.StateConflict], f.names.States[api.StateRefused] = 0, 0
	if strings.Contains(get(t, f, "/names"), link) {
		t.Error("there is no problem")
	}
}
