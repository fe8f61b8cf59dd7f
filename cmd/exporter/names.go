package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"loggregator_exporter/internal/boundedfile"
	"loggregator_exporter/metric"
	"loggregator_exporter/nozzle/capture"
	"loggregator_exporter/nozzle/wire"
)

// maxNameErrors bounds the bad lines that are told of a file of names.
const maxNameErrors = 10

// nameSources say where the names come from that a command works on.
type nameSources struct {
	names, capture, url string
	connection          connection
	// identities asks for all that a capture holds: a name as often as it comes, with all of its tags. Otherwise each
	// name is taken once.
	identities bool
}

func (n *nameSources) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&n.names, "names", "", "File of names, a line each as explain reads them; - is standard input.")
	flags.StringVar(&n.capture, "capture", "", "Capture whose names to take; see exporter record.")
	flags.StringVar(&n.url, "url", "", "Running exporter whose names to take, such as http://exporter:9286.")
	n.connection.addFlags(flags, 30*time.Second)
}

// given says whether any of them is.
func (n *nameSources) given() bool { return n.names != "" || n.capture != "" || n.url != "" }

// each calls yield with every name of the files and of the running exporter. Warnings go to errs.
func (n *nameSources) each(ctx context.Context, in io.Reader, errs io.Writer, yield func(*question)) error {
	if !n.given() {
		return errors.New("say where the names are: --names FILE, --names - for standard input, --capture FILE, or --url " +
			"http://exporter:9286")
	}
	if n.names != "" {
		if err := n.readNames(in, yield); err != nil {
			return err
		}
	}
	if n.capture != "" {
		names := &distinctNames{known: make(map[string]bool), all: n.identities, yield: yield}
		if err := n.readCapture(errs, names); err != nil {
			return err
		}
	}
	if n.url == "" {
		return nil
	}
	exporter, err := n.connection.dial("--url", n.url)
	if err != nil {
		return err
	}
	defer exporter.close()
	return exporter.names(ctx, yield)
}

// distinctNames leaves out names that were seen before.
type distinctNames struct {
	all   bool // leaves none out
	known map[string]bool
	key   []byte
	yield func(*question)
}

func (d *distinctNames) isNew(origin, name, unit []byte, kind metric.Kind) bool {
	d.key = append(d.key[:0], byte(kind))
	for _, part := range [][]byte{origin, unit, name} {
		d.key = append(append(d.key, part...), 0)
	}
	if d.known[string(d.key)] {
		return false
	}
	d.known[string(d.key)] = true
	return true
}

func (n *nameSources) readNames(in io.Reader, yield func(*question)) error {
	file := "standard input"
	if n.names != "-" {
		f, err := boundedfile.Open(n.names)
		if err != nil {
			return fmt.Errorf("--names: %w", err)
		}
		defer func() { _ = f.Close() }() // nothing was written
		in, file = f, n.names
	}
	lines := bufio.NewReaderSize(in, maxLine)
	template := question{kind: metric.KindGauge}
	var failed []error
	read := 0
	for number, more := 1, true; more && len(failed) < maxNameErrors; number++ {
		var line string
		var err error
		line, more, err = readLine(lines)
		if err == nil && line != "" {
			err = readName(template, line, yield)
			read++
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s, line %d: %w", file, number, err))
		}
	}
	if len(failed) == 0 && read == 0 {
		return fmt.Errorf("%s holds no names: write one a line, as exporter explain reads them", file)
	}
	return errors.Join(failed...)
}

func readName(template question, line string, yield func(*question)) error {
	if !utf8.ValidString(line) {
		return errors.New("it is not UTF-8, so that it cannot be a name")
	}
	q, err := template.parse(line)
	switch {
	case err != nil:
		return err
	case q.name == "":
		return errors.New("it holds no name")
	case len(q.name) > metric.MaxNameBytes:
		return fmt.Errorf("the name has %d bytes, the limit is %d", len(q.name), metric.MaxNameBytes)
	}
	yield(&q)
	return nil
}

// readCapture reads the names of a capture. Of one that is cut off it takes what stands before the cut.
func (n *nameSources) readCapture(errs io.Writer, seen *distinctNames) error {
	f, err := boundedfile.Open(n.capture)
	if err != nil {
		return fmt.Errorf("--capture: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	r, err := capture.NewReader(f)
	if err != nil {
		return fmt.Errorf("--capture %s: %w", n.capture, err)
	}
	defer r.Close()
	var v1 wire.V1
	var v2 wire.V2
	var e metric.Envelope
	for {
		record, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, capture.ErrTruncated):
			_, _ = fmt.Fprintf(errs, "warning: %s: %s; the names before that place are used\n", n.capture, err)
			return nil
		case err != nil:
			return fmt.Errorf("--capture %s: %w", n.capture, err)
		}
		if record.Format == capture.V1 {
			if v1.Decode(record.Message, &e) {
				seen.addEnvelope(&e)
			}
			continue
		}
		v2.Batch(record.Message, &e, func(ok bool) {
			if ok {
				seen.addEnvelope(&e)
			}
		})
	}
}

func (d *distinctNames) addEnvelope(e *metric.Envelope) {
	origin := e.Tag("origin")
	add := func(name, unit []byte) {
		if len(name) == 0 || len(name) > metric.MaxNameBytes || !d.all && !d.isNew(origin, name, unit, e.Kind) {
			return
		}
		q := question{
			origin: string(origin), name: string(name), unit: string(unit), kind: e.Kind, sourceID: string(e.SourceID),
			instanceID: string(e.InstanceID),
		}
		for _, t := range e.Tags {
			if string(t.Key) != "origin" {
				q.tags = append(q.tags, metric.Label{Name: string(t.Key), Value: string(t.Value)})
			}
		}
		slices.SortFunc(q.tags, func(a, b metric.Label) int { return cmp.Compare(a.Name, b.Name) })
		d.yield(&q)
	}
	if e.Kind == metric.KindLog || e.Kind == metric.KindEvent {
		return
	}
	for _, p := range e.Points {
		add(p.Name, p.Unit)
	}
	add(e.Name, nil)
}
