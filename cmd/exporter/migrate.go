package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"loggregator_exporter/config"
	"loggregator_exporter/migrate"
	"loggregator_exporter/resolver"
)

// migration is one run of the command.
type migration struct {
	from   nameSources
	format string
	dir    string // to write migrated files to
	write  bool   // or in place
	expr   bool   // queries come from standard input
	out    io.Writer
	errs   io.Writer

	namespace  string   // of the old names
	httpLabels []string // metrics.http.labels
	migrator   *migrate.Migrator
}

func newMigrate() *cobra.Command {
	var m migration
	cmd := &cobra.Command{
		Use:   "migrate FILE... | --expr",
		Short: "Rewrite dashboards, rule files and queries from firehose_exporter's names",
		Long: "Rewrites the queries in Grafana dashboards (JSON) and Prometheus rule files (YAML) from the names and\n" +
			"labels of firehose_exporter to those of this exporter. Directories are searched for such files. Everything\n" +
			"else in a file stays byte for byte as it is. Without --output and --write nothing is written: what would\n" +
			"change is listed. What cannot be said in the new names stays, and is listed with the reason; the exit\n" +
			"status is then 1. With --expr, queries come from standard input, one a line. Rules, naming and labels are\n" +
			"those of the configuration. See docs/migrate.md.",
		Example: "  exporter migrate dashboards/ alerts.yml\n" +
			"  exporter migrate --output migrated dashboards/ alerts.yml\n" +
			"  echo 'avg(firehose_value_metric_gorouter_latency) by (deployment)' | exporter migrate --expr",
		RunE: func(cmd *cobra.Command, args []string) error { return m.run(cmd, args) },
	}
	flags := cmd.Flags()
	m.from.addFlags(flags)
	flags.StringVar(&m.dir, "output", "", "Directory to write migrated files to.")
	flags.BoolVar(&m.write, "write", false, "Write migrated files in place.")
	flags.BoolVar(&m.expr, "expr", false, "Rewrite queries of standard input, one a line; label_values(...) and the "+
		"like, too.")
	flags.StringVarP(&m.format, "format", "o", "text", "Form of the list: text or json (one object a line).")
	config.AddFlags(flags)
	return cmd
}

func (m *migration) run(cmd *cobra.Command, args []string) error {
	switch {
	case m.format != "text" && m.format != "json":
		return fmt.Errorf("--format %q: want text or json", m.format)
	case m.expr && (len(args) > 0 || m.write || m.dir != ""):
		return errors.New("--expr reads standard input and writes standard output: give no files, --write or --output")
	case m.expr && m.from.names == "-":
		return errors.New("--expr and --names - both read standard input: give the names in a file")
	case !m.expr && len(args) == 0:
		return errors.New("name dashboards or rule files to migrate, or directories of them")
	case m.write && m.dir != "":
		return errors.New("--write and --output exclude each other")
	}
	m.out, m.errs = cmd.OutOrStdout(), cmd.ErrOrStderr()
	if err := m.prepare(cmd); err != nil {
		return err
	}
	if m.expr {
		return m.expressions(cmd.InOrStdin())
	}
	return m.files(args)
}

// prepare makes the migrator of the configuration and the names that flags give.
func (m *migration) prepare(cmd *cobra.Command) error {
	cfg, err := config.LoadSections(cmd.Flags(), "tagger", "metrics")
	if err != nil {
		return err
	}
	rules, err := newTagger(&cfg.Tagger)
	if err != nil {
		return err
	}
	old, err := newCompatibleResolver(&cfg.Metrics, &cfg.Metrics, nodeIndex(cfg))
	if err != nil {
		return err
	}
	o := migrate.Options{Old: old, New: resolver.New(resolverOptions(&cfg.Metrics, rules))}
	if m.from.given() {
		err := m.from.each(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), func(q *question) {
			o.Names = append(o.Names, migrate.Name{
				Origin: q.origin, Name: q.name, Unit: q.unit, SourceID: q.sourceID, Kind: q.kind, Tags: q.tags,
			})
		})
		if err != nil {
			return err
		}
	}
	m.namespace, m.httpLabels = cfg.Metrics.CompatibilityNamespace, cfg.Metrics.HTTP.Labels
	m.migrator, err = migrate.New(o)
	return err
}
