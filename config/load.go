package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"loggregator_exporter/nozzle"
)

// Default is the configuration when nothing is configured: it receives datagrams.
func Default() *Config {
	cfg, err := decode(defaults())
	if err != nil {
		// The table and the struct disagree, which a test excludes.
		return &Config{}
	}
	cfg.Nozzle.UDP.Enabled = true
	return cfg
}

func defaults() map[string]any {
	values := map[string]any{}
	for _, s := range Settings() {
		values[s.Key] = s.Default
	}
	return values
}

// Load reads and checks the configuration: what Cloud Foundry tells an app, the file that --config or LOGGREGATOR_EXPORTER_CONFIG
// names, the environment of the process, and flags that AddFlags added. Warnings are for the log. The error joins all mistakes, one a line, each with its
// place: file and line, variable or flag.
func Load(flags *pflag.FlagSet) (cfg *Config, warnings []string, err error) {
	l := newLoader(flags)
	cfg, err = l.read()
	if err != nil {
		return Default(), nil, err
	}
	v := validator{loader: l}
	v.config(cfg)
	warnings = append(unknownVariables(os.Environ()), v.warnings...)
	return cfg, warnings, errors.Join(l.errs...)
}

// LoadWeb reads the settings of the web server only. Mistakes elsewhere do not matter to it: a probe must not fail because
// a file was edited under a running exporter.
func LoadWeb(flags *pflag.FlagSet) (*Web, error) {
	l := newLoader(flags)
	cfg, err := l.read()
	if err != nil {
		return nil, err
	}
	broken := l.file.unreadable || l.platform.unreadable
	for key := range l.bad {
		broken = broken || strings.HasPrefix(key, "web.")
	}
	if broken {
		return nil, errors.Join(l.errs...)
	}
	v := validator{loader: &loader{flags: l.flags, file: l.file, platform: l.platform}}
	v.web(&cfg.Web)
	return &cfg.Web, errors.Join(v.errs...)
}

// loader puts the layers on each other and remembers where each value came from.
type loader struct {
	viper    *viper.Viper
	flags    *pflag.FlagSet
	file     *file
	platform *platform
	errs     []error
	bad      map[string]bool // keys that already have an error: their values are defaults, and not worth more errors
}

func newLoader(flags *pflag.FlagSet) *loader {
	f := newFile("")
	return &loader{viper: viper.New(), flags: flags, file: f, platform: newPlatform(f)}
}

// read puts the layers together. Mistakes are in errs; an error is one of the program.
func (l *loader) read() (*Config, error) {
	path := os.Getenv(configEnv)
	if f := l.flags.Lookup(configFlag); f != nil && f.Changed {
		path = f.Value.String()
	}
	if path != "" {
		var err error
		l.file, err = readFile(path)
		l.add(err)
	}
	values, err := l.values()
	if err != nil {
		return nil, err
	}
	cfg, err := decode(values)
	if err != nil {
		return nil, err
	}
	cfg.File = path
	l.defaultSource(cfg)
	l.defaultName(cfg)
	return cfg, nil
}

// add takes an error apart, so that all errors can be joined flat.
func (l *loader) add(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		l.errs = append(l.errs, joined.Unwrap()...)
		return
	}
	if err != nil {
		l.errs = append(l.errs, err)
	}
}

// fail adds a mistake in a key, or in a part of it such as metrics.labels.add[0].name.
func (l *loader) fail(path, format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf("%s: %s", l.where(path), fmt.Sprintf(format, args...)))
}

// values resolves every setting: flags over environment over file over platform over defaults.
func (l *loader) values() (map[string]any, error) {
	settings := Settings()
	for i := range settings {
		s := &settings[i]
		l.viper.SetDefault(s.Key, l.platform.value(s))
		if !s.Kind.inFlags() {
			continue
		}
		if err := l.viper.BindEnv(s.Key, s.Env()); err != nil {
			return nil, fmt.Errorf("binding %s: %w", s.Env(), err)
		}
		if f := l.flags.Lookup(s.Flag()); f != nil {
			if err := l.viper.BindFlagValue(s.Key, rawFlag{f}); err != nil {
				return nil, fmt.Errorf("binding --%s: %w", s.Flag(), err)
			}
		}
	}
	if err := l.viper.MergeConfigMap(l.file.tree()); err != nil {
		return nil, fmt.Errorf("merging %s: %w", l.file.path, err)
	}
	l.bad = maps.Clone(l.file.bad)
	maps.Copy(l.bad, l.platform.bad)
	l.errs = append(l.errs, l.platform.errs...)
	values := map[string]any{}
	for i := range settings {
		values[settings[i].Key] = l.value(&settings[i])
	}
	return values, nil
}

// value is the value of one setting, or its default where what is given cannot be read.
func (l *loader) value(s *Setting) any {
	value := l.viper.Get(s.Key)
	text, isText := value.(string)
	if from := l.origin(s); isText && (from == fromFlag || from == fromEnv) {
		v, problem := s.parseText(text)
		if problem != "" {
			l.fail(s.Key, "%s", problem)
			l.bad[s.Key] = true
			return s.Default
		}
		return v
	}
	return value
}

type origin uint8

const (
	fromDefault origin = iota
	fromService
	fromFile
	fromEnv
	fromFlag
)

// origin says which layer decides a setting. A variable that is set but empty does not count, as in viper: container platforms
// pass such variables for "not set".
func (l *loader) origin(s *Setting) origin {
	if f := l.flags.Lookup(s.Flag()); f != nil && f.Changed {
		return fromFlag
	}
	if s.Env() != "" && os.Getenv(s.Env()) != "" {
		return fromEnv
	}
	if _, ok := l.file.lines[s.Key]; ok {
		return fromFile
	}
	if _, ok := l.platform.bound[s.Key]; ok {
		return fromService
	}
	return fromDefault
}

// isSet says whether somebody gave a key a value, which defaults and what the platform tells every app are not.
func (l *loader) isSet(key string) bool {
	return l.origin(l.file.settings[key]) != fromDefault
}

// where names the place of a value: file and line, variable or flag, or just the key of a default.
func (l *loader) where(path string) string {
	key, _, _ := strings.Cut(path, "[")
	s := l.file.settings[key]
	switch l.origin(s) {
	case fromFlag:
		return "--" + s.Flag()
	case fromEnv:
		return s.Env() + ": " + path
	case fromFile:
		line, ok := l.file.lines[path]
		if !ok {
			line = l.file.lines[key]
		}
		return l.file.path + ":" + strconv.Itoa(line) + ": " + path
	case fromService:
		return l.platform.place() + ": " + path
	default:
		return path
	}
}

// defaultSource switches datagrams on where no source was chosen, so that the exporter works with no configuration.
func (l *loader) defaultSource(cfg *Config) {
	if !l.isSet("nozzle.udp.enabled") {
		n := &cfg.Nozzle
		n.UDP.Enabled = !n.RLP.Enabled && !n.Gateway.Enabled && !n.Firehose.Enabled && !n.Ingress.Enabled && !n.Replay.Enabled
	}
}

// defaultName derives the deterministic name where none was set. One that was set to nothing stays so.
func (l *loader) defaultName(cfg *Config) {
	if l.isSet("nozzle.deterministic_name") {
		return
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // there are other means
	}
	stream := &cfg.Nozzle.Stream
	stream.DeterministicName, stream.NameFrom = nozzle.DeriveName(os.Getenv, host)
}

func decode(values map[string]any) (*Config, error) {
	var cfg Config
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{Result: &cfg, ErrorUnused: true})
	if err != nil {
		return nil, fmt.Errorf("decoding the configuration: %w", err)
	}
	if err := decoder.Decode(nest(values)); err != nil {
		return nil, fmt.Errorf("decoding the configuration: %w", err)
	}
	return &cfg, nil
}

// unknownVariables warns of variables with the exporter's prefix that are no settings. They are no errors: Kubernetes
// injects LOGGREGATOR_EXPORTER_PORT and others for a service of that name.
func unknownVariables(environ []string) []string {
	known := map[string]bool{configEnv: true}
	names := []string{configEnv}
	for _, s := range Settings() {
		if s.Env() != "" {
			known[s.Env()] = true
			names = append(names, s.Env())
		}
	}
	var warnings []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, EnvPrefix) || known[name] {
			continue
		}
		warning := "variable " + shorten(name) + " is no setting and is ignored"
		if near := nearestVariable(name, names); near != "" {
			warning += ": did you mean " + near + "?"
		}
		warnings = append(warnings, warning)
	}
	slices.Sort(warnings)
	return warnings
}

// nearestVariable suggests only what is very near: most unknown variables are not misspelt, just not ours.
func nearestVariable(name string, known []string) string {
	if len(name) > maxMisspelt {
		return ""
	}
	for _, k := range known {
		if distance(name, k) <= 2 {
			return k
		}
	}
	return ""
}
