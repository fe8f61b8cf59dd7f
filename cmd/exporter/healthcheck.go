package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"github.com/spf13/cobra"

	"loggregator_exporter/config"
	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/internal/outgoing"
	"loggregator_exporter/web"
)

// probe is what the flags of healthcheck say.
type probe struct {
	connection

	ready bool
}

func newHealthcheck() *cobra.Command {
	var p probe
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running exporter for its health",
		Long: "Asks the exporter that runs on this host for its health: exit status 0 if it is well, else 1. For\n" +
			"probes of containers. Address, TLS and certificate are taken from the exporter's own configuration:\n" +
			"web.probe_address, which has neither TLS nor password, or without that web.listen_address and\n" +
			"web.config_file. Where that has TLS, the certificate must be the configured one, unless --ca-file\n" +
			"says who must have signed it.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.LoadSections(cmd.Flags(), "web")
			if err != nil {
				return err
			}
			answer, err := p.ask(cmd.Context(), &cfg.Web)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), answer)
			return err
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&p.ready, "ready", false, "Ask whether it is ready, which takes a connected source, instead of "+
		"whether it is healthy.")
	p.addFlags(flags, 5*time.Second)
	config.AddFlags(flags)
	return cmd
}

// maxAnswer bounds what is read of an answer: one line.
const maxAnswer = 1 << 10

// ask returns the exporter's answer, or an error where it is not well.
func (p *probe) ask(ctx context.Context, c *config.Web) (string, error) {
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy: the exporter is on this host
	scheme, address, setting := "http", c.ProbeAddress, "web.probe_address"
	if address == "" {
		address, setting = c.ListenAddress, "web.listen_address"
		tlsConfig, err := p.tlsOf(c)
		if err != nil {
			return "", err
		}
		if tlsConfig != nil {
			scheme, transport.TLSClientConfig = "https", tlsConfig
		}
	}
	path := web.HealthyPath
	if p.ready {
		path = web.ReadyPath
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+loopback(address)+path, nil)
	if err != nil {
		return "", fmt.Errorf("asking the exporter: %w", err)
	}
	if c.ProbeAddress == "" { // a password does not travel without TLS to an address that wants none
		if err := p.authenticate(req); err != nil {
			return "", err
		}
	}
	client := &http.Client{Transport: transport, CheckRedirect: outgoing.CheckRedirect}
	res, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("asking the exporter: %w; does it run, with this %s?", err, setting)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("reading the exporter's answer: %w", err)
	}
	text := strings.TrimSpace(string(body))
	switch res.StatusCode {
	case http.StatusOK:
		return text, nil
	case http.StatusUnauthorized:
		return "", fmt.Errorf("%s: the exporter wants other credentials: give --username and --password-file", req.URL)
	default:
		return "", fmt.Errorf("%s: status %d: %q", req.URL, res.StatusCode, text)
	}
}

// tlsOf is how to talk to a server of those settings, or nil where it has no TLS.
func (p *probe) tlsOf(settings *config.Web) (*tls.Config, error) {
	server, err := settings.ServerTLS()
	if server == nil || err != nil {
		return nil, err
	}
	c, err := p.tlsConfig()
	if err != nil {
		return nil, err
	}
	c.MinVersion = uint16(server.MinVersion)
	if !p.skipVerify && p.caFile == "" {
		if err := pin(c, server); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// pin accepts the server's configured certificate and no other. It stands for the usual verification, which would
// fail on a loopback address, whatever names the certificate holds.
func pin(c *tls.Config, server *toolkit.TLSConfig) error {
	text := []byte(server.TLSCert)
	if server.TLSCertPath != "" {
		var err error
		if text, err = boundedfile.Read(server.TLSCertPath, boundedfile.MaxBytes); err != nil {
			return fmt.Errorf("reading the exporter's certificate: %w", err)
		}
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return errors.New("the exporter's certificate is not in PEM form")
	}
	c.InsecureSkipVerify = true // VerifyConnection is stricter
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, block.Bytes) {
			return errors.New("the certificate is not the one that web.config_file names: another server has the port, or " +
				"give --ca-file")
		}
		return nil
	}
	return nil
}

// loopback turns an address to listen at into one to ask at.
func loopback(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
