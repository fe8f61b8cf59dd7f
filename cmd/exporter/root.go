package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"loggregator_exporter/config"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "exporter",
		Short: "Prometheus exporter for Cloud Foundry's Loggregator",
		Long: "Reads the metrics of a Cloud Foundry foundation from Loggregator, takes the dimensions out of their flat names,\n" +
			"and exposes them to Prometheus.",
		SilenceUsage:  true, // a page of flags hides the error
		SilenceErrors: true, // execute prints it
	}
	root.SetFlagErrorFunc(suggestFlag)
	root.AddCommand(newRun(), newCheck(), newDemo(), newExplain(), newRecord(), newHealthcheck(), newTest(), newVersion())
	return root
}

// suggestFlag adds the nearest flag to the error about an unknown one, as cobra does for commands.
func suggestFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if len(known) > 0 {
			err = fmt.Errorf("%w: the nearest known flag is --%s", err, config.Nearest(unknown.GetSpecifiedName(), known))
		}
	}
	return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
}
