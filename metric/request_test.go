package metric

import (
	"net/url"
	"testing"
)

func TestStatusClass(t *testing.T) {
	for code, want := range map[string]string{
		"200": "2xx", "999": "9xx", "100": "1xx", "": "", "0": "", "099": "", "20": "", "2000": "", "2x0": "", "2xx": "", "-20": "",
	} {
		if got := StatusClass(code); string(got) != want {
			t.Errorf("%q: got %q, want %q", code, got, want)
		}
	}
	for code, want := range map[string]bool{"0": true, "200": true, "999": true, "": false, "1000": false, "2xx": false} {
		if IsStatusCode([]byte(code)) != want {
			t.Errorf("%q: want %v", code, want)
		}
	}
}

func FuzzSchemeHost(f *testing.F) {
	for _, uri := range []string{
		"http://h/a", "https://h.example.com:8443/x?y=%zz", "http://h", "http://h:/", "http://h:x/", "http://h%zz/", "http://h/%zz", "http://h/#%zz", "http://h?#", "HTTP://h/", "/a", "//h/a",
		"http:h", "http://u:p@h/", "http://[::1]:80/", "http://h/ b", "http://h/\x7f", "http:///a", "ftp://h/", "httpss://h", "http://h\\a", "http://h:80:90/", "://", "http://é/",
	} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if uri == "" {
			return
		}
		var wantScheme, wantHost string
		if u, err := url.Parse(uri); err == nil {
			wantScheme, wantHost = u.Scheme, u.Host
		}
		if scheme, host := SchemeHost([]byte(uri)); string(scheme) != wantScheme || string(host) != wantHost {
			t.Errorf("%q: %q %q, want %q %q", uri, scheme, host, wantScheme, wantHost)
		}
	})
}
