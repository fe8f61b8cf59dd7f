package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/prometheus/common/config"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"loggregator_exporter/internal/outgoing"
)

// tokenTransport adds an OAuth 2 token to every request. The token is fetched with the request's context: a token
// server that does not answer must delay neither a retry nor the exporter's stop. oauth2.Transport fetches without a
// context.
type tokenTransport struct {
	next    http.RoundTripper
	server  *http.Client // for the token server
	options *OAuth2

	// lock guards config and token. It is a channel so that waiting for it ends with a request's context.
	lock   chan struct{}
	config clientcredentials.Config
	token  *oauth2.Token // fetched with config's secret, or nil
}

func newTokenTransport(o *OAuth2, next http.RoundTripper) (*tokenTransport, error) {
	server, err := config.NewClientFromConfig(config.HTTPClientConfig{
		FollowRedirects: true,
		ProxyConfig:     config.ProxyConfig{ProxyFromEnvironment: true},
		TLSConfig:       config.TLSConfig{CAFile: o.CAFile, MinVersion: config.TLSVersions["TLS12"]},
	}, "remote_write_token")
	if err != nil {
		return nil, fmt.Errorf("remote_write.oauth2: %w", err)
	}
	server.CheckRedirect = outgoing.CheckRedirect
	return &tokenTransport{
		next: next, server: server, options: o, lock: make(chan struct{}, 1),
		config: clientcredentials.Config{ClientID: o.ClientID, TokenURL: o.TokenURL, Scopes: o.Scopes},
	}, nil
}

// RoundTrip implements http.RoundTripper. A token can be revoked, or its server's keys be changed, before it expires:
// a request that is refused is sent once more with another one.
func (t *tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, token, err := t.send(req, nil)
	if err != nil || res.StatusCode != http.StatusUnauthorized || req.GetBody == nil {
		return res, err
	}
	body, err := req.GetBody()
	if err != nil {
		return res, nil //nolint:nilerr // the refusal stands
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxDiscardBytes)
	_ = res.Body.Close()
	again := req.Clone(req.Context())
	again.Body = body
	res, _, err = t.send(again, token)
	return res, err
}

// send sends a request with a valid token other than the refused one.
func (t *tokenTransport) send(req *http.Request, refused *oauth2.Token) (*http.Response, *oauth2.Token, error) {
	token, err := t.validToken(req.Context(), refused)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as a RoundTripper must
		}
		return nil, nil, fmt.Errorf("no token from remote_write.oauth2.token_url: %w", err)
	}
	req = req.Clone(req.Context())
	token.SetAuthHeader(req)
	res, err := t.next.RoundTrip(req)
	return res, token, err
}

// CloseIdleConnections is called by http.Client.
func (t *tokenTransport) CloseIdleConnections() {
	t.server.CloseIdleConnections()
	(&http.Client{Transport: t.next}).CloseIdleConnections()
}

// validToken returns the current token, or fetches another one if there is none, if it has expired, if it is the
// refused one, or if the secret has changed.
func (t *tokenTransport) validToken(ctx context.Context, refused *oauth2.Token) (*oauth2.Token, error) {
	select {
	case t.lock <- struct{}{}:
		defer func() { <-t.lock }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	secret, err := valueOrFile("", t.options.ClientSecretFile)
	if err != nil {
		return nil, err
	}
	if secret != t.config.ClientSecret || t.token == refused {
		t.config.ClientSecret, t.token = secret, nil
	}
	if t.token.Valid() {
		return t.token, nil
	}
	t.config.EndpointParams = url.Values{}
	for _, p := range t.options.EndpointParams {
		value, err := p.secret()
		if err != nil {
			return nil, err
		}
		t.config.EndpointParams.Set(p.Name, value)
	}
	token, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.server))
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return nil, fmt.Errorf("status %d: %s", refusal.Response.StatusCode, firstLine(string(refusal.Body)))
	}
	if err != nil {
		return nil, withoutURL(err)
	}
	t.token = token
	return token, nil
}
