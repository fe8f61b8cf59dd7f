package bosh

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"loggregator_exporter/e2e/peer"
)

// fakeSysctl is a folder with a program that answers for the kernel, whose limit is limit, and says what it was
// asked to set.
func fakeSysctl(t *testing.T, limit int) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(
		"#!/bin/bash\nif [[ $1 == -n ]]; then echo %d; else echo \"sysctl $*\"; [[ -z ${REFUSE:-} ]]; fi\n",
		limit,
	)
	if err := os.WriteFile(filepath.Join(dir, "sysctl"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The receive buffer's limit is raised where it is too low, never lowered, and a kernel that refuses ends no
// deployment.
func TestRaiseReceiveBuffer(t *testing.T) {
	release, program := releaseDir(t), exporter(t)
	const raised = "sysctl -e -w net.core.rmem_max=4194304\n"
	for _, c := range []struct {
		name   string
		limit  int
		raise  bool
		refuse bool
		says   string
		not    string
	}{
		{name: "low", limit: 212992, raise: true, says: raised, not: "stays below"},
		{name: "high enough", limit: 4194304, raise: true, not: "sysctl"},
		{name: "switched off", limit: 212992, not: "sysctl"},
		{name: "refused", limit: 212992, raise: true, refuse: true, says: raised + "net.core.rmem_max stays below 4194304: bursts of datagrams may be lost\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &set{
				properties: tree(
					map[string]any{"nozzle.ingress.enabled": false, "nozzle.udp.enabled": true, "nozzle.udp.raise_rmem_max": c.raise},
				),
			}
			r, err := render(t, release, sidecarJob, s)
			if err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			if err := r.install(root, sidecarJob, program); err != nil {
				t.Fatal(err)
			}
			if c.refuse {
				t.Setenv("REFUSE", "1")
			}
			out, err := script(t, root, sidecarJob, "pre-start", fakeSysctl(t, c.limit))
			if err != nil || !strings.HasPrefix(out, c.says) || c.not != "" && strings.Contains(out, c.not) {
				t.Errorf("%v\n%s\nwant it to begin with %q, without %q", err, out, c.says, c.not)
			}
		})
	}
}

// post-start waits for an answer, over TLS and with a password where the exporter wants them, and fails when none
// comes.
func TestPostStart(t *testing.T) {
	release, program, a := releaseDir(t), exporter(t), newAuthority(t)
	base := map[string]any{
		"nozzle.rlp.tls.ca_cert":    a.ca,
		"nozzle.rlp.tls.cert":       a.cert,
		"nozzle.rlp.tls.key":        a.key,
		"web.probe.timeout_seconds": 60,
	}
	secured := dots(base, map[string]any{
		"web.tls.cert": a.metron, "web.tls.key": a.metKey, "web.basic_auth_users": map[string]any{"prometheus": bcrypt},
		"web.probe.username": "prometheus", "web.probe.password": "it's $ecret", "web.probe.ready": true,
	})
	pair, err := tls.X509KeyPair([]byte(a.metron), []byte(a.metKey))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		properties map[string]any
		tls        bool
		status     int
		path, auth string
		failures   int // before the answer is status
		ok         bool
	}{
		{name: "healthy", properties: base, status: 200, path: "/-/healthy", ok: true},
		{name: "secured", properties: secured, tls: true, status: 200, path: "/-/ready", auth: "prometheus:it's $ecret", ok: true},
		{name: "unwell", properties: dots(base, map[string]any{"web.probe.timeout_seconds": 0}), status: 503, path: "/-/healthy"},
		{name: "well at last", properties: base, status: 200, path: "/-/healthy", failures: 1, ok: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var questions atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked := int(questions.Add(1))
				auth := ""
				if user, password, ok := r.BasicAuth(); ok {
					auth = user + ":" + password
				}
				if r.URL.Path != c.path || auth != c.auth {
					t.Errorf("asked for %s as %q, want %s as %q", r.URL.Path, auth, c.path, c.auth)
				}
				if asked <= c.failures {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte("the answer\n"))
			}))
			if c.tls {
				server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			s := &set{
				link:       rlpLink,
				properties: tree(c.properties, map[string]any{"web.listen_address": server.Listener.Addr().String()}),
			}
			r, err := render(t, release, nozzleJob, s)
			if err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			if err := r.install(root, nozzleJob, program); err != nil {
				t.Fatal(err)
			}
			out, err := script(t, root, nozzleJob, "post-start")
			// On a busy machine an answer may come too late, and is asked for again.
			if asked := int(questions.Load()); (err == nil) != c.ok || asked <= c.failures ||
				!strings.Contains(out, "the answer") {
				t.Errorf("%v after %d questions:\n%s", err, asked, out)
			}
		})
	}
}

// Every script is one that bash and shellcheck have nothing to say about, as it is after rendering.
func TestShell(t *testing.T) {
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Fatal("shellcheck is needed to check the scripts: apt-get install shellcheck")
	}
	release, a := releaseDir(t), newAuthority(t)
	files := []string{
		filepath.Join(release, "packages/loggregator_exporter/packaging"),
		filepath.Join(release, "scripts/create-release"), filepath.Join(release, "scripts/vendor-source"),
	}
	dir := t.TempDir()
	for job, sets := range map[string][]*set{nozzleJob: nozzleSets(a), sidecarJob: sidecarSets(a)} {
		for i, s := range sets {
			if s.wrong != "" {
				continue
			}
			r, err := render(t, release, job, s)
			if err != nil {
				t.Fatal(err)
			}
			for destination, text := range r.Files {
				if strings.HasPrefix(destination, "bin/") {
					file := filepath.Join(dir, fmt.Sprintf("%s-%d-%s", job, i, filepath.Base(destination)))
					if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
					files = append(files, file)
				}
			}
		}
	}
	if out, err := exec.CommandContext(t.Context(), shellcheck, append([]string{"--shell=bash", "--enable=all", "--exclude=SC2310,SC2312"}, files...)...).
		CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, file := range files {
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// The package compiles without a network from just the files that its spec lists, and what comes out is the
// exporter. create-release is run as the README says, on a copy of the tree, with a stand-in for the BOSH CLI that
// writes its arguments down.
func TestPackage(t *testing.T) {
	copied := copyTree(t)
	release := filepath.Join(copied, "deploy/bosh")
	bin, calls := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	stub := "#!/bin/bash\necho \"$PWD: bosh $*\" >> " + calls + "\n"
	if err := os.WriteFile(filepath.Join(bin, "bosh"), []byte(stub), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(release, "scripts/create-release"), "1.2.3", "made.tgz")
	cmd.Dir = copied
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "GOLANG_RELEASE=/golang-release")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := fmt.Sprintf(
		"%[1]s: bosh vendor-package golang-1-linux /golang-release\n%[1]s: bosh create-release --force --name loggregator_exporter --version 1.2.3 --tarball %[2]s/made.tgz\n",
		release,
		copied,
	)
	if got, err := os.ReadFile(calls); err != nil || string(got) != want {
		t.Fatalf("%v, called\n%s\nwant\n%s", err, got, want)
	}
	compile, install, packages := t.TempDir(), t.TempDir(), t.TempDir()
	takeListed(t, release, compile)
	goBin, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	env := filepath.Join(packages, "golang-1-linux/bosh/compile.env")
	if err := os.MkdirAll(filepath.Dir(env), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(env, []byte("export PATH="+filepath.Dir(goBin)+":$PATH\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), "bash", filepath.Join(release, "packages/loggregator_exporter/packaging"))
	cmd.Dir = compile
	// An empty module cache: nothing but the listed files is to be had.
	cmd.Env = append(
		os.Environ(),
		"BOSH_COMPILE_TARGET="+compile,
		"BOSH_INSTALL_TARGET="+install,
		"BOSH_PACKAGES_DIR="+packages,
		"GOMODCACHE="+filepath.Join(packages, "none"),
	)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(install, "bin/exporter"), "version").CombinedOutput()
	if err != nil || !bytes.HasPrefix(out, []byte("loggregator_exporter (devel)\nrevision unknown\n")) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(release, "LICENSE")); err != nil {
		t.Error("the release has no licence")
	}
}

// copyTree copies what of the project the release is made of. No history: the version is then unknown.
func copyTree(t *testing.T) string {
	t.Helper()
	root, copied := peer.Root(t), t.TempDir()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasPrefix(name, ".") ||
			slices.Contains([]string{"bench", "bin", "deploy", "e2e"}, name) {
			continue
		}
		if out, err := exec.CommandContext(t.Context(), "cp", "-r", filepath.Join(root, entry.Name()), copied).
			CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, name := range []string{"config", "jobs", "packages/loggregator_exporter", "scripts"} {
		to := filepath.Join(copied, "deploy/bosh", filepath.Dir(name))
		if err := os.MkdirAll(to, 0o750); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "cp", "-r", filepath.Join(root, "deploy/bosh", name), to).
			CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return copied
}

// takeListed copies the files that the package's spec lists, as `bosh create-release` does: paths below src/, ** for
// any folders.
func takeListed(t *testing.T, release, to string) {
	t.Helper()
	var pkg struct {
		Name         string   `yaml:"name"`
		Dependencies []string `yaml:"dependencies"`
		Files        []string `yaml:"files"`
	}
	text, err := os.ReadFile(filepath.Join(release, "packages/loggregator_exporter/spec"))
	if err != nil {
		t.Fatal(err)
	}
	if err := strictly(text, &pkg); err != nil {
		t.Fatal(err)
	}
	if pkg.Name != "loggregator_exporter" || len(pkg.Dependencies) != 1 || pkg.Dependencies[0] != "golang-1-linux" {
		t.Fatalf("package %+v", pkg)
	}
	for _, pattern := range pkg.Files {
		folder, found := strings.CutSuffix(pattern, "/**/*")
		if !found || strings.Contains(folder, "*") {
			t.Fatalf("pattern %s: this test knows only folder/**/*", pattern)
		}
		from := filepath.Join(release, "src", folder)
		if err := os.CopyFS(filepath.Join(to, folder), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	if matches, _ := filepath.Glob(filepath.Join(to, "*/*/*_test.go")); len(matches) > 0 {
		t.Errorf("tests are compiled along: %q", matches)
	}
}
