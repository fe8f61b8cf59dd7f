package kubernetes

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"code.cloudfoundry.org/go-loggregator/v10/rpc/loggregator_v2"
	"golang.org/x/crypto/bcrypt"

	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
)

// secrets is the text of each key that a Secret of the charts' values has.
func secrets(t *testing.T, f *foundation.Foundation) map[string]string {
	t.Helper()
	dir := t.TempDir()
	_, err := f.WriteClientFiles(dir)
	must(t, err)
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		return string(data)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("let me in"), bcrypt.MinCost)
	must(t, err)
	cert, key := serverCertificate(t)
	all := map[string]string{
		"ca.crt": read("ca.crt"), "tls.crt": read("client.crt"), "tls.key": read("client.key"),
		"client_id": "exporter", "client_secret": "secret", "username": "prometheus", "password": "let me in",
		"web.yml":    "tls_server_config: {cert_file: server.crt, key_file: server.key}\nbasic_auth_users:\n  prometheus: " + string(hash) + "\n",
		"server.crt": cert, "server.key": key,
	}
	for alias, name := range map[string]string{
		"ca": "ca.crt", "certificate": "tls.crt", "private_key": "tls.key", "id": "client_id", "secret": "client_secret",
	} {
		all[alias] = all[name]
	}
	return all
}

func serverCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "exporter"}, DNSNames: []string{"exporter"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8)
}

func listen(t *testing.T, options foundation.Options) *foundation.Foundation {
	t.Helper()
	f, err := foundation.New(options)
	must(t, err)
	must(t, f.Listen())
	return f
}

// serve answers the foundation's clients until the test ends.
func serve(t *testing.T, f *foundation.Foundation) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// awaitReady runs the readiness probe until it is content.
func (s *started) awaitReady(t *testing.T) {
	t.Helper()
	s.awaitProbe(t, "readinessProbe")
}

// awaitProbe runs a probe until it is content: a kubelet does so too, and on a busy machine an answer may take
// longer than the probe waits.
func (s *started) awaitProbe(t *testing.T, name string) {
	t.Helper()
	peer.Until(peer.Within(t, peer.Patience), t, s.name+": "+name, func() string {
		if out, err := s.probe(t, name); err != nil {
			return err.Error() + ": " + out
		}
		return ""
	})
}

// scrape returns the values of all series by their names and labels.
func scrape(t *testing.T, address string) map[string]string {
	t.Helper()
	series := map[string]string{}
	for line := range strings.Lines(string(peer.Get(t, "http://"+address+"/metrics").Body)) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			series[line[:i]] = line[i+1:]
		}
	}
	return series
}

// shard prepares a pod of the StatefulSet.
func shard(t *testing.T, exporter string, objects []object, ordinal string, secrets map[string]string) *pod {
	t.Helper()
	set := find(t, objects, "StatefulSet", "")
	template, _ := set.get("spec", "template", "spec").(map[string]any)
	spec := object(template)
	return newPod(t, exporter, objects, spec, spec.list("containers")[0], set.text("metadata", "name")+"-"+ordinal, secrets)
}

// TestShards: two pods as the StatefulSet makes them read one foundation. They are healthy and not ready before it
// is there, ready after that; each has its ordinal for a name, and no gauge and no counter is on both. What
// Kubernetes adds to the environment is only warned of.
func TestShards(t *testing.T) {
	exporter, f := peer.Exporter(t), listen(t, foundation.Options{Apps: -1})
	objects := parse(t, render(t, "--values", values(t)["nozzle"], "--set-string", "config.nozzle.rlp.address="+f.RLPAddress()))
	secrets := secrets(t, f)
	var pods []*started
	for _, ordinal := range []string{"0", "1"} {
		s := shard(t, exporter, objects, ordinal, secrets).start(t)
		pods = append(pods, s)
		if got := s.await(t, regexp.MustCompile(`name among the exporters of the shard was derived.* deterministic_name=(\S+)`)); got != ordinal {
			t.Errorf("%s is named %s", s.name, got)
		}
		s.await(t, regexp.MustCompile(`level=WARN .*variable LOGGREGATOR_EXPORTER_PORT is no setting`))
		for _, probe := range []string{"startupProbe", "livenessProbe"} {
			s.awaitProbe(t, probe) // without a foundation
		}
		if out, err := s.probe(t, "readinessProbe"); err == nil || !strings.Contains(out, "no source is connected: rlp") {
			t.Errorf("ready without a foundation: %s", out)
		}
	}
	serve(t, f)
	must(t, f.AwaitReaders(t.Context(), 2))
	for _, s := range pods {
		s.awaitReady(t)
	}
	must(t, f.Round(t.Context()))
	share := disjoint(t, f, pods)
	// A kubelet kills after half a minute; it takes some milliseconds.
	if took := pods[1].stop(t); took > 30*time.Second {
		t.Errorf("took %v to end", took)
	}
	t.Logf("shares: %v", share)
}

// disjoint waits until the pods together have every envelope of the foundation, and returns how many series each
// has. None but those of timers, which are shared at random, is on two.
func disjoint(t *testing.T, f *foundation.Foundation, pods []*started) []int {
	t.Helper()
	const received = `loggregator_exporter_envelopes_total{outcome="converted",source="rlp"}`
	var share []int
	both := 0
	peer.Until(peer.Within(t, peer.Patience), t, "all envelopes", func() string {
		seen, total := map[string]bool{}, 0.0
		share, both = make([]int, len(pods)), 0
		for i, p := range pods {
			page := scrape(t, p.address)
			total += number(page[received])
			for series := range page {
				if !strings.HasPrefix(series, "cf_") || strings.HasPrefix(series, "cf_http_") {
					continue
				}
				share[i]++
				if seen[series] {
					both++
				}
				seen[series] = true
			}
		}
		if sent := float64(f.Envelopes(foundation.RLP)); total < sent {
			return fmt.Sprintf("%v of %v came", total, sent)
		}
		return ""
	})
	if both > 0 || share[0] < 500 || share[1] < 500 {
		t.Errorf("%v series, %d of them on both", share, both)
	}
	return share
}

// TestSecured: with TLS and a password on every path, the probes know both, and so does helm's test, which asks by
// the Service's name.
func TestSecured(t *testing.T) {
	exporter, f := peer.Exporter(t), listen(t, foundation.Options{VMs: 60, Apps: -1})
	secrets := secrets(t, f)
	set := []string{"--values", values(t)["secured"], "--set-string", "config.nozzle.rlp.address=" + f.RLPAddress()}
	objects := parse(t, render(t, set...))
	serve(t, f)
	s := shard(t, exporter, objects, "0", secrets).start(t)
	s.awaitReady(t)
	for _, probe := range []string{"startupProbe", "livenessProbe"} {
		s.awaitProbe(t, probe)
	}
	// As Prometheus asks: without the password it gets nothing.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.address+"/cf", nil)
	must(t, err)
	for _, want := range []int{http.StatusUnauthorized, http.StatusOK} {
		response, err := client.Do(request)
		must(t, err)
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("status %d, want %d", response.StatusCode, want)
		}
		request.SetBasicAuth("prometheus", "let me in")
	}
	again := parse(t, render(t, append(set, "--set-string", "config.web.listen_address=127.0.0.1:"+s.port(t))...))
	test := find(t, again, "Pod", "-test")
	template, _ := test.get("spec").(map[string]any)
	spec := object(template)
	p := newPod(t, exporter, again, spec, spec.list("containers")[0], "test", secrets)
	if out, err := p.command(t, p.args()).CombinedOutput(); err != nil {
		t.Errorf("helm test: %v: %s", err, out)
	}
}

// TestRulesChange: rules that are changed in their ConfigMap come into force in the running pod.
func TestRulesChange(t *testing.T) {
	exporter, f := peer.Exporter(t), listen(t, foundation.Options{Apps: -1})
	file := write(t, "rules.yaml", "rules: {mine.yml: 'rules: [{pattern: \"a.{b}\", name: \"{b}\"}]'}\n")
	objects := parse(t, render(t, "--values", values(t)["least"], "--values", file, "--set-string", "config.nozzle.rlp.address="+f.RLPAddress()))
	serve(t, f)
	p := shard(t, exporter, objects, "0", secrets(t, f))
	s := p.start(t)
	dir := filepath.Join(p.root, "etc/loggregator_exporter/rules")
	state := 1
	// What changes while the exporter reads its rules may be what it reads: the next change counts then.
	change := func(rules string, said *regexp.Regexp) {
		for range 20 {
			state++
			fill(t, dir, fmt.Sprint("..2026_", state), map[string]string{"mine.yml": fmt.Sprintf("%s # state %d", rules, state)}, 0o644, "")
			if _, ok := s.awaitFor(said, 10*time.Second); ok {
				return
			}
		}
		t.Errorf("no change of rules made it say %s", said)
	}
	change("rules: [{pattern: 'a.{b}', name: c}]", regexp.MustCompile(`reloaded rules and limits.* reason=("a rule file changed")`))
	change("rulez: []", regexp.MustCompile(`reload failed, the old rules stay in force.*(rulez)`))
}

// TestSidecar: the patch puts the exporter beside a container of somebody else's, in a pod that keeps to the Pod
// Security Standard; it takes the datagrams that components send.
func TestSidecar(t *testing.T) {
	exporter, f := peer.Exporter(t), listen(t, foundation.Options{Apps: -1, UDP: true})
	objects := parse(t, render(t, "--values", values(t)["sidecar"]))
	patch := write(t, "patch.yaml", find(t, objects, "ConfigMap", "-patch").text("data", "patch.yaml"))
	deployment, err := os.ReadFile(folder(t, "examples", "component.yaml"))
	must(t, err)
	patched, complaint, err := run(t, deployment, admit(t), "-patch", patch)
	if err != nil {
		t.Fatalf("%v\n%s", err, complaint)
	}
	component := parse(t, []byte(patched))[0]
	template, _ := component.get("spec", "template", "spec").(map[string]any)
	spec := object(template)
	if n := len(spec.list("containers")); n != 1 {
		t.Errorf("%d containers", n)
	}
	sidecar := spec.list("initContainers")[0]
	if sidecar.text("restartPolicy") != "Always" || component.text("spec", "template", "metadata", "labels", "loggregator-exporter") != "sidecar" {
		t.Error("no sidecar:\n", patched)
	}
	s := newPod(t, exporter, objects, spec, sidecar, "component-7d9f8c5b6-x2x4z", secrets(t, f)).start(t, "LOGGREGATOR_EXPORTER_NOZZLE_UDP_LISTEN_ADDRESS=127.0.0.1:0")
	s.awaitProbe(t, "livenessProbe")
	must(t, f.SendTo(s.await(t, regexp.MustCompile(`listening for dropsonde envelopes.* address=(\S+)`))))
	serve(t, f)
	must(t, f.Round(t.Context()))
	peer.Until(peer.Within(t, peer.Patience), t, "a datagram", func() string {
		page := scrape(t, s.address)
		for series := range page {
			if strings.HasPrefix(series, "cf_num_bytes_allocated{") {
				return ""
			}
		}
		return fmt.Sprintf("is none of %d series", len(page))
	})
}

// TestReceiver: a pod to which syslog agents send is not ready before one has: its Service must lead to pods that are
// not. It asks the agent for a certificate of the CA in its Secret, and shows the one that is there.
func TestReceiver(t *testing.T) {
	exporter, f := peer.Exporter(t), listen(t, foundation.Options{Apps: -1})
	defer func() { must(t, f.Close()) }()
	objects := parse(t, render(t, "--values", values(t)["syslog"]))
	s := shard(t, exporter, objects, "0", secrets(t, f)).start(t, "LOGGREGATOR_EXPORTER_NOZZLE_SYSLOG_LISTEN_ADDRESS=127.0.0.1:0")
	address := s.await(t, regexp.MustCompile(`listening for syslog agents.* address=(\S+) tls=true`))
	s.awaitProbe(t, "livenessProbe")
	if out, err := s.probe(t, "readinessProbe"); err == nil || !strings.Contains(out, "no source is connected: syslog") {
		t.Errorf("ready without an agent: %s", out)
	}
	config := f.ClientTLS()
	config.ServerName = "loggregator_exporter" // of the certificate in the Secret
	agent := foundation.NewSyslogAgent(foundation.SyslogAgentOptions{Address: address, TLS: config})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
	})
	agent.Emit(&loggregator_v2.Envelope{
		Timestamp: time.Now().UnixNano(), SourceId: "bbs", Tags: map[string]string{"origin": "bbs", "deployment": "cf"},
		Message: &loggregator_v2.Envelope_Gauge{Gauge: &loggregator_v2.Gauge{
			Metrics: map[string]*loggregator_v2.GaugeValue{"ActiveLocks": {Value: 3}},
		}},
	})
	s.awaitReady(t)
	if got := scrape(t, s.address)[`cf_active_locks{bosh_deployment="cf",component="bbs",origin="bbs",source_id="bbs"}`]; got != "3" {
		t.Errorf("the gauge is %q", got)
	}
}

// TestCheck: with every set of values the exporter finds no mistake in the configuration that the chart makes, nor
// in its files.
func TestCheck(t *testing.T) {
	exporter, f := peer.Exporter(t), listen(t, foundation.Options{Apps: -1})
	defer func() { must(t, f.Close()) }()
	secrets := secrets(t, f)
	for name, file := range values(t) {
		objects := parse(t, render(t, "--values", file))
		var p *pod
		if strings.Contains(strings.Join(kinds(objects), " "), "StatefulSet") {
			p = shard(t, exporter, objects, "0", secrets)
		} else {
			patch := parse(t, []byte(find(t, objects, "ConfigMap", "-patch").text("data", "patch.yaml")))[0]
			template, _ := patch.get("spec", "template", "spec").(map[string]any)
			spec := object(template)
			p = newPod(t, exporter, objects, spec, spec.list("initContainers")[0], "app", secrets)
		}
		out, err := p.command(t, []string{"/exporter", "check"}).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "no mistakes found") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func number(s string) float64 {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return n
}
