package config

import (
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/remotewrite"
)

const remoteWrite = "remote_write"

func (v *validator) remoteWrite(o *remotewrite.Options) {
	v.sourceSwitch(remoteWrite, o.Enabled)
	if !o.Enabled {
		return
	}
	v.endpoint(remoteWrite+".url", o.URL, true)
	v.check(o.Interval >= time.Second, remoteWrite+".interval", "must be 1s or more, is %s", o.Interval)
	v.check(o.Timeout > 0, remoteWrite+".timeout", "must be more than 0, is %s", o.Timeout)
	v.check(o.MaxSamplesPerSend >= 1 && o.MaxSamplesPerSend <= 100_000, remoteWrite+".max_samples_per_send",
		"must be 1 to 100000, is %d", o.MaxSamplesPerSend)
	v.check(o.QueueMaxBytes >= 1<<20, remoteWrite+".queue_max_bytes", "must be 1048576 or more, is %d", o.QueueMaxBytes)
	v.check(o.Shards >= 1 && o.Shards <= 100, remoteWrite+".shards", "must be 1 to 100, is %d", o.Shards)
	v.check(o.MinBackoff > 0, remoteWrite+".min_backoff", "must be more than 0, is %s", o.MinBackoff)
	v.check(o.MaxBackoff >= o.MinBackoff, remoteWrite+".max_backoff", "must not be less than %s.min_backoff, %s, is %s", remoteWrite, o.MinBackoff, o.MaxBackoff)
	v.externalLabels(o.ExternalLabels)
	v.headers(o.Headers)
	v.remoteWriteTLS(&o.TLS)
	v.authentication(o)
}

// endpoint checks a URL to send to. It is never shown: it may hold a password.
func (v *validator) endpoint(key, address string, isNeeded bool) {
	if address == "" {
		v.check(!isNeeded, key, "is needed when %s.enabled is true: %s", remoteWrite, v.remedy(key))
		return
	}
	u, err := url.Parse(address)
	v.check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Fragment == "", key,
		"is no URL of a web server, for example %s", v.file.settings[key].Example)
}

func (v *validator) externalLabels(labels []remotewrite.Pair) {
	taken := map[string]bool{}
	for i, l := range labels {
		at := indexKey(remoteWrite+".external_labels", i)
		if v.label(at+".name", l.Name) {
			v.check(!taken[l.Name], at+".name", "%s stands twice", quote(l.Name))
		}
		taken[l.Name] = true
		v.check(l.Value != "", at+".value", "must not be empty: a label without a value is no label")
	}
}

// reservedHeaders are those that make the request what it is.
var reservedHeaders = map[string]bool{ // constant
	"Content-Encoding": true, "Content-Type": true, "Content-Length": true, "X-Prometheus-Remote-Write-Version": true,
	"User-Agent": true, "Connection": true, "Keep-Alive": true, "Transfer-Encoding": true, "Upgrade": true, "Authorization": true,
}

func (v *validator) headers(headers []remotewrite.Pair) {
	for i, h := range headers {
		at := indexKey(remoteWrite+".headers", i)
		v.check(h.Name != "" && !strings.ContainsFunc(h.Name, notInHeaderName), at+".name", "%s is no name of a header", quote(h.Name))
		v.check(!reservedHeaders[http.CanonicalHeaderKey(h.Name)], at+".name",
			"%s is set by the exporter; tokens and passwords belong into %s.bearer_token_file and the like", quote(h.Name), remoteWrite)
		v.check(!strings.ContainsFunc(h.Value, unicode.IsControl), at+".value", "holds characters that no header may hold")
	}
}

// notInHeaderName is what RFC 9110 does not allow in a token.
func notInHeaderName(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
}

func (v *validator) remoteWriteTLS(o *remotewrite.TLS) {
	const cert, key = remoteWrite + ".tls.cert_file", remoteWrite + ".tls.key_file"
	v.readable(remoteWrite+".tls.ca_file", o.CAFile)
	v.readable(cert, o.CertFile)
	v.readable(key, o.KeyFile)
	v.check(o.CertFile == "" || o.KeyFile != "", key, "is needed since %s is set: %s", cert, v.remedy(key))
	v.check(o.KeyFile == "" || o.CertFile != "", cert, "is needed since %s is set: %s", key, v.remedy(cert))
}

func (v *validator) readable(key, file string) {
	if file == "" {
		return
	}
	_, err := boundedfile.Read(file, boundedfile.MaxBytes)
	v.check(err == nil, key, "cannot read the file: %v", err)
}

func (v *validator) authentication(o *remotewrite.Options) {
	const password, token, tokenURL = remoteWrite + ".basic_auth.password_file", remoteWrite + ".bearer_token_file", remoteWrite + ".oauth2.token_url"
	const user, client, secret = remoteWrite + ".basic_auth.username", remoteWrite + ".oauth2.client_id", remoteWrite + ".oauth2.client_secret_file"
	basic := o.BasicAuth.Username != "" || o.BasicAuth.PasswordFile != ""
	oauth := o.OAuth2.TokenURL != "" || o.OAuth2.ClientID != "" || o.OAuth2.ClientSecretFile != ""
	var ways []string
	for _, way := range []struct {
		on  bool
		key string
	}{{basic, user}, {o.BearerTokenFile != "", token}, {oauth, tokenURL}} {
		if way.on {
			ways = append(ways, way.key)
		}
	}
	if len(ways) > 1 {
		v.fail(ways[1], "is one way to authenticate too many: choose one of %s", strings.Join(ways, ", "))
	}
	if basic {
		v.check(o.BasicAuth.Username != "", user, "is needed since %s is set: %s", password, v.remedy(user))
		v.check(o.BasicAuth.PasswordFile != "", password, "is needed since %s is set: %s", user, v.remedy(password))
		v.readable(password, o.BasicAuth.PasswordFile)
	}
	v.readable(token, o.BearerTokenFile)
	if oauth {
		for _, needed := range []struct{ key, value string }{
			{tokenURL, o.OAuth2.TokenURL}, {client, o.OAuth2.ClientID}, {secret, o.OAuth2.ClientSecretFile},
		} {
			v.check(needed.value != "", needed.key, "is needed for %s.oauth2: %s", remoteWrite, v.remedy(needed.key))
		}
		v.endpoint(tokenURL, o.OAuth2.TokenURL, false)
		v.readable(secret, o.OAuth2.ClientSecretFile)
		v.readable(remoteWrite+".oauth2.ca_file", o.OAuth2.CAFile)
	}
}
