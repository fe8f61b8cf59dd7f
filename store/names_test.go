package store

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"loggregator_exporter/metric"
)

func TestLabelsOfTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) {
			o.Environment = "prod"
			o.AddLabels = []metric.Label{{Name: "region", Value: "eu"}}
			o.DropLabels = []string{"product"}
			o.RenameLabels = [][2]string{{"bosh_job_ip", "ip"}, {"team", "origin"}}
		})
		write(s, gauge("a", 1, "origin", "x", "product", "p", "ip", "1", "region", "us", "environment", "test", "team", "t"))
		write(s, timer("t", time.Second, "origin", "x", "product", "p"))
		want := `gauge cf_a{component="x",envelope_environment="test",envelope_region="us",environment="prod",ip="1",` +
			`origin="x",region="eu",team="t"} 1
histogram cf_t_seconds{component="x",environment="prod",origin="x",region="eu"} [0.1 1] [0 1 0] count=1 sum=1
`
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		for label, n := range map[string]uint64{"region": 1, "environment": 1, "origin": 1} {
			if got := s.overrides[overrideKey{label, "cf_a"}]; got != n {
				t.Errorf("overrides of %s: %d, want %d", label, got, n)
			}
		}
	})
}

// Under the verbatim naming names may differ in characters that classic scrapes do not get to see.
func TestVerbatimNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testStore(t, func(o *Settings) { o.Naming.Verbatim = true })
		for _, c := range []step{
			{gauge("a.b", 1), "stored"},
			{gauge("a-b", 1), "conflict"},
			{timer("http", time.Second), "stored"},
			{gauge("numFrees", 1), "stored"},
			{gauge("cpu", 50, "__v1_type", "ContainerMetric", "origin", "rep"), "stored"},
		} {
			if got := write(s, c.envelope); got != c.outcome {
				t.Errorf("%+v: %s", c.envelope, got)
			}
		}
		want := "gauge a.b{} 1\n" + `gauge cf_container_cpu_ratio{component="rep",origin="rep"} 0.5` + "\n" +
			"histogram cf_http_request_duration_seconds{} [0.1 1] [0 1 0] count=1 sum=1\ngauge numFrees{} 1\n"
		if got := dump(s); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// A series whose name begins like one of the exporter's own metrics is refused for that, whatever the own metric's
// type.
func TestNamesOfTheExporter(t *testing.T) {
	s := testStore(t, func(o *Settings) { o.Naming.Namespace = "" })
	if got := write(s, counter("process_cpu_seconds_total", 0, 7)); got != "conflict" {
		t.Error(got)
	}
	const want = "its name begins like those of the exporter's own metrics, or of metrics.compatibility"
	if got := s.Refusals(); len(got) != 1 || got[0].Reason != want {
		t.Errorf("%+v", got)
	}
}

// Which of several names arrives first makes no difference to what the family says of itself.
func TestHelpDoesNotDependOnArrival(t *testing.T) {
	names := []string{"foo.bar", "fooBar", "foo-bar"}
	for range names {
		names = append(names[1:], names[0])
		s := testStore(t)
		for i, n := range names {
			write(s, gauge(n, 1, "i", fmt.Sprint(i)))
		}
		if got := s.Families()[0].Help; got != "Cloud Foundry metric foo-bar." {
			t.Errorf("%v: %s", names, got)
		}
	}
}
