package kubernetes

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"loggregator_exporter/e2e/peer"
)

// pod is what a container runtime makes of a container of a pod, as far as the process in it can see: a root
// directory that is read-only, the image's binary, the volumes as a kubelet writes them, the host name, the user,
// the variables.
type pod struct {
	name, root string
	env        []string
	user       string
	container  object
}

// newPod prepares a container. objects are where its ConfigMaps are, secrets the text of a key of any Secret.
func newPod(t *testing.T, exporter string, objects []object, spec, container object, name string, secrets map[string]string) *pod {
	t.Helper()
	p := &pod{name: name, root: t.TempDir(), container: container}
	must(t, os.Chmod(p.root, 0o755))
	must(t, os.Mkdir(filepath.Join(p.root, "proc"), 0o755))
	must(t, os.Mkdir(filepath.Join(p.root, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(p.root, "etc", "hosts"), []byte("127.0.0.1 localhost "+release+"\n"), 0o644))
	binary, err := os.ReadFile(exporter)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(p.root, "exporter"), binary, 0o755))
	must(t, os.Chmod(filepath.Join(p.root, "exporter"), 0o755))
	group := cmp.Or(text(spec.get("securityContext", "fsGroup")), "<nil>")
	uid := text(container.get("securityContext", "runAsUser"))
	p.user = "--userspec=" + uid + ":" + text(container.get("securityContext", "runAsGroup"))
	if group != "<nil>" {
		p.user += " --groups=" + group
	}
	for _, mount := range container.list("volumeMounts") {
		dir := filepath.Join(p.root, mount.text("mountPath"))
		files, mode := volume(t, objects, spec, mount.text("name"), secrets)
		must(t, os.MkdirAll(dir, 0o755))
		fill(t, dir, "..2026_1", files, mode, group)
	}
	p.variables(t, secrets)
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// volume returns the files of a volume and their mode.
func volume(t *testing.T, objects []object, spec object, name string, secrets map[string]string) (map[string]string, fs.FileMode) {
	t.Helper()
	files := map[string]string{}
	for _, v := range spec.list("volumes") {
		if v.text("name") != name {
			continue
		}
		if of := v.text("configMap", "name"); of != "" {
			data, _ := find(t, objects, "ConfigMap", of).get("data").(map[string]any)
			for file, content := range data {
				files[file] = text(content)
			}
			return files, 0o644
		}
		mode, _ := v.get("secret", "defaultMode").(int)
		for _, item := range v.list("secret", "items") {
			content, ok := secrets[item.text("key")]
			if !ok {
				t.Fatalf("no secret has the key %s", item.text("key"))
			}
			files[item.text("path")] = content
		}
		if len(files) == 0 && v.text("secret", "secretName") != "" {
			return secrets, fs.FileMode(mode)
		}
		return files, fs.FileMode(mode)
	}
	return files, 0o644 // of the pod that is patched
}

// fill writes a volume as a kubelet does: a folder for each state of it, which ..data points to, replaced in one step.
func fill(t *testing.T, dir, state string, files map[string]string, mode fs.FileMode, group string) {
	t.Helper()
	must(t, os.Mkdir(filepath.Join(dir, state), 0o755))
	for name, content := range files {
		file := filepath.Join(dir, state, name)
		must(t, os.WriteFile(file, []byte(content), 0o600))
		must(t, os.Chmod(file, mode))
		if id, err := strconv.Atoi(group); err == nil && os.Getuid() == 0 {
			must(t, os.Chown(file, 0, id))
		}
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
	must(t, os.Symlink(state, filepath.Join(dir, "..data_tmp")))
	must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
}

// variables sets those of the container, and those that a kubelet adds: of the API, and of a Service named like the
// exporter.
func (p *pod) variables(t *testing.T, secrets map[string]string) {
	t.Helper()
	p.env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=" + p.name,
		"KUBERNETES_SERVICE_HOST=10.96.0.1", "KUBERNETES_SERVICE_PORT=443", "KUBERNETES_PORT=tcp://10.96.0.1:443",
		"LOGGREGATOR_EXPORTER_SERVICE_HOST=10.96.7.7", "LOGGREGATOR_EXPORTER_SERVICE_PORT=9286", "LOGGREGATOR_EXPORTER_SERVICE_PORT_METRICS=9286",
		"LOGGREGATOR_EXPORTER_PORT=tcp://10.96.7.7:9286", "LOGGREGATOR_EXPORTER_PORT_9286_TCP=tcp://10.96.7.7:9286",
		"LOGGREGATOR_EXPORTER_PORT_9286_TCP_PROTO=tcp", "LOGGREGATOR_EXPORTER_PORT_9286_TCP_PORT=9286", "LOGGREGATOR_EXPORTER_PORT_9286_TCP_ADDR=10.96.7.7",
	}
	for _, v := range p.container.list("env") {
		value := v.text("value")
		if key := v.text("valueFrom", "secretKeyRef", "key"); key != "" {
			value = secrets[key]
		}
		p.env = append(p.env, v.text("name")+"="+value)
	}
}

// enter becomes the container: $1 is the root directory, $2 the host name, $3 the user, the rest the command.
// Whoever is not root becomes it in a user namespace, and cannot be anybody else there.
const enter = `set -e
hostname "$2"
mount --bind "$1" "$1"
mount --rbind /proc "$1/proc"
mount -o remount,bind,ro "$1"
root=$1 user=$3
shift 3
exec chroot $user "$root" "$@"`

// command is a command in the container, with further variables.
func (p *pod) command(t *testing.T, args []string, env ...string) *exec.Cmd {
	t.Helper()
	user, flags := p.user, []string{"--uts", "--mount"}
	if os.Getuid() != 0 {
		user, flags = "", append(flags, "--user", "--map-root-user")
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "unshare", append(append(flags, "sh", "-c", enter, "sh", p.root, p.name, user), args...)...)
	cmd.Env = append(append(cmd.Env, p.env...), env...)
	return cmd
}

// args are those of the container, after the image's entry point.
func (p *pod) args() []string {
	args := []string{"/exporter"}
	list, _ := p.container.get("args").([]any)
	for _, a := range list {
		args = append(args, text(a))
	}
	return args
}

// started is a container that runs.
type started struct {
	*pod
	address string
	cmd     *exec.Cmd
	done    chan error
	stopped bool

	mu    sync.Mutex
	grown *sync.Cond
	lines []string
	ended bool
}

var listening = regexp.MustCompile(`msg="Listening on" address=(\S+)`)

// start runs the container until the test ends, on loopback, at a port that is free.
func (p *pod) start(t *testing.T, env ...string) *started {
	t.Helper()
	s := &started{pod: p, done: make(chan error, 1)}
	s.grown = sync.NewCond(&s.mu)
	s.cmd = p.command(t, p.args(), append(env, "LOGGREGATOR_EXPORTER_WEB_LISTEN_ADDRESS=127.0.0.1:0")...)
	output, err := s.cmd.StderrPipe()
	must(t, err)
	must(t, s.cmd.Start())
	go func() {
		lines := bufio.NewScanner(output)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			s.mu.Lock()
			s.lines = append(s.lines, lines.Text())
			s.mu.Unlock()
			s.grown.Broadcast()
		}
		s.mu.Lock()
		s.ended = true
		s.mu.Unlock()
		s.grown.Broadcast()
		s.done <- s.cmd.Wait()
	}()
	t.Cleanup(func() {
		s.stop(t)
		if t.Failed() {
			t.Logf("%s:\n%s", p.name, strings.Join(s.lines, "\n"))
		}
	})
	s.address = s.await(t, listening)
	return s
}

// await returns the group of the first line of the log that matches, once there is one.
func (s *started) await(t *testing.T, line *regexp.Regexp) string {
	t.Helper()
	found, ok := s.awaitFor(line, peer.Patience)
	if !ok {
		t.Fatalf("%s did not say %s", s.name, line)
	}
	return found
}

// awaitFor is await for a time; ok is false where there is no such line by then, or when the container has ended.
func (s *started) awaitFor(line *regexp.Regexp, most time.Duration) (found string, ok bool) {
	end := time.Now().Add(most)
	defer time.AfterFunc(most, func() {
		s.mu.Lock() // not between the look at the clock and the wait
		defer s.mu.Unlock()
		s.grown.Broadcast()
	}).Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; ; {
		for ; i < len(s.lines); i++ {
			if m := line.FindStringSubmatch(s.lines[i]); m != nil {
				return m[len(m)-1], true
			}
		}
		if s.ended || !time.Now().Before(end) {
			return "", false
		}
		s.grown.Wait()
	}
}

// stop ends the container as a kubelet does, and returns how long it took.
func (s *started) stop(t *testing.T) time.Duration {
	t.Helper()
	if s.stopped {
		return 0
	}
	s.stopped = true
	began := time.Now()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-s.done; err != nil {
		t.Errorf("%s: %v", s.name, err)
	}
	return time.Since(began)
}

// exec runs a command in the container, which finds the port that the exporter has here, and returns what it prints.
func (s *started) exec(t *testing.T, args []string) (string, error) {
	t.Helper()
	out, err := s.command(t, args, "LOGGREGATOR_EXPORTER_WEB_LISTEN_ADDRESS="+s.address).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// probe runs a probe of the container.
func (s *started) probe(t *testing.T, name string) (string, error) {
	t.Helper()
	command, _ := s.container.get(name, "exec", "command").([]any)
	var args []string
	for _, a := range command {
		args = append(args, text(a))
	}
	if len(args) == 0 {
		t.Fatalf("no %s", name)
	}
	return s.exec(t, args)
}

func (s *started) port(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(s.address)
	must(t, err)
	return port
}
