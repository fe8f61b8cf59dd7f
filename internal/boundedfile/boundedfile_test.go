package boundedfile

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRead(t *testing.T) {
	t.Chdir(t.TempDir())
	const limit = 8
	for name, text := range map[string]string{"empty": "", "fits": "12345678", "large": "123456789"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("fits", "link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("pipe", "link_to_pipe"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", "socket")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	for _, c := range []struct{ name, want, problem string }{
		{"empty", "", ""},
		{"fits", "12345678", ""},
		{"link", "12345678", ""},
		{"large", "", "large is larger than 8 bytes"},
		{"missing", "", "open missing: no such file or directory"},
		{"", "", "open : no such file or directory"},
		{"pipe", "", "pipe is a named pipe, not a regular file"},
		{"link_to_pipe", "", "link_to_pipe is a named pipe, not a regular file"},
		{"folder", "", "folder is a directory, not a regular file"},
		{"socket", "", "socket is a socket, not a regular file"},
		{"/dev/zero", "", "/dev/zero is a device, not a regular file"},
	} {
		got, err := Read(c.name, limit)
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if string(got) != c.want || problem != c.problem {
			t.Errorf("%q: got %q, %q, want %q, %q", c.name, got, problem, c.want, c.problem)
		}
	}
}

// TestReadSizeUnknown: files under /proc tell the size 0, and are read and bounded nevertheless.
func TestReadSizeUnknown(t *testing.T) {
	const name = "/proc/self/status"
	if _, err := os.Stat(name); err != nil {
		t.Skip("no /proc")
	}
	if text, err := Read(name, MaxBytes); err != nil || !strings.HasPrefix(string(text), "Name:") {
		t.Errorf("got %q, %v", text, err)
	}
	if text, err := Read(name, 10); text != nil || err == nil || err.Error() != name+" is larger than 10 bytes" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestOpen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := Open(name); f != nil || err == nil || err.Error() != name+" is a named pipe, not a regular file" {
		t.Errorf("got %v, %v", f, err)
	}
}
