package systemd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"loggregator_exporter/e2e/deploy/readme"
	"loggregator_exporter/e2e/peer"
	"loggregator_exporter/foundation"
)

const unit = "loggregator_exporter.service"

// system is a root file system into which the README was followed.
type system struct{ root string }

// run runs a command from the root of the project and expects success, and silence on standard error: systemd's
// tools warn of what they do not know, and succeed.
func run(t *testing.T, command string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Dir = peer.Root(t)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v\n%s%s", command, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// install follows the README, with the root of the file system elsewhere, to the point where systemd itself is needed.
func install(t *testing.T) system {
	t.Helper()
	s := system{root: t.TempDir()}
	if err := os.Chmod(s.root, 0o755); err != nil {
		t.Fatal(err)
	}
	certificates := t.TempDir()
	f, err := foundation.New(foundation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteClientFiles(certificates); err != nil {
		t.Fatal(err)
	}
	exporter := peer.Exporter(t)
	commands := readme.Commands(t, filepath.Join(peer.Root(t), "deploy", "systemd", "README.md"), "sh", map[string]bool{
		"install -D -m 0755 bin/exporter /usr/local/bin/loggregator_exporter":                                             true,
		"install -D -m 0644 deploy/systemd/loggregator_exporter.service /etc/systemd/system/loggregator_exporter.service": true,
		"install -D -m 0644 deploy/systemd/loggregator_exporter.sysusers.conf /etc/sysusers.d/loggregator_exporter.conf":  true,
		"install -D -m 0644 deploy/systemd/loggregator_exporter.tmpfiles.conf /etc/tmpfiles.d/loggregator_exporter.conf":  true,
		"install -D -m 0640 deploy/systemd/environment /etc/loggregator_exporter/environment":                             true,
		"install -D -m 0640 deploy/systemd/sidecar.yml /etc/loggregator_exporter/exporter.yml":                            true,
		"install -D -m 0644 deploy/systemd/60-loggregator_exporter.conf /etc/sysctl.d/60-loggregator_exporter.conf":       true,
		"sysctl --load=/etc/sysctl.d/60-loggregator_exporter.conf":                                                        true,
		"install -D -m 0640 deploy/systemd/nozzle.yml /etc/loggregator_exporter/exporter.yml":                             true,
		"install -m 0640 ca.crt client.crt client.key /etc/loggregator_exporter/":                                         true,
		"systemd-sysusers loggregator_exporter.conf":                                                                      true,
		"systemd-tmpfiles --create loggregator_exporter.conf":                                                             true,
		"loggregator_exporter healthcheck --config /etc/loggregator_exporter/exporter.yml":                                false, // TestServe does
		"curl -s localhost:9286/metrics | grep '^loggregator_exporter_source_up'":                                         false, // TestServe does
		"systemctl daemon-reload":                     false,
		"systemctl enable --now loggregator_exporter": false,
		"journalctl -u loggregator_exporter":          false,
	})
	for _, c := range commands {
		program, _, _ := strings.Cut(c, " ")
		switch program {
		case "install":
			c = strings.NewReplacer(" /", " "+s.root+"/", " bin/exporter", " "+exporter, " ca.crt", " "+certificates+"/ca.crt",
				" client.crt", " "+certificates+"/client.crt", " client.key", " "+certificates+"/client.key").Replace(c)
			if strings.HasSuffix(c, "nozzle.yml "+s.root+"/etc/loggregator_exporter/exporter.yml") {
				c = strings.Replace(c, "/exporter.yml", "/nozzle.yml", 1) // beside that of the sidecar
			}
		case "sysctl":
			// The host's own is not changed.
			if out := run(t, strings.Replace(c, "--load=", "--dry-run --load="+s.root, 1)); out != "net.core.rmem_max = 4194304\n" {
				t.Errorf("%s: %s", c, out)
			}
			continue
		case "systemd-sysusers":
			c = strings.Replace(c, program, program+" --root="+s.root, 1) + " 2>&1" // it tells whom it creates
		default:
			c = strings.Replace(c, program, program+" --root="+s.root, 1)
		}
		run(t, c)
	}
	return s
}

// asRoot refuses to go on without the rights that installing takes: another user, other owners.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("what an administrator does is tried as root: run these tests as root, in a container for example")
	}
}

// TestInstall: what the README tells to do ends in files that the service can read and nobody else, in a user that
// cannot log in, and in a unit in which systemd finds nothing to remark.
func TestInstall(t *testing.T) {
	asRoot(t)
	s := install(t)
	passwd, err := os.ReadFile(filepath.Join(s.root, "etc", "passwd"))
	if err != nil {
		t.Fatal(err)
	}
	entry := regexp.MustCompile(`(?m)^loggregator_exporter:x:(\d+):(\d+):Loggregator exporter:/nonexistent:/usr/sbin/nologin$`).FindStringSubmatch(string(passwd))
	if entry == nil {
		t.Fatalf("no such user in %s", passwd)
	}
	for file, want := range map[string]string{
		"/etc/loggregator_exporter":              "750 0:" + entry[2],
		"/etc/loggregator_exporter/exporter.yml": "640 0:" + entry[2],
		"/etc/loggregator_exporter/nozzle.yml":   "640 0:" + entry[2],
		"/etc/loggregator_exporter/client.key":   "640 0:" + entry[2],
		"/etc/loggregator_exporter/environment":  "640 0:" + entry[2],
		"/usr/local/bin/loggregator_exporter":    "755 0:0",
		"/etc/systemd/system/" + unit:            "644 0:0",
	} {
		if got := strings.TrimSpace(run(t, "stat -c '%a %u:%g' "+s.root+file)); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
	// What the unit needs of the system, as the system has it.
	run(t, "mkdir -p "+s.root+"/usr/lib/systemd "+s.root+"/usr/bin && cp -a /lib/systemd/system "+s.root+"/usr/lib/systemd/ && install -m 0755 /dev/null "+s.root+"/usr/bin/kill")
	verify := "systemd-analyze verify --man=no --recursive-errors=no --root=" + s.root + " " + unit
	if out := run(t, verify); out != "" {
		t.Error(out)
	}
	// It does remark what is wrong: its exit status alone says nothing.
	bad := exec.CommandContext(t.Context(), "sh", "-c", "sed -i 's/^ProtectClock=/ProtectClocks=/' "+s.root+"/etc/systemd/system/"+unit+" && "+verify)
	if out, _ := bad.CombinedOutput(); !bytes.Contains(out, []byte("'ProtectClocks'")) {
		t.Errorf("an unknown key goes unnoticed: %s", out)
	}
}

// TestSecurity: the exposure that systemd computes, exactly, since the README tells it.
func TestSecurity(t *testing.T) {
	out := run(t, "systemd-analyze security --offline=true --no-pager deploy/systemd/"+unit)
	m := regexp.MustCompile(`Overall exposure level for \S+: (\d+\.\d)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatal(out)
	}
	level, err := strconv.ParseFloat(m[1], 64)
	if err != nil || level >= 2 {
		t.Errorf("exposure level %s, %v", m[1], err)
	}
	text, err := os.ReadFile(filepath.Join(peer.Root(t), "deploy", "systemd", "README.md"))
	if err != nil || !bytes.Contains(text, []byte("gives it "+m[1]+" of 10")) {
		t.Errorf("the level is %s, the README tells another; %v", m[1], err)
	}
}
