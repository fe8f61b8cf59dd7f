package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"loggregator_exporter/config"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "exporter",
		Short: "Prometheus exporter for Cloud Foundry's Loggregator",
		Long: "Reads the metrics of a Cloud Foundry foundation from Loggregator, takes the dimensions out of their\n" +
			"flat names, and exposes them to Prometheus.",
		SilenceUsage:  true, // a page of flags hides the error
		SilenceErrors: true, // execute prints it
	}
	root.SetFlagErrorFunc(suggestFlag)
	root.SetUsageFunc(usage(root.UsageFunc()))
	root.AddCommand(newRun(), newCheck(), newDemo(), newExplain(), newRecord(), newLearn(), newDiff(), newMigrate(),
		newHealthcheck(), newTest(), newVersion())
	return root
}

// firehoseExporterFlag matches the flags of firehose_exporter whose names lead astray here: what is nearest means
// something else.
var firehoseExporterFlag = regexp.MustCompile(`^(logging|filter|retro_compat)\.|` +
	`^metrics\.(shard_id|node_index|batch_size|timer_rollup_buffer_size)$`)

// suggestFlag adds the nearest flag to the error about an unknown one, as cobra does for commands; to that of a setting
// which is no flag there, where it can be set.
func suggestFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		name := unknown.GetSpecifiedName()
		isSetting := func(flag string) bool { return config.IsSetting(cmd.Flags().Lookup(flag)) }
		where := whereToSet(name, slices.ContainsFunc(known, isSetting))
		switch {
		case where != "":
			err = fmt.Errorf("%w: %s", err, where)
		case firehoseExporterFlag.MatchString(name):
			err = fmt.Errorf("%w: it is one of firehose_exporter; docs/firehose-exporter.md says what to set here", err)
		case len(known) > 0:
			err = fmt.Errorf("%w: the nearest known flag is --%s", err, config.NearestKey(name, known))
		}
	}
	return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
}

// whereToSet says where a setting can be set that is no flag of a command, which may have others; it is empty for
// what is no setting.
func whereToSet(key string, hasSettings bool) string {
	all := config.Settings()
	i := slices.IndexFunc(all, func(s config.Setting) bool { return s.Key == key })
	switch {
	case i < 0 || !hasSettings:
		return ""
	case all[i].Flag() != "":
		return "exporter run has it, this command does not use it"
	default:
		words := strings.Split(key, ".")
		inFile := words[len(words)-1] + ": " + all[i].Example
		for _, section := range slices.Backward(words[:len(words)-1]) {
			inFile = section + ": {" + inFile + "}"
		}
		return "it can stand in the configuration file only, for example " + inFile + ", which --config names"
	}
}

// jsonEncoder writes JSON for people and programs, not for pages of HTML.
func jsonEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// writeIndentedJSON writes one value over several lines.
func writeIndentedJSON(w io.Writer, value any) error {
	e := jsonEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// noArgs refuses what stands behind a command; most likely it is the configuration.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.Flags().Lookup("config") != nil {
		return fmt.Errorf("%s takes flags only, and not %q: a configuration file is named by --config %s",
			cmd.CommandPath(), args[0], args[0])
	}
	return fmt.Errorf("%s takes no arguments, and not %q", cmd.CommandPath(), args[0])
}

// settingsNote says which settings are flags of a command that does not list them.
func settingsNote(settings *pflag.FlagSet) string {
	missing := map[string]bool{} // sections of which some are no flags
	for _, s := range config.Settings() {
		if section, _, _ := strings.Cut(s.Key, "."); s.Flag() != "" && settings.Lookup(s.Flag()) == nil {
			missing[section] = true
		}
	}
	if len(missing) == 0 {
		return "Every setting of the configuration is a flag, too; exporter run --help lists them.\n"
	}
	var names []string
	settings.VisitAll(func(f *pflag.Flag) {
		name, _, _ := strings.Cut(f.Name, ".")
		if missing[name] {
			name = f.Name
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	})
	return "The settings of " + strings.Join(names, ", ") + " are flags, too; exporter run --help lists them.\n"
}

// usage shows the flags of a command before those for settings, of which there are more than a screen holds:
// exporter run lists them, others name it. Where there are no settings, plain shows the flags.
func usage(plain func(*cobra.Command) error) func(*cobra.Command) error {
	return func(cmd *cobra.Command) error {
		own, settings := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if config.IsSetting(f) {
				settings.AddFlag(f)
			} else {
				own.AddFlag(f)
			}
		})
		if !settings.HasFlags() {
			return plain(cmd)
		}
		text := "Usage:\n  " + cmd.UseLine() + "\n"
		if cmd.HasExample() {
			text += "\nExamples:\n" + cmd.Example + "\n"
		}
		text += "\nFlags:\n" + own.FlagUsages()
		if cmd.Name() == "run" {
			text += "\nSettings, which the configuration file and variables can hold as well:\n" + settings.FlagUsages()
		} else {
			text += "\n" + settingsNote(settings)
		}
		_, err := fmt.Fprint(cmd.OutOrStdout(), text)
		return err
	}
}
