package main

import (
	"fmt"
	"runtime/debug"

	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, revision and Go version",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "loggregator_exporter %s\nrevision %s\n%s %s/%s\n",
				version.Version, version.GetRevision(), version.GoVersion, version.GoOS, version.GoArch)
			return err
		},
	}
}

// setVersion fills in what the build did not set by -ldflags, so that the build_info metric says something in any
// build. It is called once, before anything reads the version.
func setVersion() {
	if version.Version != "" {
		return
	}
	version.Version = "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version.Version = info.Main.Version
	}
}
