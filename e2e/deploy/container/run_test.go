package container

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"loggregator_exporter/e2e/peer"
)

// confinement is a root as an engine makes it of the image: a read-only file system with the image's two files.
type confinement struct {
	root string
	pid  string // the file that holds the process id of the last program that was started
}

func confine(t *testing.T) confinement {
	t.Helper()
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	certs := filepath.Join(root, "etc", "ssl", "certs")
	if err := os.MkdirAll(certs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(certs, "ca-certificates.crt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(binary(t), filepath.Join(root, "exporter")); err != nil {
		t.Fatal(err)
	}
	return confinement{root: root, pid: filepath.Join(t.TempDir(), "pid")}
}

// command runs the exporter in it, as user 65532 and without a way to more rights. It takes root, or a kernel that
// lets users make namespaces, where the user stays whoever runs the tests.
func (c confinement) command(args ...string) []string {
	unshare, become := "--mount", "--userspec=65532:65532"
	if os.Geteuid() != 0 {
		unshare, become = "--map-root-user", "--userspec=0:0"
	}
	const script = `echo $$ >"$2" && mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && ! touch "$1/x" 2>/dev/null && root=$1 become=$3 && shift 3 &&
		exec setpriv --no-new-privs chroot "$become" "$root" /exporter "$@"`
	return append([]string{"unshare", "--mount", unshare, "sh", "-c", script, "sh", c.root, c.pid, become}, args...)
}

var serves = regexp.MustCompile(`the exporter serves at (127\.0\.0\.1:\d+)`)

// TestRunsConfined: the demo, and its health check, run where there is nothing but the image's two files.
func TestRunsConfined(t *testing.T) {
	c := confine(t)
	start := c.command("demo", "--web.listen_address=127.0.0.1:0")
	demo := peer.Start(t, serves, start[0], start[1:]...)
	status := process(t, c.pid)
	for name, want := range map[string]string{"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "NoNewPrivs": "1", "Name": "exporter"} {
		if status[name] != want && (os.Geteuid() == 0 || !strings.HasPrefix(name, "Cap")) {
			t.Errorf("%s of the process is %q, want %q", name, status[name], want)
		}
	}
	if os.Geteuid() == 0 && (status["Uid"] != "65532 65532 65532 65532" || status["Gid"] != "65532 65532 65532 65532") {
		t.Errorf("it runs as %s:%s", status["Uid"], status["Gid"])
	}
	// An engine asks several times before it gives up, too.
	peer.Until(peer.Within(t, peer.Patience), t, "health check", func() string {
		if code, out := c.healthcheck(t, demo.Found); code != 0 {
			return fmt.Sprintf("status %d: %s", code, out)
		}
		return ""
	})
	peer.Get(t, "http://"+demo.Found+"/metrics")
	demo.Stop(t)
	if code, out := c.healthcheck(t, demo.Found); code != 1 {
		t.Errorf("health check of nothing: status %d: %s", code, out)
	}
}

// healthcheck runs the image's health check for an exporter at an address, and returns its exit status.
func (c confinement) healthcheck(t *testing.T, address string) (code int, said string) {
	t.Helper()
	args := c.command("healthcheck")
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LOGGREGATOR_EXPORTER_WEB_LISTEN_ADDRESS="+address)
	out, err := cmd.CombinedOutput()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// process reads what the kernel says of the process whose id stands in a file.
func process(t *testing.T, pidFile string) map[string]string {
	t.Helper()
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	status := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.Join(strings.Fields(value), " ")
	}
	return status
}
