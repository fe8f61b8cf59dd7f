package remotewrite

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/common/config"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/internal/check"
	"loggregator_exporter/internal/outgoing"
)

// The values of Options.Protocol and Options.NameEscaping.
const (
	ProtocolAuto = "auto" // 2.0, or 1.0 if the receiver does not take 2.0
	Protocol1    = "1.0"
	Protocol2    = "2.0"

	EscapeUnderscores = "underscores"
	AllowUTF8         = "allow-utf-8"
)

// Options say where to push, and how. The zero value of a field is not a default: the configuration holds those.
type Options struct {
	Enabled bool `mapstructure:"enabled"`
	// Exactly one of URL and URLFile is set. The file is read for every request.
	URL               string        `mapstructure:"url"`
	URLFile           string        `mapstructure:"url_file"`
	Protocol          string        `mapstructure:"protocol"`
	Interval          time.Duration `mapstructure:"interval"`
	Timeout           time.Duration `mapstructure:"timeout"` // of one request
	MaxSamplesPerSend int           `mapstructure:"max_samples_per_send"`
	QueueMaxBytes     int           `mapstructure:"queue_max_bytes"`
	Shards            int           `mapstructure:"shards"` // number of parallel requests
	MinBackoff        time.Duration `mapstructure:"min_backoff"`
	MaxBackoff        time.Duration `mapstructure:"max_backoff"`
	RetryOnRateLimit  bool          `mapstructure:"retry_on_rate_limit"`
	NameEscaping      string        `mapstructure:"name_escaping"`
	SendExemplars     bool          `mapstructure:"send_exemplars"`
	// SendNativeHistograms pushes a histogram that the store has in native form in that form. SendClassicHistograms
	// pushes its buckets as well. A histogram without a native form is always pushed as buckets.
	SendNativeHistograms  bool `mapstructure:"send_native_histograms"`
	SendClassicHistograms bool `mapstructure:"send_classic_histograms"`
	// ExternalLabels are added to every series. A series' own label of the same name becomes exported_<name>, as in a
	// scrape.
	ExternalLabels  []Pair       `mapstructure:"external_labels"`
	Headers         []SecretPair `mapstructure:"headers"`
	TLS             TLS          `mapstructure:"tls"`
	BasicAuth       BasicAuth    `mapstructure:"basic_auth"`
	BearerTokenFile string       `mapstructure:"bearer_token_file"`
	OAuth2          OAuth2       `mapstructure:"oauth2"`
}

// Pair is a label.
type Pair struct {
	Name  string `mapstructure:"name"`
	Value string `mapstructure:"value"`
}

// SecretPair is a header or a parameter whose value may be a secret. Exactly one of Value and ValueFile is set. The
// file is read for every request.
type SecretPair struct {
	Name      string `mapstructure:"name"`
	Value     string `mapstructure:"value"`
	ValueFile string `mapstructure:"value_file"`
}

// TLS configures the verification of the receiver, and the client certificate. Files are PEM and are read again when
// they change.
type TLS struct {
	CAFile     string `mapstructure:"ca_file"`
	CertFile   string `mapstructure:"cert_file"`
	KeyFile    string `mapstructure:"key_file"`
	ServerName string `mapstructure:"server_name"`
	SkipVerify bool   `mapstructure:"skip_verify"`
}

// BasicAuth is a user whose password is read from its file for every request.
type BasicAuth struct {
	Username     string `mapstructure:"username"`
	PasswordFile string `mapstructure:"password_file"`
}

// OAuth2 fetches tokens by client credentials.
type OAuth2 struct {
	TokenURL         string       `mapstructure:"token_url"`
	ClientID         string       `mapstructure:"client_id"`
	ClientSecretFile string       `mapstructure:"client_secret_file"`
	Scopes           []string     `mapstructure:"scopes"`
	EndpointParams   []SecretPair `mapstructure:"endpoint_params"`
	CAFile           string       `mapstructure:"ca_file"` // for the token server
}

// SetDefaultLabels adds the external labels job and instance unless the options set them, so that no two exporters
// push the same series.
func (o *Options) SetDefaultLabels(instance string) {
	for _, l := range []Pair{{"job", "loggregator_exporter"}, {"instance", instance}} {
		if !slices.ContainsFunc(o.ExternalLabels, func(p Pair) bool { return p.Name == l.Name }) && l.Value != "" {
			o.ExternalLabels = append(slices.Clip(o.ExternalLabels), l)
		}
	}
}

// address returns the URL to push to.
func (o *Options) address() (string, error) { return valueOrFile(o.URL, o.URLFile) }

func (p *SecretPair) secret() (string, error) { return valueOrFile(p.Value, p.ValueFile) }

// valueOrFile returns the value, or what the file holds without surrounding white space.
func valueOrFile(value, file string) (string, error) {
	if file == "" {
		return value, nil
	}
	text, err := boundedfile.Read(file, boundedfile.MaxBytes)
	return strings.TrimSpace(string(text)), err
}

// client makes the HTTP client. It opens no connection.
func (o *Options) client() (*http.Client, error) {
	c := config.HTTPClientConfig{
		BearerTokenFile: o.BearerTokenFile,
		FollowRedirects: true,
		EnableHTTP2:     true,
		ProxyConfig:     config.ProxyConfig{ProxyFromEnvironment: true},
		TLSConfig: config.TLSConfig{
			CAFile: o.TLS.CAFile, CertFile: o.TLS.CertFile, KeyFile: o.TLS.KeyFile,
			ServerName: o.TLS.ServerName, InsecureSkipVerify: o.TLS.SkipVerify,
			MinVersion: config.TLSVersions["TLS12"],
		},
	}
	if o.BasicAuth.Username != "" {
		c.BasicAuth = &config.BasicAuth{Username: o.BasicAuth.Username, PasswordFile: o.BasicAuth.PasswordFile}
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("remote_write: %w", err)
	}
	client, err := config.NewClientFromConfig(
		c, "remote_write", config.WithIdleConnTimeout(max(2*o.Interval, time.Minute)),
	)
	if err != nil {
		return nil, fmt.Errorf("remote_write: %w", err)
	}
	client.CheckRedirect = outgoing.CheckRedirect
	if o.OAuth2.TokenURL != "" {
		client.Transport, err = newTokenTransport(&o.OAuth2, client.Transport)
	}
	return client, err
}

// Check reports mistakes in the options.
func (o *Options) Check(s check.Section) {
	if o.URLFile == "" {
		s.Needed("url", o.URL)
	}
	s.EndpointURL("url", o.URL)
	s.That(o.URL == "" || o.URLFile == "", "url_file", "must not be set together with %s: remove one", s.Key("url"))
	if text := s.File("url_file", o.URLFile); text != nil {
		u, err := url.Parse(strings.TrimSpace(string(text)))
		s.That(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", "url_file",
			"the file holds no URL of a web server")
	}
	s.That(o.Interval >= time.Second, "interval", "must be 1s or more, is %s", o.Interval)
	s.That(o.Timeout > 0, "timeout", "must be more than 0, is %s", o.Timeout)
	s.That(o.MaxSamplesPerSend >= 1 && o.MaxSamplesPerSend <= 100_000, "max_samples_per_send",
		"must be 1 to 100000, is %d", o.MaxSamplesPerSend)
	s.That(o.QueueMaxBytes >= 1<<20, "queue_max_bytes", "must be 1048576 or more, is %d", o.QueueMaxBytes)
	s.That(o.Shards >= 1 && o.Shards <= 100, "shards", "must be 1 to 100, is %d", o.Shards)
	s.That(o.MinBackoff > 0, "min_backoff", "must be more than 0, is %s", o.MinBackoff)
	s.That(o.MaxBackoff >= o.MinBackoff, "max_backoff", "must not be less than %s, %s, is %s",
		s.Key("min_backoff"), o.MinBackoff, o.MaxBackoff)
	checkExternalLabels(s, o.ExternalLabels)
	checkExtraHeaders(s, o.Headers)
	o.TLS.check(s.Section("tls"))
	o.checkAuthentication(s)
}

func checkExternalLabels(s check.Section, labels []Pair) {
	taken := map[string]bool{}
	for i, l := range labels {
		at := check.Item("external_labels", i)
		if s.Label(at+".name", l.Name) {
			s.That(!taken[l.Name], at+".name", "%s stands twice", check.Quote(l.Name))
		}
		taken[l.Name] = true
		s.That(l.Value != "", at+".value", "must not be empty: a label without a value is no label")
	}
}

// reservedHeaders are set by the protocol or by other settings.
var reservedHeaders = map[string]bool{ // constant
	"Content-Encoding": true, "Content-Type": true, "Content-Length": true, "X-Prometheus-Remote-Write-Version": true,
	"User-Agent": true, "Connection": true, "Keep-Alive": true, "Transfer-Encoding": true, "Upgrade": true,
	"Authorization": true,
}

func checkExtraHeaders(s check.Section, headers []SecretPair) {
	for i, h := range headers {
		at := check.Item("headers", i)
		s.That(h.Name != "" && !strings.ContainsFunc(h.Name, notInHeaderName), at+".name",
			"%s is no name of a header", check.Quote(h.Name))
		s.That(!reservedHeaders[http.CanonicalHeaderKey(h.Name)], at+".name",
			"%s is set by the exporter; tokens and passwords belong into %s and the like",
			check.Quote(h.Name), s.Key("bearer_token_file"))
		s.That(!strings.ContainsFunc(h.Value, unicode.IsControl), at+".value",
			"holds characters that no header may hold")
		s.File(at+".value_file", h.ValueFile)
	}
}

// notInHeaderName is what RFC 9110 does not allow in a token.
func notInHeaderName(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
}

func (o *TLS) check(s check.Section) {
	s.File("ca_file", o.CAFile)
	s.File("cert_file", o.CertFile)
	s.File("key_file", o.KeyFile)
	s.NeededBeside("key_file", o.KeyFile, "cert_file", o.CertFile)
	s.NeededBeside("cert_file", o.CertFile, "key_file", o.KeyFile)
}

func (o *Options) checkAuthentication(s check.Section) {
	basic := o.BasicAuth.Username != "" || o.BasicAuth.PasswordFile != ""
	oauth := o.OAuth2.TokenURL != "" || o.OAuth2.ClientID != "" || o.OAuth2.ClientSecretFile != ""
	var ways, keys []string
	for _, way := range []struct {
		on   bool
		name string
	}{{basic, "basic_auth.username"}, {o.BearerTokenFile != "", "bearer_token_file"}, {oauth, "oauth2.token_url"}} {
		if way.on {
			ways, keys = append(ways, way.name), append(keys, s.Key(way.name))
		}
	}
	if len(ways) > 1 {
		s.That(false, ways[1], "is one way to authenticate too many: choose one of %s", strings.Join(keys, ", "))
	}
	basicAuth := s.Section("basic_auth")
	basicAuth.NeededBeside("username", o.BasicAuth.Username, "password_file", o.BasicAuth.PasswordFile)
	basicAuth.NeededBeside("password_file", o.BasicAuth.PasswordFile, "username", o.BasicAuth.Username)
	basicAuth.File("password_file", o.BasicAuth.PasswordFile)
	s.File("bearer_token_file", o.BearerTokenFile)
	if oauth {
		o.OAuth2.check(s.Section("oauth2"))
	}
}

func (o *OAuth2) check(s check.Section) {
	for _, needed := range []struct{ name, value string }{
		{"token_url", o.TokenURL}, {"client_id", o.ClientID}, {"client_secret_file", o.ClientSecretFile},
	} {
		s.That(needed.value != "", needed.name, "is needed for %s: %s", s.Name(), s.Remedy(needed.name))
	}
	s.EndpointURL("token_url", o.TokenURL)
	s.File("client_secret_file", o.ClientSecretFile)
	s.File("ca_file", o.CAFile)
	for i, p := range o.EndpointParams {
		s.File(check.Item("endpoint_params", i)+".value_file", p.ValueFile)
	}
}
