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

// certificates tells when the certificates in use end. It reads their files anew for every scrape, as connections
// do, so that it follows their rotation: a few small reads.
type certificates struct {
	files []config.CertificateFile
	web   *config.Web // its configuration file names more, and is read anew for every connection
	desc  *prometheus.Desc
}

func newCertificates(cfg *config.Config) *certificates {
	return &certificates{
		files: cfg.CertificateFiles(),
		web:   &cfg.Web,
		desc: prometheus.NewDesc(program+"_certificate_expiry_timestamp_seconds",
			"Unix time at which the certificates of a file that the configuration names are no longer valid; "+
				"0 if there are none that can be read.",
			[]string{"setting"}, nil),
	}
}

// webFiles are those that web.config_file names now.
func (c *certificates) webFiles() []config.CertificateFile {
	server, err := c.web.ServerTLS()
	if err != nil || server == nil {
		return nil // connections fail and say why
	}
	var files []config.CertificateFile
	for _, f := range []config.CertificateFile{
		{Key: "cert_file", Path: server.TLSCertPath}, {Key: "client_ca_file", Path: server.ClientCAs, CA: true},
	} {
		if f.Path != "" {
			f.Key = "web.config_file/tls_server_config." + f.Key
			files = append(files, f)
		}
	}
	return files
}

// Describe implements prometheus.Collector.
func (c *certificates) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector. A file that cannot be read costs its own series its value and nothing
// else: connections say in the log what is wrong with it.
func (c *certificates) Collect(ch chan<- prometheus.Metric) {
	for _, f := range slices.Concat(c.files, c.webFiles()) {
		value := 0.0
		if end, ok := expiry(f); ok {
			value = float64(end.Unix())
		}
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, value, f.Key)
	}
}

// expiry is when the file is no longer of use: a chain when the first of its certificates ends, a bundle of
// authorities when the last one does, since a bundle holds old and new ones while they are rotated. ok is false
// where no certificate can be read.
func expiry(f config.CertificateFile) (end time.Time, ok bool) {
	text, err := boundedfile.Read(f.Path, boundedfile.MaxBytes)
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
		if after := certificate.NotAfter.After(end); !ok || after == f.CA {
			end, ok = certificate.NotAfter, true
		}
	}
	return end, ok
}
