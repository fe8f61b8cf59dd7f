package overview

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.yaml.in/yaml/v4"
)

// alert is one that the project ships.
type alert struct {
	Alert, Expr, For string
	Labels           map[string]string
	Annotations      map[string]string
}

func (a alert) severity() Severity { return Severity(a.Labels["severity"]) }

// alertsByRunbook are the alerts on the exporter by their section of the runbook.
func alertsByRunbook(t *testing.T) map[string]alert {
	t.Helper()
	text, err := os.ReadFile("../../deploy/prometheus/rules/exporter.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct{ Rules []alert }
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	all := map[string]alert{}
	for _, g := range file.Groups {
		for _, a := range g.Rules {
			_, anchor, _ := strings.Cut(a.Annotations["runbook_url"], "#")
			all[anchor] = a
		}
	}
	return all
}

// TestThresholds: what is a problem here from some value on is an alert from the same one on, and so says the runbook.
func TestThresholds(t *testing.T) {
	alerts := alertsByRunbook(t)
	for runbook, want := range map[string]string{
		"loggregatorexporterupstreamloss":           fmt.Sprintf("ratio_rate5m > %v", someLost),
		"loggregatorexporteroutdated":               fmt.Sprintf("> %v", shareOutdated),
		"loggregatorexportersourcemute":             fmt.Sprintf("> %v ", muteAfter.Seconds()),
		"loggregatorexporterolddata":                fmt.Sprintf("> %v", clockBehind.Seconds()),
		"loggregatorexporterremotewritebehind":      fmt.Sprintf("> %v", clockBehind.Seconds()),
		"loggregatorexportercertificateexpiressoon": fmt.Sprintf("< %v * 86400", certificateSoon.Hours()/24),
		"loggregatorexportercertificateexpires":     fmt.Sprintf("< %v * 86400", certificateNow.Hours()/24),
	} {
		if !strings.Contains(alerts[runbook].Expr+" ", want) {
			t.Errorf("%s: %q has no %q", runbook, alerts[runbook].Expr, want)
		}
	}
	if got, err := time.ParseDuration(alerts["loggregatorexporterupstreamloss"].For); err != nil || got != 2*recent {
		t.Errorf("the alert on losses looks at %v, the console at %v: %v", got, 2*recent, err)
	}
	text, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "### LoggregatorExporterUpstreamLoss")
	if section, _, _ = strings.Cut(section, "###"); !strings.Contains(section, "for 10 minutes that it loses more than "+percent(someLost)) {
		t.Errorf("the runbook says\n%s", section)
	}
}

// TestSlowReader: a few losses of a reader of the reverse log proxy are a problem where they go on, as for the alert.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		lost := Loss{Origin: "loggregator.rlp", Direction: "egress"}
		received := uint64(0)
		for minute := range 12 {
			f.sources = []Source{well("rlp")}
			f.sources[0].Received = received
			f.losses = []Loss{lost}
			f.counts[lost.column()] = float64(lost.Count)
			f.counts[Column{"envelopes_received_total", "rlp", ""}] = float64(received)
			f.point()
			s, err := f.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			switch {
			case minute > 5:
				want = "warning loggregatorexportertooslow"
			case minute > 0:
				want = "notice loggregatorexporterupstreamloss"
			}
			got := ""
			if len(s.Problems) > 0 {
				got = string(s.Problems[0].Severity) + " " + s.Problems[0].Runbook
			}
			if got != want {
				t.Errorf("after %d minutes: %q, want %q", minute, got, want)
			}
			time.Sleep(f.recorder.step)
			received += 10_000
			lost.Count++
		}
	})
}

// TestLossRemedies: each component of Loggregator has a remedy of its own, under all of its names.
func TestLossRemedies(t *testing.T) {
	for _, tc := range []struct{ origin, direction, want string }{
		{"loggregator.doppler", "ingress", "add doppler VMs"},
		{"doppler", "ingress", "add doppler VMs"},
		{"DopplerServer", "ingress", "add doppler VMs"},
		{"loggregator.doppler", "egress", "add log-api VMs"},
		{"DopplerServer", "egress", "traffic controllers"},
		{"loggregator.rlp", "egress", "nozzle.shard_id"},
		{"loggregator.rlp", "ingress", "add log-api VMs"},
		{"loggregator.metron", "egress", "The agents of the VMs"},
		{"MetronAgent", "egress", "The agents of the VMs"},
		{"other", "", "beyond the first 64"},
	} {
		if got := lossRemedy(&Loss{Origin: tc.origin, Direction: tc.direction}); !strings.Contains(got, tc.want) {
			t.Errorf("%s %s: %s", tc.origin, tc.direction, got)
		}
	}
}
