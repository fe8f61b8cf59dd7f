package remotewrite

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/version"
)

// The values of Options.Protocol and Options.NameEscaping.
const (
	Protocol1 = "1.0"
	Protocol2 = "2.0"

	EscapeUnderscores = "underscores"
	AllowUTF8         = "allow-utf-8"
)

// Options say where to push, and how. The zero value of a field is not a default: the configuration holds those.
type Options struct {
	Enabled           bool          `mapstructure:"enabled"`
	URL               string        `mapstructure:"url"`
	Protocol          string        `mapstructure:"protocol"`
	Interval          time.Duration `mapstructure:"interval"`
	Timeout           time.Duration `mapstructure:"timeout"` // of one request
	MaxSamplesPerSend int           `mapstructure:"max_samples_per_send"`
	QueueMaxBytes     int           `mapstructure:"queue_max_bytes"`
	Shards            int           `mapstructure:"shards"` // requests at a time
	MinBackoff        time.Duration `mapstructure:"min_backoff"`
	MaxBackoff        time.Duration `mapstructure:"max_backoff"`
	RetryOnRateLimit  bool          `mapstructure:"retry_on_rate_limit"`
	NameEscaping      string        `mapstructure:"name_escaping"`
	SendExemplars     bool          `mapstructure:"send_exemplars"`
	// SendNativeHistograms pushes what the store counts in native histograms as such; SendClassicHistograms goes on pushing it in classic ones
	// as well. What is counted in classic ones only is always pushed.
	SendNativeHistograms  bool `mapstructure:"send_native_histograms"`
	SendClassicHistograms bool `mapstructure:"send_classic_histograms"`
	// ExternalLabels are on every series. Where a series has one of the same name, its own becomes exported_<name>, as in a scrape.
	ExternalLabels  []Pair    `mapstructure:"external_labels"`
	Headers         []Pair    `mapstructure:"headers"`
	TLS             TLS       `mapstructure:"tls"`
	BasicAuth       BasicAuth `mapstructure:"basic_auth"`
	BearerTokenFile string    `mapstructure:"bearer_token_file"`
	OAuth2          OAuth2    `mapstructure:"oauth2"`
}

// Pair is a label, a header or a parameter.
type Pair struct {
	Name  string `mapstructure:"name"`
	Value string `mapstructure:"value"`
}

// TLS says whom to trust and which certificate to show. Files are PEM and are read again when they change.
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
	TokenURL         string   `mapstructure:"token_url"`
	ClientID         string   `mapstructure:"client_id"`
	ClientSecretFile string   `mapstructure:"client_secret_file"`
	Scopes           []string `mapstructure:"scopes"`
	EndpointParams   []Pair   `mapstructure:"endpoint_params"`
	CAFile           string   `mapstructure:"ca_file"` // of the token's server
}

// SetDefaultLabels adds the external labels job and instance where the options do not say them, so that the series of two
// exporters are never the same.
func (o *Options) SetDefaultLabels(instance string) {
	for _, l := range []Pair{{"job", "loggregator_exporter"}, {"instance", instance}} {
		if !slices.ContainsFunc(o.ExternalLabels, func(p Pair) bool { return p.Name == l.Name }) && l.Value != "" {
			o.ExternalLabels = append(slices.Clip(o.ExternalLabels), l)
		}
	}
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
	client, err := config.NewClientFromConfig(c, "remote_write", config.WithIdleConnTimeout(max(2*o.Interval, time.Minute)))
	if err != nil {
		return nil, fmt.Errorf("remote_write: %w", err)
	}
	if o.OAuth2.TokenURL != "" {
		if client.Transport, err = o.authorize(client.Transport); err != nil {
			return nil, err
		}
	}
	client.CheckRedirect = keepMethod
	return client, nil
}

// maxRedirects is that of net/http.
const maxRedirects = 10

// keepMethod follows no redirect by which a request would arrive as a GET without what it holds, and perhaps be answered as if it had been
// stored: 301, 302 and 303 are such, 307 and 308 are not.
func keepMethod(req *http.Request, via []*http.Request) error {
	if req.Method != http.MethodPost || len(via) >= maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// redacted is a URL that may stand in a log.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}

func userAgent() string { return "loggregator_exporter/" + cmp.Or(version.Version, "unknown") }
