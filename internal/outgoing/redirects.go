// Package outgoing holds what all HTTP clients of the exporter have in common: which redirects they follow.
package outgoing

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is the limit of net/http's own default.
const maxRedirects = 10

// RedirectError says why a redirect is not followed. It holds no part of a URL that may be a secret.
type RedirectError struct {
	Status   int    // of the answer that redirects
	From, To string // URLs without user, password, query and fragment
	Reason   string
}

// Error implements error.
func (e *RedirectError) Error() string {
	return fmt.Sprintf("status %d: the redirect from %s to %s is not followed: %s", e.Status, e.From, e.To, e.Reason)
}

// CheckRedirect is for http.Client.CheckRedirect. A redirect is followed only to the scheme, host and port of the
// first request, since net/http sends headers, and the body of a request with status 307 or 308, to whatever address
// an answer names; and only if the request keeps its method, since a POST that becomes a GET loses its body. The
// error is a *RedirectError.
func CheckRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	var reason string
	switch {
	case server(req.URL) != server(first.URL):
		reason = "another scheme, host or port would get the request's credentials"
	case req.Method != first.Method:
		reason = fmt.Sprintf("the %s request would become a %s request without a body", first.Method, req.Method)
	case len(via) >= maxRedirects:
		reason = fmt.Sprintf("it is number %d in a row", len(via))
	default:
		if req.URL.User == nil {
			req.URL.User = first.URL.User // as net/http keeps the headers
		}
		return nil
	}
	e := &RedirectError{From: Address(via[len(via)-1].URL), To: Address(req.URL), Reason: reason}
	if req.Response != nil {
		e.Status = req.Response.StatusCode
	}
	return e
}

// server returns the scheme, host and port of a URL, in one spelling.
func server(u *url.URL) string {
	scheme := strings.ToLower(u.Scheme)
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "ws": "80", "https": "443", "wss": "443"}[scheme]
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// Address returns the parts of a URL that are no secrets: scheme, host, port and path.
func Address(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
