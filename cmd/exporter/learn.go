package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"loggregator_exporter/config"
	"loggregator_exporter/internal/wholefile"
	"loggregator_exporter/tagger"
	"loggregator_exporter/tagger/catalogue"
	"loggregator_exporter/tagger/learn"
)

// defaultRulesFile is the file of proposed rules that tests name, where nothing tells where the rules go.
const defaultRulesFile = "learned.yaml"

// manyNames is the number of names from which on the garbage collector runs no more often than usual.
const manyNames = 200_000

// learning is one run of the command.
type learning struct {
	from        nameSources
	rules       []string
	noCatalogue bool
	prefixed    bool
	output      string
	tests       string
	rulesFile   string
}

func newLearn() *cobra.Command {
	var l learning
	cmd := &cobra.Command{
		Use:   "learn",
		Short: "Propose rules for names that no rule takes",
		Long: "Finds the dimensions in names that no rule takes, and prints a rule file that takes them out, with a\n" +
			"comment over each rule: how many names it takes, examples, and what spoke for and against it. Rules with\n" +
			"doubts are commented out. The rules in force are those of the configuration and the built-in catalogue;\n" +
			"names that they take stay as they are. See docs/learn.md.",
		Example: "  exporter learn --names names.tsv --tests learned_test.yaml > learned.yaml\n" +
			"  exporter test learned_test.yaml",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return l.run(cmd) },
	}
	flags := cmd.Flags()
	l.from.addFlags(flags)
	flags.StringVarP(&l.output, "output", "o", "yaml", "Output: yaml, a rule file, or json.")
	flags.StringVar(&l.tests, "tests", "", "File to write unit tests of the rules to, for exporter test.")
	flags.StringVar(&l.rulesFile, "rules-file", "", "Rule file that the tests name, relative to them. Default: the file "+
		"that standard output goes to, else "+defaultRulesFile+".")
	flags.StringArrayVar(&l.rules, "rules", nil, "Rule file in force before those of the configuration. May be repeated.")
	flags.BoolVar(&l.noCatalogue, "no-catalogue", false, "Leave the built-in rules and the quarantine out of force.")
	flags.BoolVar(&l.prefixed, "behind-prefixes", false, "Learn from names, too, of which the rules in force only take "+
		"a prefix off, such as the component. The proposed rules may then change these names.")
	config.AddFlags(flags)
	return cmd
}

func (l *learning) run(cmd *cobra.Command) error {
	if l.output != "yaml" && l.output != "json" {
		return fmt.Errorf("--output %q: want yaml or json", l.output)
	}
	cfg, err := config.LoadSections(cmd.Flags(), "tagger")
	if err != nil {
		return err
	}
	cfg.Tagger.RulesFiles = slices.Concat(l.rules, cfg.Tagger.RulesFiles)
	if l.noCatalogue {
		cfg.Tagger.Catalogue, cfg.Tagger.Quarantine = false, false
	}
	options, err := learnOptions(&cfg.Tagger)
	if err != nil {
		return err
	}
	// What is made of some names on the way is not to double the memory that the program takes; with very many, time
	// counts more.
	usual := debug.SetGCPercent(50)
	defer debug.SetGCPercent(usual)
	read := 0
	options.BehindPrefixes = l.prefixed
	learner, err := learn.New(options)
	if err != nil {
		return err
	}
	err = l.from.each(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), func(q *question) {
		if read++; read == manyNames {
			debug.SetGCPercent(usual)
		}
		learner.Add(&learn.Name{Origin: q.origin, Name: cmp.Or(q.partOf, q.name), Unit: q.unit, Kind: q.kind, Tags: q.tags})
	})
	if err != nil {
		return err
	}
	proposal, err := learner.Propose()
	if err != nil {
		return err
	}
	if l.tests != "" {
		if err := l.writeTests(proposal, cfg.Tagger.RulesFiles, cmd.OutOrStdout()); err != nil {
			return fmt.Errorf("--tests: %w", err)
		}
	}
	if l.output == "json" {
		return writeIndentedJSON(cmd.OutOrStdout(), proposal)
	}
	return proposal.WriteRules(cmd.OutOrStdout())
}

// learnOptions are the rules in force, and the words of these and of the catalogue.
func learnOptions(c *config.Tagger) (learn.Options, error) {
	rules, err := taggerOptions(c)
	if err != nil {
		return learn.Options{}, err
	}
	known := rules
	known.Catalogue = catalogue.Files()
	all, _, err := tagger.New(known)
	if err != nil {
		return learn.Options{}, err
	}
	return learn.Options{Rules: rules, Vocabulary: all.Vocabulary()}, nil
}

// writeTests writes the file of tests as a whole or not at all.
func (l *learning) writeTests(p *learn.Proposal, inForce []string, stdout io.Writer) error {
	dir := filepath.Dir(l.tests)
	rulesFile := l.rulesFile
	if rulesFile == "" {
		rulesFile = relativeTo(dir, fileOf(stdout))
	}
	files := []string{rulesFile}
	for _, f := range inForce {
		files = append(files, relativeTo(dir, f))
	}
	var text bytes.Buffer
	if err := p.WriteTests(&text, files); err != nil {
		return err
	}
	return wholefile.Replace(l.tests, text.Bytes())
}

// fileOf is the path of the regular file that a writer is, or the default where it is none or the system does not
// tell.
func fileOf(w io.Writer) string {
	f, ok := w.(*os.File)
	if !ok {
		return ""
	}
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return ""
	}
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return name
}

// relativeTo writes a path from the point of view of a folder; that of no file is the default.
func relativeTo(dir, file string) string {
	if file == "" {
		return defaultRulesFile
	}
	absoluteDir, err := filepath.Abs(dir)
	if err != nil {
		return file
	}
	if file, err = filepath.Abs(file); err != nil {
		return file
	}
	relative, err := filepath.Rel(absoluteDir, file)
	if err != nil {
		return file
	}
	return relative
}
