package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/prometheus/common/config"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"loggregator_exporter/internal/boundedfile"
)

// authorized adds a token to every request to its host, and to no other, whereto a receiver may redirect. The token is fetched in the time that
// the request has: a token server that does not answer must hold up neither what can be sent again later nor the end of the exporter.
type authorized struct {
	next http.RoundTripper
	host string

	server     *http.Client // of tokens
	config     clientcredentials.Config
	secretFile string

	turn   chan struct{} // whoever has put something into it may use what follows
	secret string
	token  *oauth2.Token
}

// authorize wraps a transport.
func (o *Options) authorize(next http.RoundTripper) (*authorized, error) {
	receiver, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("remote_write.url: %w", errors.Unwrap(err))
	}
	server, err := config.NewClientFromConfig(config.HTTPClientConfig{
		FollowRedirects: true,
		ProxyConfig:     config.ProxyConfig{ProxyFromEnvironment: true},
		TLSConfig:       config.TLSConfig{CAFile: o.OAuth2.CAFile, MinVersion: config.TLSVersions["TLS12"]},
	}, "remote_write_token")
	if err != nil {
		return nil, fmt.Errorf("remote_write.oauth2: %w", err)
	}
	params := url.Values{}
	for _, p := range o.OAuth2.EndpointParams {
		params.Set(p.Name, p.Value)
	}
	return &authorized{
		next: next, host: receiver.Host, server: server, secretFile: o.OAuth2.ClientSecretFile, turn: make(chan struct{}, 1),
		config: clientcredentials.Config{
			ClientID: o.OAuth2.ClientID, TokenURL: o.OAuth2.TokenURL, Scopes: o.OAuth2.Scopes, EndpointParams: params,
		},
	}, nil
}

// RoundTrip implements http.RoundTripper.
func (a *authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != a.host {
		return a.next.RoundTrip(req)
	}
	used, err := a.current(req.Context(), nil)
	if err != nil {
		return nil, refuse(req, err)
	}
	res, err := a.next.RoundTrip(with(used, req))
	if err != nil || res.StatusCode != http.StatusUnauthorized || req.GetBody == nil {
		return res, err
	}
	// A token can be revoked, or its server's keys be changed, before it expires: what the receiver refused goes out once more if
	// there is another one.
	body, err := req.GetBody()
	if err != nil {
		return res, nil //nolint:nilerr // the refusal stands
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswerBytes)
	_ = res.Body.Close()
	again := req.Clone(req.Context())
	again.Body = body
	fresh, err := a.current(req.Context(), used)
	if err != nil {
		return nil, refuse(again, err)
	}
	return a.next.RoundTrip(with(fresh, again))
}

func with(t *oauth2.Token, req *http.Request) *http.Request {
	req = req.Clone(req.Context())
	t.SetAuthHeader(req)
	return req
}

// refuse closes what the request would have sent, as transports have to.
func refuse(req *http.Request, err error) error {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return fmt.Errorf("no token from remote_write.oauth2.token_url: %w", err)
}

// CloseIdleConnections is what http.Client calls.
func (a *authorized) CloseIdleConnections() {
	a.server.CloseIdleConnections()
	(&http.Client{Transport: a.next}).CloseIdleConnections()
}

// current returns the token in hand, or a new one where that has expired, is the one that was refused, or the secret is another.
func (a *authorized) current(ctx context.Context, refused *oauth2.Token) (*oauth2.Token, error) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	text, err := boundedfile.Read(a.secretFile, boundedfile.MaxBytes)
	if err != nil {
		return nil, err
	}
	secret := strings.TrimSpace(string(text))
	if secret == a.secret && a.token.Valid() && a.token != refused {
		return a.token, nil
	}
	a.config.ClientSecret = secret
	token, err := a.config.Token(context.WithValue(ctx, oauth2.HTTPClient, a.server))
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return nil, fmt.Errorf("status %d: %s", refusal.Response.StatusCode, excerpt(string(refusal.Body)))
	}
	if err != nil {
		return nil, withoutURL(err)
	}
	a.secret, a.token = secret, token
	return token, nil
}
