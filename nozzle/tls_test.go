package nozzle

import (
	"bytes"
	"os"
	"testing"
	"time"
)

// TestServerFilesReplaced: while certificate and key are replaced one after the other the former pair is used, but not
// for long.
func TestServerFilesReplaced(t *testing.T) {
	dir := t.TempDir()
	files := newAuthority(t).files(t, dir)
	renewed := newAuthority(t).files(t, t.TempDir())
	get, err := files.serverConfig("nozzle.syslog.tls", nil)
	if err != nil {
		t.Fatal(err)
	}
	certificate := func() []byte {
		t.Helper()
		config, err := get()
		if err != nil {
			t.Fatal(err)
		}
		return config.Certificates[0].Certificate[0]
	}
	replace := func(to, from string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	before := certificate()
	replace(files.CertFile, renewed.CertFile)
	if !bytes.Equal(certificate(), before) {
		t.Fatal("the new certificate is used without its key")
	}
	long := time.Now().Add(-replacement)
	for _, file := range []string{files.CertFile, files.KeyFile} {
		if err := os.Chtimes(file, long, long); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := get(); err == nil {
		t.Fatal("a certificate with another's key is no failure")
	}
	replace(files.KeyFile, renewed.KeyFile)
	if bytes.Equal(certificate(), before) {
		t.Fatal("the former pair is used beside one that can be used")
	}
}
