package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"golang.org/x/sync/errgroup"

	"loggregator_exporter/diff"
	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/internal/outgoing"
	"loggregator_exporter/resolver"
	"loggregator_exporter/web/api"
)

// connection says how to talk to a running exporter: its TLS and its password.
type connection struct {
	timeout            time.Duration
	caFile, serverName string
	skipVerify         bool
	certFile, keyFile  string
	username           string
	passwordFile       string
}

func (c *connection) addFlags(flags *pflag.FlagSet, timeout time.Duration) {
	flags.DurationVar(&c.timeout, "timeout", timeout, "Time for the answer.")
	flags.StringVar(&c.caFile, "ca-file", "", "CA certificate (PEM) that must have signed the exporter's certificate.")
	flags.StringVar(&c.serverName, "server-name", "", "Name that the certificate must hold, with --ca-file. Default: "+
		"the host of the address.")
	flags.BoolVar(&c.skipVerify, "insecure-skip-verify", false, "Accept any certificate.")
	flags.StringVar(&c.certFile, "cert-file", "", "Client certificate (PEM), where the exporter asks for one.")
	flags.StringVar(&c.keyFile, "key-file", "", "Key (PEM) of the client certificate.")
	flags.StringVar(&c.username, "username", "", "User name for basic authentication.")
	flags.StringVar(&c.passwordFile, "password-file", "", "File that holds the password.")
}

func (c *connection) authenticate(req *http.Request) error {
	if c.username == "" && c.passwordFile == "" {
		return nil
	}
	if c.username == "" || c.passwordFile == "" {
		return errors.New("--username and --password-file belong together: give both or none")
	}
	password, err := boundedfile.Read(c.passwordFile, boundedfile.MaxBytes)
	if err != nil {
		return fmt.Errorf("--password-file: %w", err)
	}
	req.SetBasicAuth(c.username, strings.TrimRight(string(password), "\r\n"))
	return nil
}

// tlsConfig is how to talk to a server with TLS.
func (c *connection) tlsConfig() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.serverName}
	switch {
	case c.skipVerify:
		out.InsecureSkipVerify = true
	case c.caFile != "":
		pem, err := boundedfile.Read(c.caFile, boundedfile.MaxBytes)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file: %s holds no certificate in PEM form", c.caFile)
		}
	}
	if c.certFile != "" || c.keyFile != "" {
		cert, certErr := boundedfile.Read(c.certFile, boundedfile.MaxBytes)
		key, keyErr := boundedfile.Read(c.keyFile, boundedfile.MaxBytes)
		pair, err := tls.X509KeyPair(cert, key)
		if err := cmp.Or(certErr, keyErr, err); err != nil {
			return nil, fmt.Errorf("--cert-file, --key-file: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

// exporterAPI asks a running exporter. It is safe for concurrent use.
type exporterAPI struct {
	connection *connection
	base       *url.URL
	flag       string // that named the address, for errors
	client     *http.Client
}

// dial prepares to ask the exporter at an address that a flag gives.
func (c *connection) dial(flag, address string) (*exporterAPI, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%s %q: want http://host:port or https://host:port", flag, address)
	}
	config, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, MaxIdleConnsPerHost: askers, ForceAttemptHTTP2: true,
	}
	return &exporterAPI{c, base, flag, &http.Client{Transport: transport, CheckRedirect: outgoing.CheckRedirect}}, nil
}

func (a *exporterAPI) close() { a.client.CloseIdleConnections() }

const (
	// askers is how many requests are made at once.
	askers = 4
	// maxAPIAnswer bounds an answer: a page of 1000 names, each with 8 origins and metrics.
	maxAPIAnswer = 64 << 20
	// maxRetries is how often a request is made again that the exporter has no time for.
	maxRetries = 20
)

// get asks for the data of an endpoint.
func (a *exporterAPI) get(ctx context.Context, path string, query url.Values, data any) error {
	for retry := 0; ; retry++ {
		wait, err := a.try(ctx, path, query, data)
		if wait == 0 || retry == maxRetries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// try is one attempt of get. It may be made again after a time, unless that is 0.
func (a *exporterAPI) try(ctx context.Context, path string, query url.Values, data any) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, a.connection.timeout)
	defer cancel()
	at := a.base.JoinPath(api.Prefix, path)
	at.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", a.flag, err)
	}
	if err := a.connection.authenticate(req); err != nil {
		return 0, err
	}
	where := outgoing.Address(at)
	res, err := a.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("%s: asking the exporter: %w", a.flag, err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Error string          `json:"error"`
		Data  json.RawMessage `json:"data"`
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAPIAnswer+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s: reading the answer of %s: %w", a.flag, where, err)
	case len(body) > maxAPIAnswer:
		return 0, fmt.Errorf("%s: the answer of %s is longer than %d bytes", a.flag, where, maxAPIAnswer)
	case res.StatusCode == http.StatusUnauthorized:
		return 0, fmt.Errorf("%s: %s wants other credentials: give --username and --password-file", a.flag, where)
	}
	if err := json.Unmarshal(body, &answer); err != nil || res.StatusCode == http.StatusNotFound {
		return 0, fmt.Errorf("%s: %s has status %d and no answer of this exporter's API: is it another program, an older "+
			"version, or is web.enable_console off?", a.flag, where, res.StatusCode)
	}
	if res.StatusCode != http.StatusOK {
		return retryAfter(res), fmt.Errorf("%s: %s: status %d: %s", a.flag, where, res.StatusCode, answer.Error)
	}
	if err := json.Unmarshal(answer.Data, data); err != nil {
		return 0, fmt.Errorf("%s: the answer of %s: %w", a.flag, where, err)
	}
	return 0, nil
}

// retryAfter is the time after which a server wants to be asked again; 0 where it does not say.
func retryAfter(res *http.Response) time.Duration {
	seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || res.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	return time.Duration(min(max(seconds, 1), 30)) * time.Second
}

// names calls yield with all names that an exporter has, with each of the origins that it tells of.
func (a *exporterAPI) names(ctx context.Context, yield func(*question)) error {
	query := url.Values{"limit": {"1000"}}
	for {
		var page api.NamesPage
		if err := a.get(ctx, "names", query, &page); err != nil {
			return err
		}
		for i := range page.Names {
			if page.Names[i].State == api.StateFiltered {
				continue // it would become no series, whatever the rules
			}
			if err := a.yieldName(&page.Names[i], yield); err != nil {
				return err
			}
		}
		if page.Next == "" || page.Next == query.Get("cursor") {
			return nil
		}
		query.Set("cursor", page.Next)
	}
}

// yieldName spreads the series of a name over its origins: how many each has is not known.
func (a *exporterAPI) yieldName(n *api.Name, yield func(*question)) error {
	kind, err := parseKind(n.Kind)
	if err != nil {
		return fmt.Errorf("%s: name %q: kind %w", a.flag, shorten(n.Name), err)
	}
	origins := n.Origins
	if len(origins) == 0 {
		origins = []string{""}
	}
	for i, origin := range origins {
		series := n.Series / len(origins)
		if i < n.Series%len(origins) {
			series++
		}
		yield(&question{origin: origin, name: n.Name, partOf: n.PartOf, unit: n.Unit, kind: kind, series: series})
	}
	return nil
}

// settings asks for the settings in force, and for the version.
func (a *exporterAPI) settings(ctx context.Context) (map[string]string, error) {
	var c api.Config
	if err := a.get(ctx, "config", nil, &c); err != nil {
		return nil, err
	}
	all := make(map[string]string, len(c.Settings)+1)
	for i := range c.Settings {
		all[c.Settings[i].Key] = c.Settings[i].Value
	}
	all["version"] = c.Build.Version + " " + c.Build.Revision
	return all, nil
}

// explain asks what an exporter makes of names, several at once.
func (a *exporterAPI) explain(ctx context.Context, names []*diff.Name) (*diff.Answers, error) {
	said := make([]resolver.Explanation, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(askers)
	for i, n := range names {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			query := url.Values{
				"name": {n.Name}, "origin": {n.Origin}, "kind": {n.Kind.String()}, "unit": {n.Unit}, "source_id": {n.SourceID},
				"instance_id": {n.InstanceID}, "series": {"0"},
			}
			for _, t := range n.Tags {
				query.Add("tag", t.Name+"="+t.Value)
			}
			return a.get(ctx, "explain", query, &said[i])
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return diff.NewAnswers(names, said), nil
}
