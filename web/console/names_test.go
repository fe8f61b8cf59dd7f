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

// TestOwnersOfASearch: a search that finds no name says which app is called so.
func TestOwnersOfASearch(t *testing.T) {
	f := newFake(t)
	const link = `<a href="names?owner=0e98fd00-47b2-4589-94f0-385f78b3a04d">checkout</a>`
	if body := get(t, f, "/names?search=checkout"); strings.Contains(body, link) {
		t.Error("there are names, and owners are shown")
	}
	f.names.Names = nil
	body := get(t, f, "/names?search=checkout")
	if !strings.Contains(body, link) || strings.Contains(body, "missing?") {
		t.Errorf("no %s in %s", link, body)
	}
	f.cardinality.Owners = nil
	if body := get(t, f, "/names?search=checkout"); strings.Contains(body, link) || !strings.Contains(body, "missing?") {
		t.Errorf("no owner is called so: %s", body)
	}
}

// TestNamesCounted says where more names may be in a state than are counted one by one.
func TestNamesCounted(t *testing.T) {
	const said = "only the names that came first are counted"
	f := newFake(t)
	f.names.Reasons = map[string]int{"conflict": 99, "outdated": 999}
	if body := get(t, f, "/names"); strings.Contains(body, said) {
		t.Error("all are counted")
	}
	f.names.Reasons = map[string]int{"conflict": 100, "outdated": 1000, "filtered": 999}
	if body := get(t, f, "/names"); !strings.Contains(body, "Of conflict, outdated "+said) {
		t.Errorf("not said in %s", body)
	}
}

// TestStateOfRefusedNames: conflicts are refused as well, so that the state without them has other words.
func TestStateOfRefusedNames(t *testing.T) {
	f := newFake(t)
	f.names.Names[0].States = []api.State{api.StateRefused}
	if body := get(t, f, "/names"); !strings.Contains(body, `<span class="state bad">over limit or invalid</span>`) {
		t.Errorf("not said in %s", body)
	}
}
