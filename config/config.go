// Package config reads the settings of the exporter: defaults, what Cloud Foundry tells an app, one YAML file, the
// environment and command-line flags, later ones winning over earlier ones.
//
// Everything about a setting stands in one table (Settings): its key, type, default and description. The flags, the
// variables, the checks of the file and docs/configuration.md come from it, so none of them can lag behind. Reading
// is strict and complete: every mistake is reported, each with its place and how to mend it.
package config

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"loggregator_exporter/nozzle"
	"loggregator_exporter/remotewrite"
)

// Config is the whole configuration, checked. Its fields follow the keys of the file; see Settings for what they mean.
type Config struct {
	// File is the configuration file that was read, or "".
	File string `mapstructure:"-"`
	// Origins says of each setting, by its key, where its value comes from.
	Origins map[string]Origin `mapstructure:"-"`

	Nozzle Nozzle `mapstructure:"nozzle"`
	// UAA gives the tokens for the gateway and the firehose.
	UAA     nozzle.UAAOptions `mapstructure:"uaa"`
	Tagger  Tagger            `mapstructure:"tagger"`
	Metrics Metrics           `mapstructure:"metrics"`
	// RemoteWrite lacks the external labels that are added by default: they depend on the host.
	RemoteWrite remotewrite.Options `mapstructure:"remote_write"`
	Web         Web                 `mapstructure:"web"`
	Log         Log                 `mapstructure:"log"`
}

// Nozzle says what to read and from where.
type Nozzle struct {
	nozzle.Options `mapstructure:",squash"`
	// AllowOverlap allows more than one source of a whole foundation.
	AllowOverlap bool `mapstructure:"allow_overlap"`
}

// Tagger says which rules take dimensions out of names.
type Tagger struct {
	RulesFiles []string `mapstructure:"rules_files"`
	Catalogue  bool     `mapstructure:"catalogue"`
	Quarantine bool     `mapstructure:"quarantine"`
}

// Metrics says how series are named, labelled and kept.
type Metrics struct {
	Namespace   string        `mapstructure:"namespace"`
	Environment string        `mapstructure:"environment"`
	Naming      string        `mapstructure:"naming"` // prometheus or verbatim
	Units       string        `mapstructure:"units"`  // convert or keep
	Expiration  time.Duration `mapstructure:"expiration"`
	// AdaptiveExpiration is on as well where a deterministic name is in force.
	AdaptiveExpiration bool `mapstructure:"adaptive_expiration"`
	MaxSeries          int  `mapstructure:"max_series"`
	// MaxSeriesPerMetric and MaxSeriesPerOwner are 0 where there is no such limit.
	MaxSeriesPerMetric int    `mapstructure:"max_series_per_metric"`
	MaxSeriesPerOwner  int    `mapstructure:"max_series_per_owner"`
	SeriesOwner        string `mapstructure:"series_owner"` // source_id, app or space
	// Compatibility is none or firehose_exporter, CompatibilityMode beside or alone: see Compatible.
	Compatibility          string `mapstructure:"compatibility"`
	CompatibilityMode      string `mapstructure:"compatibility_mode"`
	CompatibilityNamespace string `mapstructure:"compatibility_namespace"`

	Labels Labels `mapstructure:"labels"`
	HTTP   HTTP   `mapstructure:"http"`
}

// Labels changes the labels of every series.
type Labels struct {
	Add    []AddLabel    `mapstructure:"add"`
	Drop   []string      `mapstructure:"drop"`
	Rename []RenameLabel `mapstructure:"rename"`
}

// AddLabel is a label with a constant value.
type AddLabel struct {
	Name  string `mapstructure:"name"`
	Value string `mapstructure:"value"`
}

// RenameLabel gives a label another name.
type RenameLabel struct {
	From string `mapstructure:"from"`
	To   string `mapstructure:"to"`
}

// HTTP shapes the histograms of requests.
type HTTP struct {
	Classic     bool      `mapstructure:"classic"`      // classic buckets
	Native      bool      `mapstructure:"native"`       // native histograms
	Buckets     []float64 `mapstructure:"buckets"`      // seconds
	SizeBuckets []float64 `mapstructure:"size_buckets"` // bytes
	Labels      []string  `mapstructure:"labels"`
}

// Web holds the settings of the web server.
type Web struct {
	ListenAddress string `mapstructure:"listen_address"`
	TelemetryPath string `mapstructure:"telemetry_path"`
	ConfigFile    string `mapstructure:"config_file"`
	// ProbeAddress serves health probes alone, without TLS and password. Empty: there is none.
	ProbeAddress string `mapstructure:"probe_address"`
	// ProbeWithoutAuth answers health probes at ListenAddress without a password.
	ProbeWithoutAuth bool `mapstructure:"probe_without_auth"`
	// EnableConsole serves the console and the whole JSON API.
	EnableConsole bool `mapstructure:"enable_console"`
	// Demo lets the console's first page show the names of the demo. It is no setting: exporter demo sets it.
	Demo bool `mapstructure:"-"`
	// EnableLifecycle allows reloads by request.
	EnableLifecycle bool `mapstructure:"enable_lifecycle"`
	EnablePprof     bool `mapstructure:"enable_pprof"`
	// OpenMetricsCreatedLines adds lines of start times to OpenMetrics.
	OpenMetricsCreatedLines bool `mapstructure:"openmetrics_created_lines"`
}

// Log says what to log and how.
type Log struct {
	Level  string `mapstructure:"level"`  // debug, info, warn or error
	Format string `mapstructure:"format"` // logfmt or json
}

// CertificateFile is a file of certificates that a setting names.
type CertificateFile struct {
	Key  string
	Path string
	// CA says that the file is a bundle of authorities.
	CA bool
}

// CertificateFiles returns the files of certificates of all parts that are switched on.
func (c *Config) CertificateFiles() []CertificateFile {
	var files []CertificateFile
	for _, s := range Settings() {
		name := lastWord(s.Key)
		path, _ := c.value(s.Key).(string)
		if path != "" && (name == "ca_file" || name == "cert_file") && c.isOn(s.Key) {
			files = append(files, CertificateFile{s.Key, path, name == "ca_file"})
		}
	}
	return files
}

// isOn says whether the part that a setting belongs to is switched on.
func (c *Config) isOn(key string) bool {
	if strings.HasPrefix(key, "uaa.") {
		return c.Nozzle.NeedToken()
	}
	for i := strings.LastIndexByte(key, '.'); i > 0; i = strings.LastIndexByte(key[:i], '.') {
		if enabled, ok := c.value(key[:i] + ".enabled").(bool); ok {
			return enabled
		}
	}
	return true
}

// Reloads says whether a reload puts the setting in force; all others need a restart.
func (s *Setting) Reloads() bool {
	switch {
	case strings.HasPrefix(s.Key, "metrics.http."), strings.HasPrefix(s.Key, "metrics.compatibility"):
		return false
	default:
		return strings.HasPrefix(s.Key, "tagger.") || strings.HasPrefix(s.Key, "metrics.")
	}
}

// AwaitRestart returns the keys of the settings that loaded has otherwise than running, and that need a restart, in
// the order of the documentation.
func AwaitRestart(running, loaded *Config) []string {
	var keys []string
	settings := Settings()
	for i := range settings {
		s := &settings[i]
		if !s.Reloads() && !reflect.DeepEqual(running.value(s.Key), loaded.value(s.Key)) {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// value returns what a key sets, or nil where the struct has no such field, which a test excludes.
func (c *Config) value(key string) any {
	v := reflect.ValueOf(c).Elem()
	for name := range strings.SplitSeq(key, ".") {
		if v = fieldOf(v, name); !v.IsValid() {
			return nil
		}
	}
	return v.Interface()
}

// fieldOf finds a field by the name that mapstructure knows it by.
func fieldOf(v reflect.Value, name string) reflect.Value {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	for i := range v.NumField() {
		tag := strings.Split(v.Type().Field(i).Tag.Get("mapstructure"), ",")
		if tag[0] == name {
			return v.Field(i)
		}
		if slices.Contains(tag[1:], "squash") {
			if inner := fieldOf(v.Field(i), name); inner.IsValid() {
				return inner
			}
		}
	}
	return reflect.Value{}
}
