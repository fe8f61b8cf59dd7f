package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"loggregator_exporter/config"
	"loggregator_exporter/diff"
	"loggregator_exporter/migrate/documents"
	"loggregator_exporter/tagger"
)

const diffCommand = "diff"

// errBreaks is what the command ends with where it finds something that breaks; its exit status is another than that of
// errors.
var errBreaks = errors.New("something breaks")

// diffing is one run of the command.
type diffing struct {
	from     nameSources
	old, new diffSide
	output   string

	dashboards, ruleDirs []string
}

// diffSide says what one side of a comparison is.
type diffSide struct {
	name   string // old or new, as in the flags
	rules  []string
	config string
	url    string
}

func (s *diffSide) given() bool { return len(s.rules) > 0 || s.config != "" || s.url != "" }

func newDiff() *cobra.Command {
	d := diffing{from: nameSources{identities: true}, old: diffSide{name: "old"}, new: diffSide{name: "new"}}
	cmd := &cobra.Command{
		Use:   diffCommand,
		Short: "Show what a change of rules or settings does to series",
		Long: "Lets two sides, the old one and the new one, make series of the same names, and prints by rule and by\n" +
			"setting what changes: names, labels, kinds, units, HELP, names that now share a series, and those that\n" +
			"get one or lose it. A side is a configuration, its rule files, or what a running exporter makes of the\n" +
			"names. Exit status 0 where nothing breaks, 1 where something does, 2 for errors. See docs/diff.md.",
		Example: "  exporter diff --capture foundation.capture --new-rules rules.yaml\n" +
			"  exporter diff --url http://exporter:9286 --old-config now.yaml --new-config next.yaml -o json\n" +
			"  exporter diff --url http://exporter:9286 --old-url http://exporter:9286",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd) },
	}
	flags := cmd.Flags()
	for _, side := range []*diffSide{&d.old, &d.new} {
		flags.StringArrayVar(&side.rules, side.name+"-rules", nil, "Rule file of the "+side.name+" side, instead of those "+
			"of its configuration. May be repeated.")
		flags.StringVar(&side.config, side.name+"-config", "", "Configuration file of the "+side.name+" side. Default: "+
			"that of --config.")
		flags.StringVar(&side.url, side.name+"-url", "", "Running exporter that says what the "+side.name+" side makes of "+
			"the names, such as http://exporter:9286.")
	}
	d.from.addFlags(flags)
	flags.StringArrayVar(&d.dashboards, "dashboards", nil, "Folder of Grafana dashboards (*.json, *.yaml) whose queries "+
		"to look at, or one of them. May be repeated.")
	flags.StringArrayVar(&d.ruleDirs, "rules-dir", nil, "Folder of Prometheus rule files (*.yml, *.yaml, *.json) whose "+
		"queries to look at, or one of them. May be repeated.")
	flags.StringVarP(&d.output, "output", "o", "text", "Output: text, json or junit.")
	config.AddFlags(flags)
	return cmd
}

func (d *diffing) run(cmd *cobra.Command) error {
	write := map[string]func(*diff.Report, io.Writer) error{
		"text": (*diff.Report).WriteText, "json": writeJSON, "junit": (*diff.Report).WriteJUnit,
	}[d.output]
	switch {
	case write == nil:
		return fmt.Errorf("--output %q: want text, json or junit", d.output)
	case !d.old.given() && !d.new.given():
		return errors.New("say what changes: --new-rules FILE, --new-config FILE, --old-url URL, or the like")
	}
	r, err := d.compare(cmd)
	if err != nil {
		return err
	}
	if err := write(r, cmd.OutOrStdout()); err != nil {
		return err
	}
	if r.Breaks {
		return errBreaks
	}
	return nil
}

func writeJSON(r *diff.Report, w io.Writer) error { return writeIndentedJSON(w, r) }

func (d *diffing) compare(cmd *cobra.Command) (*diff.Report, error) {
	var sides [2]*diff.Side
	var rules ruleSets
	for i, s := range []*diffSide{&d.old, &d.new} {
		var err error
		if sides[i], err = s.make(cmd, &rules); err != nil {
			return nil, err
		}
	}
	read, err := d.readDocuments(cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	var names []*diff.Name
	err = d.from.each(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), func(q *question) {
		names = append(names, q.diffName())
	})
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("there are no names to compare: what --capture and --url name holds none")
	}
	for i, s := range []*diffSide{&d.old, &d.new} {
		if s.url != "" {
			if err = d.ask(cmd.Context(), s, names, sides[i]); err != nil {
				return nil, err
			}
		}
	}
	return diff.Compare(cmd.Context(), slices.Values(names), sides[0], sides[1], diff.Options{
		MaxNames: len(names) + 1, Documents: read,
	})
}

// readDocuments reads dashboards and rule files. Mistakes of all of them are told at once. Files in folders that are
// neither are told on errs.
func (d *diffing) readDocuments(errs io.Writer) ([]*documents.Document, error) {
	files, err := documentFiles(slices.Concat(d.dashboards, d.ruleDirs))
	if err != nil {
		return nil, err
	}
	var read []*documents.Document
	var failed []error
	for i := range files {
		document, err := files[i].read()
		switch {
		case files[i].found && errors.Is(err, documents.ErrUnknown):
			_, _ = fmt.Fprintf(errs, "skipped: %s\n", err)
		case err != nil:
			failed = append(failed, err)
		default:
			read = append(read, document)
		}
	}
	return read, errors.Join(failed...)
}

// ruleSets are the rules of the sides that have been made. Sides with the same ones share them.
type ruleSets struct {
	options []tagger.Options
	taggers []*tagger.Tagger
}

func (r *ruleSets) compile(c *config.Tagger) (*tagger.Tagger, error) {
	options, err := taggerOptions(c)
	if err != nil {
		return nil, err
	}
	for i := range r.options {
		if reflect.DeepEqual(r.options[i], options) {
			return r.taggers[i], nil
		}
	}
	t, _, err := tagger.New(options)
	r.options, r.taggers = append(r.options, options), append(r.taggers, t)
	return t, err
}

// make reads configuration and rules of a side.
func (s *diffSide) make(cmd *cobra.Command, compiled *ruleSets) (*diff.Side, error) {
	switch {
	case s.url == "":
	case s.config != "" || len(s.rules) > 0:
		return nil, fmt.Errorf("--%s-url says all of the %s side: give neither --%s-config nor --%s-rules with it", s.name,
			s.name, s.name, s.name)
	default:
		return &diff.Side{}, nil
	}
	cfg, err := s.load(cmd.Flags())
	if err != nil {
		return nil, err
	}
	if len(s.rules) > 0 {
		cfg.Tagger.RulesFiles = s.rules
	}
	rules, err := compiled.compile(&cfg.Tagger)
	if err != nil {
		return nil, err
	}
	side := diff.Side{Stated: map[string]string{"version": version.Version + " " + version.GetRevision()}}
	for _, setting := range cfg.Report() {
		side.Stated[setting.Key] = setting.Value
	}
	on, alone := cfg.Metrics.Compatible()
	if on {
		o := compatibleOptions(&cfg.Metrics, &cfg.Metrics, nodeIndex(cfg))
		side.Compat = &o
	}
	if !alone {
		o := resolverOptions(&cfg.Metrics, rules)
		side.Own = &o
	}
	return &side, nil
}

// load reads the configuration of a side.
func (s *diffSide) load(flags *pflag.FlagSet) (*config.Config, error) {
	if s.config != "" {
		f := flags.Lookup("config")
		file, changed := f.Value.String(), f.Changed
		defer func() { _, f.Changed = f.Value.Set(file), changed }()
		if err := flags.Set(f.Name, s.config); err != nil {
			return nil, err
		}
	}
	return config.LoadSections(flags, "tagger", "metrics")
}

// diffName is the name that a question is about.
func (q *question) diffName() *diff.Name {
	return &diff.Name{
		Origin: q.origin, Name: q.name, Unit: q.unit, Kind: q.kind, SourceID: q.sourceID, InstanceID: q.instanceID,
		Tags: q.tags, Series: q.series,
	}
}

// ask asks a running exporter for its settings and for what it makes of names.
func (d *diffing) ask(ctx context.Context, s *diffSide, names []*diff.Name, side *diff.Side) error {
	exporter, err := d.from.connection.dial("--"+s.name+"-url", s.url)
	if err != nil {
		return err
	}
	defer exporter.close()
	if side.Stated, err = exporter.settings(ctx); err != nil {
		return err
	}
	side.Answers, err = exporter.explain(ctx, names)
	return err
}
