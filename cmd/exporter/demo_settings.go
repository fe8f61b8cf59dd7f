package main

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/spf13/pflag"

	"loggregator_exporter/config"
	"loggregator_exporter/foundation"
)

// demoSections are the sections and settings that the demo takes: sources, UAA and remote write are its own.
var demoSections = []string{
	"nozzle.shard_id", "nozzle.deterministic_name", "nozzle.idle_timeout", "nozzle.selectors", "nozzle.filters", "tagger",
	"metrics", "web", "log",
} // constant

func addDemoFlags(flags *pflag.FlagSet) {
	config.AddFlags(flags, demoSections...)
	config.SetDefault(flags, "web.listen_address", "127.0.0.1:9286")
	config.SetDefault(flags, "metrics.environment", "demo")
	config.SetDefault(flags, "log.level", "warn")
}

// loadDemo reads the settings of the demo. One that it would not put in force is an error, since it would be taken for
// one that is.
func loadDemo(flags *pflag.FlagSet) (cfg *config.Config, warnings []string, err error) {
	cfg, warnings, err = config.Load(flags)
	var others []error
	for _, s := range config.Settings() {
		o := cfg.Origins[s.Key]
		if !config.Within(s.Key, demoSections) && (o.From == "file" || o.From == "environment") {
			others = append(others, fmt.Errorf("%s: %s", o.Place, s.Key))
		}
	}
	if len(others) > 0 {
		others = append(others, fmt.Errorf("these settings are not for exporter demo, which has a foundation of its own: "+
			"leave them to exporter run, the demo takes %s", strings.Join(demoSections, ", ")))
		return nil, nil, errors.Join(others...)
	}
	return cfg, warnings, err
}

// demoConfig is what a user would write to read a foundation, with certificates that exist in memory only, and beside
// it what the user has set.
func demoConfig(settings *config.Config, f *foundation.Foundation) *config.Config {
	cfg := config.Default()
	cfg.File, cfg.Tagger, cfg.Metrics = settings.File, settings.Tagger, settings.Metrics
	cfg.Web, cfg.Log, cfg.Nozzle.Stream = settings.Web, settings.Log, settings.Nozzle.Stream
	cfg.Origins = maps.Clone(settings.Origins)
	maps.DeleteFunc(cfg.Origins, func(key string, _ config.Origin) bool { return !config.Within(key, demoSections) })
	cfg.Web.Demo = true
	n := &cfg.Nozzle
	n.RLP.Enabled, n.RLP.Address, n.RLP.TLSConfig = true, f.RLPAddress(), f.ClientTLS()
	n.UDP.Enabled, n.UDP.ListenAddress = true, "127.0.0.1:0"
	n.Ingress.Enabled, n.Ingress.ListenAddress, n.Ingress.TLSConfig = true, "127.0.0.1:0", f.DownstreamTLS()
	n.OTLP.Enabled, n.OTLP.ListenAddress, n.OTLP.TLSConfig = true, "127.0.0.1:0", f.CollectorTLS()
	n.Syslog.Enabled, n.Syslog.ListenAddress, n.Syslog.TLSConfig = true, "127.0.0.1:0", f.DrainTLS()
	return cfg
}
