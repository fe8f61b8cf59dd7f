package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"loggregator_exporter/internal/check"
	"loggregator_exporter/internal/suggest"
	"loggregator_exporter/nozzle"
)

// Default is the configuration when nothing is configured: it receives datagrams.
func Default() *Config {
	values := map[string]any{}
	for _, s := range Settings() {
		values[s.Key] = s.Default
	}
	cfg, err := decode(values)
	if err != nil {
		// The table and the struct disagree, which a test excludes.
		return &Config{}
	}
	cfg.Nozzle.UDP.Enabled = true
	return cfg
}

// Load reads and checks the configuration: what Cloud Foundry tells an app, the file that --config or
// LOGGREGATOR_EXPORTER_CONFIG names, the environment of the process, and flags that AddFlags added. Warnings are
// for the log. The error joins all mistakes, one a line, each with its place: file and line, variable or flag.
func Load(flags *pflag.FlagSet) (cfg *Config, warnings []string, err error) {
	l := newLoader(flags)
	if cfg, err = l.read(); err != nil {
		return Default(), nil, err
	}
	l.check(cfg)
	return cfg, append(unknownVariables(os.Environ()), l.warnings...), l.mistaken("")
}

// LoadSections is Load for commands that need some sections only, such as web. Mistakes in others do not matter to
// it: a probe must not fail because a file was edited under a running exporter, and names can be explained where
// the certificates of the foundation are not at hand.
func LoadSections(flags *pflag.FlagSet, sections ...string) (*Config, error) {
	l := newLoader(flags)
	cfg, err := l.read()
	if err != nil {
		return nil, err
	}
	l.check(cfg)
	return cfg, l.mistaken(sections...)
}

// layer is a place that settings come from; of two layers that set a value the higher one decides.
type layer uint8

const (
	fromDefault layer = iota
	fromService
	fromFile
	fromEnv
	fromFlag
)

// given is a value with its layer. All layers but the environment hand viper their values in this form, so that the
// value that viper chooses says which layer it is from.
type given struct {
	value any
	from  layer
}

// mistake is an error in a setting. key is "" where no setting is known, and everySetting where no setting could be
// read.
type mistake struct {
	key string
	err error
}

const everySetting = "*"

// loader reads the layers, lets the highest one decide each setting, and reports mistakes with their places.
type loader struct {
	*table
	flags    *pflag.FlagSet
	file     *file
	platform *platform
	given    map[string]given
	// unreadable are the keys of settings whose value cannot be read. They get their defaults, in which no further
	// mistakes are reported.
	unreadable map[string]bool
	mistakes   []mistake
	warnings   []string
}

func newLoader(flags *pflag.FlagSet) *loader {
	t := newTable()
	return &loader{
		table: t, flags: flags, file: newFile(t, ""), platform: readPlatform(t, os.Getenv),
		given: map[string]given{}, unreadable: map[string]bool{},
	}
}

// read reads all layers. Mistakes of the user are in mistakes; an error is one of the program.
func (l *loader) read() (*Config, error) {
	path := os.Getenv(configEnv)
	if f := l.flags.Lookup(configFlag); f != nil && f.Changed {
		path = f.Value.String()
	}
	if path != "" {
		l.file = readFile(l.table, path)
	}
	values, err := l.decide()
	if err != nil {
		return nil, err
	}
	cfg, err := decode(values)
	if err != nil {
		return nil, err
	}
	cfg.File = path
	cfg.Origins = l.origins()
	l.defaultSource(cfg)
	l.defaultName(cfg)
	return cfg, nil
}

// decide lets viper choose the value of each setting: flags over environment over file over platform over defaults.
// A variable that is set but empty does not count: container platforms pass such variables for "not set".
func (l *loader) decide() (map[string]any, error) {
	v := viper.New()
	for _, s := range l.settings {
		f := l.flags.Lookup(s.Flag())
		fallback, ok := l.platform.value(s.Key)
		if !ok {
			fallback.value = defaultOf(s, f)
		}
		v.SetDefault(s.Key, fallback)
		if s.Env() != "" {
			if err := v.BindEnv(s.Key, s.Env()); err != nil {
				return nil, fmt.Errorf("binding %s: %w", s.Env(), err)
			}
		}
		if f != nil && f.Changed {
			v.Set(s.Key, given{f.Value.String(), fromFlag})
		}
	}
	if err := v.MergeConfigMap(nest(l.file.values)); err != nil {
		return nil, fmt.Errorf("merging %s: %w", l.file.path, err)
	}
	l.mistakes = slices.Concat(l.file.mistakes, l.platform.mistakes)
	for _, m := range l.mistakes {
		l.unreadable[m.key] = true
	}
	values := map[string]any{}
	for _, s := range l.settings {
		values[s.Key] = l.chosen(s, v.Get(s.Key))
	}
	return values, nil
}

// chosen stores the layer of the value that viper chose, and returns the value, or the default where the value cannot
// be read.
func (l *loader) chosen(s *Setting, choice any) any {
	g, ok := choice.(given)
	if !ok {
		g = given{choice, fromEnv}
	}
	l.given[s.Key] = g
	if g.from != fromEnv && g.from != fromFlag {
		return g.value
	}
	text, _ := g.value.(string)
	value, problem := s.parseText(text)
	if problem != "" {
		l.Report(s.Key, problem)
		l.unreadable[s.Key] = true
		return s.Default
	}
	return value
}

// mistaken joins the mistakes in the settings of sections; "" is all of them, and those that belong to no setting.
func (l *loader) mistaken(sections ...string) error {
	var errs []error
	for _, m := range l.mistakes {
		if m.key == everySetting || slices.Contains(sections, "") || Within(m.key, sections) {
			errs = append(errs, m.err)
		}
	}
	return errors.Join(errs...)
}

// Report implements check.Settings.
func (l *loader) Report(path, problem string) {
	if key := settingOf(path); !l.unreadable[key] {
		l.mistakes = append(l.mistakes, mistake{key, fmt.Errorf("%s: %s", l.where(path), problem)})
	}
}

// Warn implements check.Settings.
func (l *loader) Warn(path, text string) {
	l.warnings = append(l.warnings, l.where(path)+": "+text)
}

// IsSet implements check.Settings. Defaults do not count, nor does what Cloud Foundry tells every app.
func (l *loader) IsSet(key string) bool { return l.given[key].from != fromDefault }

// FirstSet implements check.Settings.
func (l *loader) FirstSet(section string) string {
	for _, s := range l.settings {
		if strings.HasPrefix(s.Key, section+".") && l.IsSet(s.Key) {
			return s.Key
		}
	}
	return ""
}

// IsUnreadable implements check.Settings.
func (l *loader) IsUnreadable(key string) bool { return l.unreadable[key] }

// Remedy implements check.Settings.
func (l *loader) Remedy(key string) string {
	s := l.byKey[key]
	return "set it in the file, by " + s.Env() + " or by --" + s.Flag() + l.platform.otherMeans() +
		", for example " + s.Example + l.platform.whyMissing(key)
}

// Example implements check.Settings.
func (l *loader) Example(key string) string { return l.byKey[key].Example }

// where names the place of a value: file and line, variable or flag, or just the key of a default.
func (l *loader) where(path string) string {
	key := settingOf(path)
	s := l.byKey[key]
	switch l.given[key].from {
	case fromFlag:
		return "--" + s.Flag()
	case fromEnv:
		return s.Env() + ": " + path
	case fromService:
		return l.platform.place() + ": " + path
	case fromFile, fromDefault:
	}
	if line := cmp.Or(l.file.lines[path], l.file.lines[key]); line > 0 {
		return l.file.path + ":" + strconv.Itoa(line) + ": " + path
	}
	return path
}

// defaultSource switches datagrams on where no source was chosen, so that the exporter works with no configuration.
func (l *loader) defaultSource(cfg *Config) {
	if !l.IsSet("nozzle.udp.enabled") {
		cfg.Nozzle.UDP.Enabled = !cfg.Nozzle.AnyEnabled()
	}
}

// defaultName derives the deterministic name if none was set. One that was set to "" stays empty.
func (l *loader) defaultName(cfg *Config) {
	if l.IsSet("nozzle.deterministic_name") {
		return
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // the name may come from the environment
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

// nest turns values by dotted key into nested maps.
func nest(values map[string]any) map[string]any {
	root := map[string]any{}
	for key, value := range values {
		at := root
		words := strings.Split(key, ".")
		for _, w := range words[:len(words)-1] {
			inner, ok := at[w].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[w] = inner
			}
			at = inner
		}
		at[words[len(words)-1]] = value
	}
	return root
}

// unknownVariables warns of variables with the exporter's prefix that are no settings. They are no errors: Kubernetes
// injects LOGGREGATOR_EXPORTER_PORT and others for a service of that name.
func unknownVariables(environ []string) []string {
	names := []string{configEnv}
	for _, s := range Settings() {
		if s.Env() != "" {
			names = append(names, s.Env())
		}
	}
	var warnings []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, EnvPrefix) || slices.Contains(names, name) {
			continue
		}
		warning := "variable " + check.Shorten(name) + " is no setting and is ignored"
		// Most unknown variables are not misspelt but of other programs: a suggestion needs a small distance.
		if near := suggest.Nearest(name, names); near != "" && suggest.Distance(name, near) <= 2 {
			warning += ": did you mean " + near + "?"
		}
		warnings = append(warnings, warning)
	}
	slices.Sort(warnings)
	return warnings
}
