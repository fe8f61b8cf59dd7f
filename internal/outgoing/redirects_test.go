package outgoing

import (
	"net/http"
	"net/url"
	"testing"
)

func TestCheckRedirect(t *testing.T) {
	const others = "another scheme, host or port would get the request's credentials"
	for _, tc := range []struct {
		method, from, to, reason string
	}{
		{"GET", "https://a/x", "https://a/y?z", ""},
		{"GET", "https://a/x", "https://A:443/y", ""},
		{"GET", "http://a:80/x", "http://a/y", ""},
		{"GET", "http://[::1]:9286/x", "http://[::1]:9286/y", ""},
		{"POST", "https://user:secret@a/x?key=secret#secret", "https://a/y", ""},
		{"POST", "https://a/x", "http://a/x", others},
		{"POST", "http://a/x", "https://a/x", others},
		{"POST", "https://a/x", "https://a:8443/x", others},
		{"POST", "https://a/x", "https://b/x", others},
		{"POST", "https://a/x", "https://sub.a/x", others},
		{"POST", "https://a/x", "https://a./x", others},
		{"POST", "https://a/x", "https://a@b/x", others},
		{"POST", "https://a/x", "ftp://a:443/x", others},
		{"GET", "https://a/x", "//b/x", others},
	} {
		from, err := url.Parse(tc.from)
		if err != nil {
			t.Fatal(err)
		}
		to, err := from.Parse(tc.to)
		if err != nil {
			t.Fatal(err)
		}
		got := CheckRedirect(
			&http.Request{Method: tc.method, URL: to, Response: &http.Response{StatusCode: http.StatusTemporaryRedirect}},
			[]*http.Request{{Method: tc.method, URL: from}},
		)
		if tc.reason == "" && got == nil {
			continue
		}
		want := "status 307: the redirect from " + Address(from) + " to " + Address(to) + " is not followed: " + tc.reason
		if tc.reason == "" || got == nil || got.Error() != want {
			t.Errorf("%s to %s:\ngot  %v\nwant %s", tc.from, tc.to, got, want)
		}
	}
}

// A chain of redirects is judged by the first request, so that each step may not go a little further.
func TestCheckRedirectChain(t *testing.T) {
	request := func(method, address string) *http.Request {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Request{Method: method, URL: u}
	}
	a, b := request("POST", "https://a/1"), request("POST", "https://b/2")
	if err := CheckRedirect(request("POST", "https://b/3"), []*http.Request{a, b}); err == nil {
		t.Error("followed to the host of the second request")
	}
	const becomesGET = "status 0: the redirect from https://a/1 to https://a/2 is not followed: " +
		"the POST request would become a GET request without a body"
	if err := CheckRedirect(request("GET", "https://a/2"), []*http.Request{a}); err == nil || err.Error() != becomesGET {
		t.Error(err)
	}
	via := make([]*http.Request, 10)
	for i := range via {
		via[i] = a
	}
	if err := CheckRedirect(a, via[:9]); err != nil {
		t.Error(err)
	}
	const tooMany = "status 0: the redirect from https://a/1 to https://a/1 is not followed: it is number 10 in a row"
	if err := CheckRedirect(a, via); err == nil || err.Error() != tooMany {
		t.Error(err)
	}
}

func TestAddress(t *testing.T) {
	u, err := url.Parse("https://user:secret@host:1/a%2Fb?key=secret#secret")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Address(u), "https://host:1/a%2Fb"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
