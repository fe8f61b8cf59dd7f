package remotewrite

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/config"

	"loggregator_exporter/internal/boundedfile"
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
