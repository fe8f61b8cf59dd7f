package store

import (
	"testing"
	"testing/synctest"
)

// No tag takes another's label by a name that only looks like it, or is what the exporter calls the other.
func TestLabelsOfTheirOwnTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t)
		write(s, gauge("a", 1, "app_id", "real", "app-id", "false", "app.id", "third", "job", "router", "bosh_job_name", "false", "envelope_le", "kept", "le", "1"))
		write(s, gauge("b", 1, "a-b", "first", "a.b", "second"))
		const want = `gauge cf_a{app_id="real",bosh_job_name="router",envelope_app_id="false",envelope_bosh_job_name="false",envelope_le="1"} 1
gauge cf_b{a_b="first",envelope_a_b="second"} 1
`
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}
