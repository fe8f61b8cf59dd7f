package config

import (
	"testing"

	"github.com/spf13/pflag"
)

// TestSetDefault: a command's own default counts as a default, so that everything else wins over it.
func TestSetDefault(t *testing.T) {
	for _, tc := range []struct {
		name, env, port string
		args            []string
		want            string
	}{
		{name: "default", want: "127.0.0.1:1"},
		{name: "variable", env: ":2", want: ":2"},
		{name: "flag", env: ":2", args: []string{"--web.listen_address=:3"}, want: ":3"},
		{name: "app", port: "4", want: ":4"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("LOGGREGATOR_EXPORTER_WEB_LISTEN_ADDRESS", tc.env)
			if tc.port != "" {
				t.Setenv(vcapApplication, appJSON)
				t.Setenv(portEnv, tc.port)
			}
			flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
			AddFlags(flags, "web", "log")
			SetDefault(flags, "web.listen_address", "127.0.0.1:1")
			SetDefault(flags, "log.level", "warn")
			if flags.Lookup("nozzle.shard_id") != nil {
				t.Error("flags of another section")
			}
			if err := flags.Parse(tc.args); err != nil {
				t.Fatal(err)
			}
			cfg, err := LoadSections(flags, "web", "log")
			if err != nil || cfg.Web.ListenAddress != tc.want || cfg.Log.Level != "warn" {
				t.Errorf("%+v, %+v, %v", cfg.Web, cfg.Log, err)
			}
		})
	}
}
