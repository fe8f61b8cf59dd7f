package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"loggregator_exporter/config"
	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/tagger"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check configuration and rules",
		Long: "Reads the configuration and the rules as `exporter run` would, and opens nothing. Mistakes are told\n" +
			"with file, line and rule, and end in exit status 1.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return check(cmd)
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

func check(cmd *cobra.Command) error {
	cfg, warnings, err := config.Load(cmd.Flags())
	if err != nil {
		return withRuleMistakes(cfg, err)
	}
	s, err := assemble(cfg, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for _, w := range s.warnings {
		warnings = append(warnings, w.String())
	}
	return report(cmd.OutOrStdout(), cfg, s, warnings)
}

// withRuleMistakes adds the mistakes of rules to those of the configuration that names their files: all are told at
// once. Files that cannot be read are in err already.
func withRuleMistakes(cfg *config.Config, err error) error {
	if cfg == nil {
		return err
	}
	_, rulesErr := newTagger(readable(&cfg.Tagger))
	return errors.Join(err, rulesErr)
}

// readable returns the settings with only those rule files that can be read.
func readable(c *config.Tagger) *config.Tagger {
	only := *c
	only.RulesFiles = slices.DeleteFunc(slices.Clone(c.RulesFiles), func(file string) bool {
		_, err := boundedfile.Read(file, tagger.MaxFileBytes)
		return err != nil
	})
	return &only
}

// report names the files that were checked, so that a user who meant others notices.
func report(w io.Writer, cfg *config.Config, s *service, warnings []string) error {
	file := cfg.File
	if file == "" {
		file = "no file, only defaults, variables and flags"
	}
	rules := append([]string{}, cfg.Tagger.RulesFiles...)
	if cfg.Tagger.Catalogue {
		rules = append(rules, "the built-in catalogue")
	}
	if len(rules) == 0 {
		rules = []string{"none"}
	}
	sources := make([]string, len(s.sources))
	for i, source := range s.sources {
		sources[i] = source.Name()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "configuration: %s\nsources: %s\nrules: %s\n", file, strings.Join(sources, ", "),
		strings.Join(rules, ", "))
	if on, alone := cfg.Metrics.Compatible(); on {
		place := "beside the exporter's own"
		if alone {
			place = "alone"
		}
		fmt.Fprintf(&b, "names: those of firehose_exporter, %s\n", place)
	}
	for _, warning := range warnings {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	b.WriteString("no mistakes found\n")
	_, err := io.WriteString(w, b.String())
	return err
}
