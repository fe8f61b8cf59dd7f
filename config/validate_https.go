package config

import (
	"crypto/x509"
	"net/url"
	"strings"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/nozzle"
)

// https checks the sources that need a token of UAA, and UAA.
func (v *validator) https(cfg *Config) {
	n := &cfg.Nozzle
	if n.Gateway.Enabled {
		v.url("nozzle.gateway.url", n.Gateway.URL, "https")
		v.serverTLS("nozzle.gateway", &n.Gateway.TLS)
	}
	if n.Firehose.Enabled {
		v.url("nozzle.firehose.url", n.Firehose.URL, "wss")
		v.serverTLS("nozzle.firehose", &n.Firehose.TLS)
	}
	if n.Gateway.Enabled || n.Firehose.Enabled {
		v.uaa(&cfg.UAA)
	}
}

func (v *validator) uaa(o *nozzle.UAAOptions) {
	const secret, file = "uaa.client_secret", "uaa.client_secret_file" //nolint:gosec // keys, not values
	v.url("uaa.url", o.URL, "https")
	v.check(o.ClientID != "", "uaa.client_id", "is needed for nozzle.gateway and nozzle.firehose: %s", v.remedy("uaa.client_id"))
	v.check(o.ClientSecret != "" || o.ClientSecretFile != "" || v.bad[secret], file, "is needed for nozzle.gateway and nozzle.firehose: %s", v.remedy(file))
	v.check(o.ClientSecret == "" || o.ClientSecretFile == "", file, "cannot be set beside %s: remove one of them", secret)
	if o.ClientSecretFile != "" {
		text, err := boundedfile.Read(o.ClientSecretFile, boundedfile.MaxBytes)
		v.check(err == nil, file, "cannot read the file: %v", err)
		v.check(err != nil || o.ClientSecret != "" || strings.TrimSpace(string(text)) != "", file, "%s is empty", o.ClientSecretFile)
	}
	v.serverTLS("uaa", &o.TLS)
}

func (v *validator) url(key, address, scheme string) {
	if !v.check(address != "", key, "must not be empty: %s", v.remedy(key)) {
		return
	}
	u, err := url.Parse(address)
	good := err == nil && u.Scheme == scheme && u.Hostname() != "" && u.User == nil && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
	// An address may hold a password, which is not shown.
	v.check(good, key, "is not %s://host or %s://host:port, for example %s", scheme, scheme, v.file.settings[key].Example)
}

func (v *validator) serverTLS(prefix string, o *nozzle.ServerTLSOptions) {
	key := prefix + ".tls.ca_file"
	if o.CAFile == "" {
		return
	}
	if !v.check(!o.SkipVerify, key, "has no effect beside %s.tls.skip_verify: remove one of them", prefix) {
		return
	}
	text, err := boundedfile.Read(o.CAFile, boundedfile.MaxBytes)
	if v.check(err == nil, key, "cannot read the file: %v", err) {
		v.check(x509.NewCertPool().AppendCertsFromPEM(text), key, "%s holds no certificate in PEM form", o.CAFile)
	}
}

// overlap refuses several sources of a whole foundation, and warns of a VM's own source beside one: what the VM's agent forwards comes by both.
func (v *validator) overlap(n *Nozzle) {
	var wide []string
	for _, s := range []struct {
		name    string
		enabled bool
	}{{"nozzle.rlp", n.RLP.Enabled}, {"nozzle.gateway", n.Gateway.Enabled}, {"nozzle.firehose", n.Firehose.Enabled}} {
		if s.enabled {
			wide = append(wide, s.name)
		}
	}
	if len(wide) == 0 {
		return
	}
	v.check(len(wide) == 1 || n.AllowOverlap, wide[len(wide)-1]+".enabled",
		"%s each bring all envelopes of the foundation, so that everything counts twice: enable one of them, or set nozzle.allow_overlap to true where they are those of different foundations", strings.Join(wide, " and "))
	for _, s := range []struct {
		key     string
		enabled bool
	}{{"nozzle.udp.enabled", n.UDP.Enabled}, {"nozzle.ingress.enabled", n.Ingress.Enabled}} {
		if s.enabled {
			v.warnings = append(v.warnings, v.where(s.key)+": envelopes of this VM may come by "+wide[0]+" as well, and their requests and deltas then count twice; "+
				"enable both only where the VM's agent does not forward them")
		}
	}
}
