package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"

	"loggregator_exporter/config"
)

func newRun() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the exporter",
		Long: "Runs the exporter until SIGINT or SIGTERM. With no configuration at all it receives dropsonde datagrams at 127.0.0.1:3457,\n" +
			"as components on a VM send them, and serves their metrics at port 9286.",
		Args: cobra.NoArgs,
		RunE: runExporter,
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

func runExporter(cmd *cobra.Command, _ []string) error {
	cfg, warnings, err := config.Load(cmd.Flags())
	if err != nil {
		return err
	}
	log := newLogger(cfg.Log, cmd.ErrOrStderr())
	log.Info("starting "+program, "version", version.Version, "revision", version.GetRevision(), "config_file", cfg.File)
	for _, w := range warnings {
		log.Warn("configuration", "warning", w)
	}
	tuneGC()
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	return serve(ctx, cfg, log, hooks{load: func() (*config.Config, error) {
		cfg, _, err := config.Load(cmd.Flags())
		return cfg, err
	}})
}
