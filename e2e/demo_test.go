package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
)

// proposal are the components whose memory the proposal wants as one metric; router comes with an index.
var proposal = []string{
	"router",
	"auctioneer",
	"cc_uploader",
	"converger",
	"file_server",
	"nsync_bulker",
	"nsync_listener",
	"route_emitter",
	"ssh-proxy",
	"stager",
	"tps_listener",
	"tps_watcher",
	"garden-linux",
	"rep",
	"DopplerServer",
	"syslog_drain_binder",
	"LoggregatorTrafficController",
	"dea_logging_agent",
	"etcd",
	"bbs",
}

const protobuf = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=allow-utf-8"

var serves = regexp.MustCompile(`the exporter serves at (127\.0\.0\.1:\d+)`)

// The demo as a newcomer runs it: ten seconds after its start the proposal's metrics are there; it leaves no file
// and stops within five seconds of SIGTERM.
func TestDemo(t *testing.T) {
	exporter, home := peer.Exporter(t), t.TempDir()
	ctx := peer.Within(t, 10*time.Minute)
	cmd := exec.CommandContext(ctx, exporter, "demo", "--web.listen_address", "127.0.0.1:0")
	cmd.Dir, cmd.Stderr = home, os.Stderr
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	lines := bufio.NewScanner(stdout)
	address := ""
	for lines.Scan() && !strings.Contains(lines.Text(), "for Prometheus") {
		t.Log(lines.Text())
		if m := serves.FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
	}
	t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
	if address == "" {
		t.Fatal("the demo did not say where it serves")
	}
	// What was sent may not have been read to its end.
	peer.Until(ctx, t, "the metrics of the proposal", func() string {
		return missing(get(t, address, "text/plain", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"))
	})
	for accept, contentType := range map[string]string{
		"application/openmetrics-text;version=1.0.0":                      "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8": "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
		"text/plain;version=1.0.0;escaping=allow-utf-8,text/plain;q=0.1":  "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
		strings.ReplaceAll(protobuf, " ", "") + ",text/plain;q=0.1":       protobuf,
	} {
		if bad := missing(get(t, address, accept, contentType)); bad != "" {
			t.Errorf("Accept %s: %s", accept, bad)
		}
	}
	busy := exec.CommandContext(ctx, exporter, "demo", "--web.listen_address", address)
	if out, err := busy.CombinedOutput(); busy.ProcessState.ExitCode() != 1 ||
		!strings.Contains(string(out), "--web.listen_address") {
		t.Errorf("a second demo on the same port: %v\n%s", err, out)
	}

	ended := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stdout)
	stopped = true
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	t.Logf("stopped after %v", time.Since(ended).Round(time.Millisecond))
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// get scrapes and reads the page with Prometheus' parser.
func get(t *testing.T, address, accept, contentType string) map[string]float64 {
	t.Helper()
	answer := peer.Get(t, "http://"+address+"/metrics", "Accept", accept)
	if got := answer.Header.Get("Content-Type"); got != contentType {
		t.Errorf("Accept %s: Content-Type %s, want %s", accept, got, contentType)
	}
	samples, _, err := parse(answer.Body, contentType)
	if err != nil {
		t.Fatalf("Accept %s: %v", accept, err)
	}
	return samples
}

// missing says what a page of the demo lacks.
func missing(samples map[string]float64) string {
	for _, component := range proposal {
		found := 0
		for series, value := range samples {
			name, labels, _ := strings.Cut(series, ", ")
			if strings.HasPrefix(name, `{__name__="cf_num_bytes_allocated"`) && strings.Contains(labels, `type="vm_memory"`) &&
				strings.Contains(" "+labels, fmt.Sprintf(` component=%q`, component)) && value > 0 &&
				(component != "router" || strings.Contains(labels, ` index="`)) {
				found++
			}
		}
		if found == 0 {
			return "no memory of " + component
		}
	}
	if len(samples) < 4000 {
		return fmt.Sprintf("only %d samples", len(samples))
	}
	return ""
}
