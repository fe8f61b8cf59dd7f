package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"loggregator_exporter/compat"
	"loggregator_exporter/config"
	"loggregator_exporter/metric"
	"loggregator_exporter/resolver"
	"loggregator_exporter/store"
	"loggregator_exporter/tagger"
)

// maxLine bounds a line of standard input. Names beyond metric.MaxNameBytes are refused by the service.
const maxLine = 64 << 10

// question is one name to explain.
type question struct {
	origin, name, unit string
	partOf             string // the histogram or summary whose name rules see in its place, as far as it is known
	kind               metric.Kind
	tags               []metric.Label
	sourceID           string
	instanceID         string
	series             int // that it stands for; 0 is not known
}

// explainer runs names through the production path and shows what it did.
type explainer struct {
	tagger   *tagger.Tagger
	resolver *resolver.Resolver
	old      *compat.Resolver // of the names of metrics.compatibility, or nil
	out      io.Writer
	json     bool
}

func newExplain() *cobra.Command {
	var (
		output      string
		noCatalogue bool
		rules       []string
		template    question
		kind        string
		tags        []string
	)
	cmd := &cobra.Command{
		Use:   "explain [NAME...]",
		Short: "Show how names are parsed",
		Long: "Shows how metric names are parsed: every step, the rule, the tags, and the series that results.\n" +
			"Names are arguments, or come from standard input, one a line: `raw_name`, or separated by tabs\n" +
			"`origin`, `raw_name`, `kind`, `unit`, of which the last two may be missing. Rules, naming and labels\n" +
			"are those of the configuration.",
		Example: "  exporter explain router__0.memoryStats.numBytesAllocated\n" +
			"  printf 'router__0\\tmemoryStats.numBytesAllocated\\n' | exporter explain -o json",
		RunE: func(cmd *cobra.Command, names []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output %q: want text or json", output)
			}
			if err := template.fill(kind, tags); err != nil {
				return err
			}
			e, err := newExplainer(cmd, rules, noCatalogue)
			if err != nil {
				return err
			}
			buffered := bufio.NewWriter(cmd.OutOrStdout())
			e.out, e.json = buffered, output == "json"
			err = e.all(template, names, cmd.InOrStdin(), cmd.ErrOrStderr())
			return errors.Join(err, buffered.Flush())
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&output, "output", "o", "text", "Output: text or json (one object a line).")
	flags.StringArrayVar(&rules, "rules", nil, "Rule file that comes before those of the configuration. May be repeated.")
	flags.BoolVar(&noCatalogue, "no-catalogue", false, "Leave out the built-in rules and the quarantine.")
	flags.StringVar(&template.origin, "origin", "", "Origin of names that do not come with one.")
	flags.StringVar(&kind, "kind", "gauge", "Kind of names that do not come with one: gauge, counter or timer.")
	flags.StringVar(&template.unit, "unit", "", "Unit of names that do not come with one.")
	flags.StringVar(&template.sourceID, "source-id", "", "Source id of the envelopes.")
	flags.StringArrayVar(&tags, "tag", nil, "Tag of the envelopes, as name=value. May be repeated.")
	config.AddFlags(flags)
	return cmd
}

func (q *question) fill(kind string, tags []string) error {
	var err error
	if q.kind, err = parseKind(kind); err != nil {
		return fmt.Errorf("--kind: %w", err)
	}
	for _, t := range tags {
		name, value, ok := strings.Cut(t, "=")
		if !ok || name == "" {
			return fmt.Errorf("--tag %q: want name=value", t)
		}
		q.tags = append(q.tags, metric.Label{Name: name, Value: value})
	}
	return nil
}

// parseKind reads the kind of a metric. A container metric is a gauge.
func parseKind(s string) (metric.Kind, error) {
	s = strings.ToLower(s)
	if s == "" || s == "container" {
		return metric.KindGauge, nil
	}
	if k, ok := metric.ParseKind(s); ok && k != metric.KindNone && k != metric.KindLog && k != metric.KindEvent {
		return k, nil
	}
	return metric.KindNone, fmt.Errorf("%q is none of gauge, counter, timer, histogram, summary", s)
}

func newExplainer(cmd *cobra.Command, rules []string, noCatalogue bool) (*explainer, error) {
	cfg, err := config.LoadSections(cmd.Flags(), "tagger", "metrics")
	if err != nil {
		return nil, err
	}
	cfg.Tagger.RulesFiles = slices.Concat(rules, cfg.Tagger.RulesFiles)
	if noCatalogue {
		cfg.Tagger.Catalogue, cfg.Tagger.Quarantine = false, false
	}
	t, err := newTagger(&cfg.Tagger)
	if err != nil {
		return nil, err
	}
	e := &explainer{tagger: t, resolver: resolver.New(resolverOptions(&cfg.Metrics, t))}
	if on, _ := cfg.Metrics.Compatible(); on {
		e.old, err = newCompatibleResolver(&cfg.Metrics, &cfg.Metrics, nodeIndex(cfg))
	}
	return e, err
}

// all explains names, or the lines of in where there are none. What cannot be explained is told on errs, harms
// nothing else, and makes the whole an error.
func (e *explainer) all(template question, names []string, in io.Reader, errs io.Writer) error {
	failed := 0
	fail := func(err error) {
		failed++
		_, _ = fmt.Fprintln(errs, err)
	}
	for _, name := range names {
		q := template
		q.name = name
		if err := e.explain(&q); err != nil {
			fail(err)
		}
	}
	if len(names) == 0 {
		lines := bufio.NewReaderSize(in, maxLine)
		for n, more := 1, true; more; n++ {
			var line string
			var err error
			if line, more, err = readLine(lines); err == nil && (line != "" || more) {
				var q question
				if q, err = template.parse(line); err == nil {
					err = e.explain(&q)
				}
			}
			if err != nil {
				fail(fmt.Errorf("standard input, line %d: %w", n, err))
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of the names could not be explained", failed)
	}
	return nil
}

// readLine reads a line; of one that is too long nothing but the error is left. more says whether another may follow.
func readLine(r *bufio.Reader) (line string, more bool, err error) {
	text, err := r.ReadSlice('\n')
	line = strings.TrimRight(string(text), "\r\n")
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		return "", err == nil, fmt.Errorf("it is longer than %d bytes", maxLine)
	}
	if errors.Is(err, io.EOF) {
		return line, false, nil
	}
	return line, err == nil, err
}

// parse reads a line of standard input.
func (q question) parse(line string) (question, error) {
	fields := strings.Split(line, "\t")
	if len(fields) > 4 {
		return q, fmt.Errorf("%d fields, want raw_name, or origin, raw_name, kind and unit", len(fields))
	}
	if len(fields) == 1 {
		q.name = fields[0]
		return q, nil
	}
	q.origin, q.name = fields[0], fields[1]
	var err error
	if len(fields) > 2 {
		if q.kind, err = parseKind(fields[2]); err != nil {
			return q, err
		}
	}
	if len(fields) > 3 {
		q.unit = fields[3]
	}
	return q, nil
}

// identity is what the store would look for.
func (q *question) identity(r store.Resolver) (*store.Identity, error) {
	id, err := (&store.Question{
		Kind: q.kind, Origin: q.origin, Name: q.name, Unit: q.unit, SourceID: q.sourceID, InstanceID: q.instanceID,
		Tags: q.tags,
	}).Identity(r)
	if err != nil {
		return nil, fmt.Errorf("%q would be counted as invalid: %w", shorten(q.name), err)
	}
	return id, nil
}

// shorten cuts a name to what a line of a terminal can bear.
func shorten(name string) string {
	const limit = 80
	if len(name) > limit {
		return strings.ToValidUTF8(name[:limit], "") + "..."
	}
	return name
}

func (e *explainer) explain(q *question) error {
	id, err := q.identity(e.resolver)
	if err != nil {
		return err
	}
	if e.json {
		r := e.resolver.Explain(id, nil)
		return jsonEncoder(e.out).Encode(r.Explanation(q.origin, q.name))
	}
	var trace resolver.Trace
	r := e.resolver.Explain(id, &trace)
	old := ""
	if e.old != nil && (q.kind == metric.KindGauge || q.kind == metric.KindCounter) {
		if id, err = q.identity(e.old); err != nil {
			return err
		}
		o := e.old.Resolve(id)
		old = fmt.Sprintf("%s{%s}", o.Metric, metric.RenderLabels(o.Labels))
	}
	return e.write(q, &r, &trace, old)
}
