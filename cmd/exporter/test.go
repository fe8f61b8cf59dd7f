package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"loggregator_exporter/config"
	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/resolver"
	"loggregator_exporter/tagger"
)

// errTestsFailed ends `exporter test`; what failed has been printed by then.
var errTestsFailed = errors.New("FAIL")

// testedFile is a file of rule tests and its results.
type testedFile struct {
	name    string
	results []tagger.TestResult
	took    time.Duration
}

func newTest() *cobra.Command {
	var (
		output  string
		verbose bool
	)
	cmd := &cobra.Command{
		Use:   "test FILE...",
		Short: "Run unit tests of rules",
		Long: "Runs files of rule tests: metrics as they are sent, and what the rules should make of them. Each\n" +
			"file names the rule files that it tests, or is one; names and labels of series are those of the\n" +
			"configuration.\n" +
			"Exit status 1 where a test fails. See docs/rules.md.",
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return errors.New("name the files of tests, for example exporter test tests.yaml")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			if output != "text" && output != "junit" {
				return fmt.Errorf("--output %q: want text or junit", output)
			}
			cfg, err := config.LoadSections(cmd.Flags(), "tagger", "metrics")
			if err != nil {
				return err
			}
			tested, err := testFiles(cfg, files)
			if err != nil {
				return err
			}
			if output == "junit" {
				err = writeJUnit(cmd.OutOrStdout(), tested)
			} else {
				err = writeTests(cmd.OutOrStdout(), tested, verbose)
			}
			if err == nil && slices.ContainsFunc(tested, (*testedFile).failed) {
				err = errTestsFailed
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&output, "output", "o", "text", "Output: text, as of go test, or junit.")
	flags.BoolVarP(&verbose, "verbose", "v", false, "Show the tests that pass, too.")
	config.AddFlags(flags)
	return cmd
}

// testFiles runs all files. Mistakes in any of them are told at once, and then none is run.
func testFiles(cfg *config.Config, files []string) ([]*testedFile, error) {
	var tested []*testedFile
	var errs []error
	for _, name := range files {
		f, err := testFile(cfg, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		tested = append(tested, f)
	}
	return tested, errors.Join(errs...)
}

func testFile(cfg *config.Config, name string) (*testedFile, error) {
	began := time.Now()
	data, err := boundedfile.Read(name, tagger.MaxFileBytes)
	if err != nil {
		return nil, err
	}
	tests, err := tagger.ReadTests(name, data)
	if err != nil {
		return nil, err
	}
	c := config.Tagger{Catalogue: tests.Catalogue, Quarantine: tests.Quarantine}
	for _, file := range tests.RulesFiles {
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(name), file)
		}
		c.RulesFiles = append(c.RulesFiles, file)
	}
	if tests.HasRules {
		c.RulesFiles = append(c.RulesFiles, name)
	}
	rules, err := newTagger(&c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	names := resolver.New(resolverOptions(&cfg.Metrics, rules))
	results := tests.Run(rules, names.Series)
	return &testedFile{name, results, time.Since(began)}, nil
}

func (f *testedFile) failed() bool {
	return slices.ContainsFunc(f.results, func(r tagger.TestResult) bool { return len(r.Failures) > 0 })
}

// writeTests prints results as go test does.
func writeTests(w io.Writer, tested []*testedFile, verbose bool) error {
	var b strings.Builder
	for _, f := range tested {
		for _, r := range f.results {
			switch {
			case len(r.Failures) > 0:
				fmt.Fprintf(&b, "--- FAIL: %s (%.2fs)\n", r.Title, r.Took.Seconds())
				for _, failure := range r.Failures {
					fmt.Fprintf(&b, "    %s: %s\n", r.Place, failure)
				}
			case verbose:
				fmt.Fprintf(&b, "--- PASS: %s (%.2fs)\n", r.Title, r.Took.Seconds())
			}
		}
		word := "ok  "
		if f.failed() {
			word = "FAIL"
		}
		fmt.Fprintf(&b, "%s\t%s\t%.3fs\n", word, f.name, f.took.Seconds())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// The elements of a JUnit report that its readers agree on.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func writeJUnit(w io.Writer, tested []*testedFile) error {
	var report junitSuites
	for _, f := range tested {
		suite := junitSuite{Name: f.name, Tests: len(f.results), Time: fmt.Sprintf("%.3f", f.took.Seconds())}
		for _, r := range f.results {
			c := junitCase{Name: r.Title, Class: f.name, Time: fmt.Sprintf("%.3f", r.Took.Seconds())}
			if len(r.Failures) > 0 {
				suite.Failures++
				c.Failure = &junitFailure{
					Message: r.Failures[0],
					Text:    r.Place + ": " + strings.Join(r.Failures, "\n"+r.Place+": "),
				}
			}
			suite.Cases = append(suite.Cases, c)
		}
		report.Suites = append(report.Suites, suite)
	}
	text, err := xml.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	return err
}
