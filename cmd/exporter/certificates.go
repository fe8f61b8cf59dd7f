package main

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"loggregator_exporter/config"
	"loggregator_exporter/internal/boundedfile"
)

// certificateFile is a file of certificates that the configuration names.
type certificateFile struct {
	setting string // where the configuration names it
	path    string
	ca      bool // a bundle, of which any certificate may be the one that is needed
}

// certificates tells when the certificates in use end. It reads their files anew for every scrape, as connections do, so that it
// follows their rotation: a few small reads.
type certificates struct {
	files     []certificateFile
	webConfig string // names files as well, and is read anew for every connection
	desc      *prometheus.Desc
}

func newCertificates(cfg *config.Config) *certificates {
	return &certificates{
		files:     certificateFiles(cfg),
		webConfig: cfg.Web.ConfigFile,
		desc: prometheus.NewDesc(program+"_certificate_expiry_timestamp_seconds",
			"Unix time at which the certificates of a file that the configuration names are no longer valid; 0 if there are none that can be read.",
			[]string{"setting"}, nil),
	}
}

// certificateFiles are those of all parts that are switched on.
func certificateFiles(cfg *config.Config) []certificateFile {
	n, r := &cfg.Nozzle, &cfg.RemoteWrite
	var files []certificateFile
	add := func(used bool, setting, path string, ca bool) {
		if used && path != "" {
			files = append(files, certificateFile{setting, path, ca})
		}
	}
	add(n.RLP.Enabled, "nozzle.rlp.tls.ca_file", n.RLP.TLS.CAFile, true)
	add(n.RLP.Enabled, "nozzle.rlp.tls.cert_file", n.RLP.TLS.CertFile, false)
	add(n.Gateway.Enabled, "nozzle.gateway.tls.ca_file", n.Gateway.TLS.CAFile, true)
	add(n.Firehose.Enabled, "nozzle.firehose.tls.ca_file", n.Firehose.TLS.CAFile, true)
	add(n.Ingress.Enabled, "nozzle.ingress.tls.ca_file", n.Ingress.TLS.CAFile, true)
	add(n.Ingress.Enabled, "nozzle.ingress.tls.cert_file", n.Ingress.TLS.CertFile, false)
	add(n.Gateway.Enabled || n.Firehose.Enabled, "uaa.tls.ca_file", cfg.UAA.TLS.CAFile, true)
	add(r.Enabled, "remote_write.tls.ca_file", r.TLS.CAFile, true)
	add(r.Enabled, "remote_write.tls.cert_file", r.TLS.CertFile, false)
	add(r.Enabled, "remote_write.oauth2.ca_file", r.OAuth2.CAFile, true)
	return files
}

// webFiles are those that web.config_file names now.
func (c *certificates) webFiles() []certificateFile {
	server, err := serverTLS(c.webConfig)
	if err != nil || server == nil {
		return nil // connections fail and say why
	}
	var files []certificateFile
	if server.TLSCertPath != "" {
		files = append(files, certificateFile{"web.config_file/tls_server_config.cert_file", server.TLSCertPath, false})
	}
	if server.ClientCAs != "" {
		files = append(files, certificateFile{"web.config_file/tls_server_config.client_ca_file", server.ClientCAs, true})
	}
	return files
}

// Describe implements prometheus.Collector.
func (c *certificates) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector. A file that cannot be read costs its own series its value and nothing else: connections
// say in the log what is wrong with it.
func (c *certificates) Collect(ch chan<- prometheus.Metric) {
	for _, f := range slices.Concat(c.files, c.webFiles()) {
		value := 0.0
		if end, ok := f.expiry(); ok {
			value = float64(end.Unix())
		}
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, value, f.setting)
	}
}

// expiry is when the file is no longer of use: a chain when the first of its certificates ends, a bundle of authorities when the last
// one does, since a bundle holds old and new ones while they are rotated. ok is false where no certificate can be read.
func (f certificateFile) expiry() (end time.Time, ok bool) {
	text, err := boundedfile.Read(f.path, boundedfile.MaxBytes)
	if err != nil {
		return end, false
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue // TLS passes over it in a bundle as well
		}
		if after := certificate.NotAfter.After(end); !ok || after == f.ca {
			end, ok = certificate.NotAfter, true
		}
	}
	return end, ok
}
