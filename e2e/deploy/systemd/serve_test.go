package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloudfoundry/sonde-go/events"
	"google.golang.org/protobuf/proto"

	"loggregator_exporter/e2e/deploy/service"
	"loggregator_exporter/e2e/peer"
)

// command returns what the unit runs for a key of its, confined to the installed root and as the installed user,
// without capabilities.
func (s system) command(t *testing.T, key string) *exec.Cmd {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.root, "etc", "systemd", "system", unit))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + key + `=(\S+) (.+)$`).FindStringSubmatch(string(text))
	if m == nil {
		t.Fatalf("the unit has no %s", key)
	}
	var uid, gid uint32
	if _, err := fmt.Sscanf(run(t, "grep ^loggregator_exporter: "+s.root+"/etc/passwd | cut -d: -f3,4"), "%d:%d", &uid, &gid); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), m[1], strings.Fields(m[2])...)
	cmd.Dir, cmd.Env = "/", []string{"LOGGREGATOR_EXPORTER_NOZZLE_UDP_LISTEN_ADDRESS=127.0.0.1:0", "LOGGREGATOR_EXPORTER_WEB_LISTEN_ADDRESS=127.0.0.1:0"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: s.root, Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	// os/exec looks the program up outside of the new root.
	cmd.Path, cmd.Err = m[1], nil
	return cmd
}

// TestServe: the installed service checks its configuration and runs as its user, takes a datagram, shows it with
// its labels, and ends.
func TestServe(t *testing.T) {
	asRoot(t)
	s := install(t)
	out, err := s.command(t, "ExecStartPre").CombinedOutput()
	if want := "configuration: /etc/loggregator_exporter/exporter.yml\nsources: udp\nrules: the built-in catalogue\nno mistakes found\n"; err != nil || string(out) != want {
		t.Fatalf("%v\n%s", err, out)
	}
	check := s.command(t, "ExecStartPre")
	check.Args[len(check.Args)-1] = "/etc/loggregator_exporter/nozzle.yml"
	check.Env = nil
	if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), "sources: rlp\n") {
		t.Errorf("the nozzle's configuration: %v\n%s", err, out)
	}

	running := service.Start(t, s.command(t, "ExecStart"), `Listening on.* address=(\S+)`, `listening for dropsonde.* address=(\S+)`)
	send(t, running.Found[1])
	const want = `cf_num_bytes_allocated{bosh_deployment="cf",bosh_job_name="router",component="router",index="0",origin="router__0",source_id="router__0",type="vm_memory"} 4096` + "\n"
	page := ""
	service.Until(t, "the datagram's metric", func() bool {
		_, page = service.Get(t, "http://"+running.Found[0]+"/metrics")
		return strings.Contains(page, "\ncf_num_bytes_allocated{")
	})
	if !strings.Contains(page, want) {
		t.Errorf("no %s in\n%s", want, page)
	}
	if !strings.Contains(page, `loggregator_exporter_source_up{source="udp"} 1`) {
		t.Error("the source is not up")
	}
	peer.Until(peer.Within(t, peer.Patience), t, "health check", func() string {
		health := s.command(t, "ExecStart")
		health.Args[1] = "healthcheck"
		health.Env = []string{"LOGGREGATOR_EXPORTER_WEB_LISTEN_ADDRESS=" + running.Found[0]}
		if out, err := health.CombinedOutput(); err != nil {
			return fmt.Sprintf("%v: %s", err, out)
		}
		return ""
	})
	running.Stop(t)
}

// send sends what a component sends to the agent of its VM.
func send(t *testing.T, address string) {
	t.Helper()
	text, err := proto.Marshal(&events.Envelope{
		Origin: new("router__0"), EventType: events.Envelope_ValueMetric.Enum(), Timestamp: new(time.Now().UnixNano()),
		Deployment: new("cf"), Job: new("router"),
		ValueMetric: &events.ValueMetric{Name: new("memoryStats.numBytesAllocated"), Value: new(4096.0), Unit: new("count")},
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(text); err != nil {
		t.Fatal(err)
	}
}
