package cloudfoundry

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"loggregator_exporter/e2e/deploy/readme"
	"loggregator_exporter/e2e/deploy/service"
	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
)

// credentials are those of the README, with the secret of the simulated foundation's client.
func credentials(t *testing.T, f *foundation.Foundation) string {
	t.Helper()
	id, secret := f.UAAClient()
	m := regexp.MustCompile(`-p '(\{.*\})'`).
		FindStringSubmatch(strings.Join(readme.Blocks(t, filepath.Join(folder(t), "README.md"), "sh"), ""))
	if m == nil {
		t.Fatal("the README makes no service")
	}
	text := strings.Replace(m[1], "<secret>", secret, 1)
	var object map[string]string
	if err := json.Unmarshal([]byte(text), &object); err != nil || object["uaa.client_id"] != id {
		t.Fatal(object, err)
	}
	return text
}

// platform is a foundation that runs until the end of the test, with its gateway and UAA behind a router.
func platform(t *testing.T) (*foundation.Foundation, *router) {
	t.Helper()
	f, err := foundation.New(
		foundation.Options{Seed: 1, Interval: time.Second, RequestsPerSecond: 20, HTTPS: foundation.HTTPSOptions{On: true}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return f, newRouter(t, f)
}

// samples returns the gauges and counters of a page by the text of their series, without the exporter's own.
// Histograms are made of timers, of which each instance has a part.
func samples(page string) map[string]bool {
	series, histogram := map[string]bool{}, false
	for line := range strings.Lines(page) {
		if kind, ok := strings.CutPrefix(line, "# TYPE "); ok {
			histogram = strings.HasSuffix(kind, " histogram\n")
		}
		if at := strings.LastIndexByte(line, ' '); at > 0 && strings.HasPrefix(line, "cf_") && !histogram {
			series[line[:at]] = true
		}
	}
	return series
}

// value returns the value of a series of the exporter's own.
func value(page, series string) float64 {
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(page)
	if m == nil {
		return -1
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return -1
	}
	return v
}

// TestPush: instances as Cloud Foundry starts them, with nothing but what the platform tells them, get a token and
// all metrics; a second one takes over its share of them; both answer the platform's health check, never tell the
// secret, and end when told to.
func TestPush(t *testing.T) {
	f, r := platform(t)
	droplet, command := stage(t)
	client := credentials(t, f)
	instances := []instance{start(t, droplet, command, 0, client, r)}
	page := func(n int) string {
		_, text := service.Get(t, instances[n].url+"/metrics")
		return text
	}
	const received = `loggregator_exporter_envelopes_received_total{source="gateway"}`
	first := 0.0
	service.Until(t, "a metric on the only instance", func() bool {
		first = value(page(0), received)
		return first > 0
	})
	// A counter that was seen less than five times might be rare, and would stay. A round has no more envelopes than
	// there are metrics.
	round, alone := float64(len(f.Sent())), map[string]bool{}
	service.Until(t, "several values of each on the only instance", func() bool {
		text := page(0)
		alone = samples(text)
		return len(alone) > 3000 && value(text, received) > first+8*round
	})

	instances = append(instances, start(t, droplet, command, 1, client, r))
	var shares [2]int
	var both []string
	service.Until(t, "each series on one instance", func() bool {
		one, two := samples(page(0)), samples(page(1))
		shares, both = [2]int{len(one), len(two)}, nil
		for series := range one {
			// Only what two raw names make together may be on two instances.
			if two[series] && !strings.Contains(series, `component="rep"`) && !strings.Contains(series, `component="bbs"`) {
				both = append(both, series)
			}
		}
		return len(both) == 0 && len(one) > 500 && len(two) > 500 && len(one)+len(two) >= len(alone)
	})
	t.Logf("%d and %d gauges and counters, of %d", shares[0], shares[1], len(alone))
	for n, i := range instances {
		if status, body := service.Get(t, i.url+readManifest(t).Applications[0].HealthCheckHTTPEndpoint); status != 200 {
			t.Errorf("health check: %d %s", status, body)
		}
		text := ""
		service.Until(t, "a gateway that is up", func() bool {
			text = page(n)
			return value(text, `loggregator_exporter_source_up{source="gateway"}`) == 1
		})
		i.Stop(t)
		if _, secret := f.UAAClient(); strings.Contains(i.Log(), secret) || strings.Contains(text, secret) {
			t.Errorf("instance %d tells the secret", n)
		}
	}
}

// TestMistake: an app without its service ends at once, and says what is missing and where to set it.
func TestMistake(t *testing.T) {
	droplet, command := stage(t)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", command)
	cmd.Dir = droplet
	cmd.Env = []string{
		"VCAP_APPLICATION=" + read(
			t,
			"testdata/vcap_application.json",
		),
		"VCAP_SERVICES={}",
		"PORT=8080",
		"CF_INSTANCE_INDEX=0",
		"LOGGREGATOR_EXPORTER_NOZZLE_GATEWAY_ENABLED=true",
	}
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 1 ||
		!strings.HasPrefix(string(out), "uaa.client_id: is needed for nozzle.gateway and nozzle.firehose: ") ||
		!strings.Contains(
			string(out),
			" or in the credentials of a bound service with the name or the tag loggregator-exporter, ",
		) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestReadme: the commands that run here are those that build the app; the others need a platform, and what they do
// is done by the tests.
func TestReadme(t *testing.T) {
	run := readme.Commands(t, filepath.Join(folder(t), "README.md"), "sh", map[string]bool{
		"uaac client add loggregator_exporter --secret <secret> --authorities doppler.firehose --authorized_grant_types client_credentials":    false,
		"CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -trimpath -o deploy/cloudfoundry/exporter ./cmd/exporter":                              true,
		`cf create-user-provided-service loggregator-exporter -p '{"uaa.client_id": "loggregator_exporter", "uaa.client_secret": "<secret>"}'`: false,
		"cf push -f deploy/cloudfoundry/manifest.yml":                                                            false,
		"cf ssh loggregator-exporter -c 'curl -s localhost:8080/metrics | grep ^loggregator_exporter_source_up'": false,
		"cf add-network-policy prometheus loggregator-exporter --protocol tcp --port 8080":                       false,
		"cf map-route loggregator-exporter apps.example.com --hostname loggregator-exporter":                     false,
		"cf app loggregator-exporter --guid":                                                                     false,
	})
	for _, command := range run {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Dir = peer.Root(t)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
}
