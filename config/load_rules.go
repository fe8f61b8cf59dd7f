package config

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"
)

// LoadRules reads the settings of rules, names and labels only. Mistakes elsewhere do not matter to it: names can be explained where
// certificates and addresses of the foundation are not at hand.
func LoadRules(flags *pflag.FlagSet) (*Config, error) {
	l := newLoader(flags)
	cfg, err := l.read()
	if err != nil {
		return nil, err
	}
	broken := l.file.unreadable || l.platform.unreadable
	for key := range l.bad {
		broken = broken || strings.HasPrefix(key, "tagger.") || strings.HasPrefix(key, "metrics.")
	}
	if broken {
		return nil, errors.Join(l.errs...)
	}
	v := validator{loader: &loader{flags: l.flags, file: l.file, platform: l.platform}}
	v.files("tagger.rules_files", cfg.Tagger.RulesFiles)
	v.metrics(&cfg.Metrics)
	return cfg, errors.Join(v.errs...)
}
