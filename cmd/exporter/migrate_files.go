package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"loggregator_exporter/internal/wholefile"
	"loggregator_exporter/metric"
	"loggregator_exporter/migrate/documents"
	"loggregator_exporter/migrate/rewrite"
)

// files migrates files one after the other. What is wrong with one harms no other.
func (m *migration) files(args []string) error {
	files, err := documentFiles(args)
	if err != nil {
		return err
	}
	if err := m.checkTargets(files); err != nil {
		return err
	}
	m.follow(files)
	failed, left := 0, 0
	needs := slices.Clone(m.httpLabels)
	for i := range files {
		report, err := m.file(&files[i])
		switch {
		case files[i].found && errors.Is(err, documents.ErrUnknown):
			_, _ = fmt.Fprintf(m.errs, "skipped: %s\n", err)
		case err != nil:
			_, _ = fmt.Fprintln(m.errs, err)
			failed++
		default:
			left += len(report.Left)
			needs = append(needs, report.Needs...)
			if err := m.list(report); err != nil {
				return err
			}
		}
	}
	if err := m.listNeeds(needs); err != nil {
		return err
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d files could not be migrated", failed, len(files))
	case left > 0:
		return fmt.Errorf("queries that stay as they are: %d; the list says why", left)
	}
	return nil
}

// follow lets queries follow the labels of what the files record. Files that cannot be read are told of later.
func (m *migration) follow(files []documentFile) {
	var records rewrite.Records
	for i := range files {
		if document, err := files[i].read(); err == nil {
			records.Add(document)
		}
	}
	m.migrator = records.Follow(m.migrator)
}

// checkTargets makes sure that no two files are written to one place.
func (m *migration) checkTargets(files []documentFile) error {
	if m.dir == "" {
		return nil
	}
	written := make(map[string]string)
	for _, f := range files {
		if other, twice := written[f.within]; twice {
			return fmt.Errorf("%s and %s would both be written to %s: migrate them one by one", other, f.name,
				filepath.Join(m.dir, f.within))
		}
		written[f.within] = f.name
	}
	return nil
}

// file migrates one file.
func (m *migration) file(f *documentFile) (*rewrite.Report, error) {
	document, err := f.read()
	if err != nil {
		return nil, err
	}
	report, text, err := rewrite.Document(m.migrator, m.namespace, document)
	if err != nil {
		return nil, err
	}
	switch {
	case m.write && document.Edited():
		err = wholefile.Rewrite(f.name, text)
	case m.dir != "":
		target := filepath.Join(m.dir, f.within)
		if err = os.MkdirAll(filepath.Dir(target), 0o750); err == nil {
			err = wholefile.Replace(target, text)
		}
	}
	return report, err
}

// list writes what became of a file.
func (m *migration) list(r *rewrite.Report) error {
	if m.format == "json" {
		return jsonEncoder(m.out).Encode(r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d of %d queries rewritten", r.File, len(r.Changes), r.Queries)
	if len(r.Left) > 0 {
		fmt.Fprintf(&b, ", %d left as they are", len(r.Left))
	}
	b.WriteByte('\n')
	for _, c := range r.Changes {
		fmt.Fprintf(&b, "  line %d, %s\n    - %s\n    + %s\n", c.Line, c.Where, oneLine(c.Old), oneLine(c.New))
		writeReasons(&b, c.Why)
	}
	for _, c := range r.Left {
		fmt.Fprintf(&b, "  line %d, %s: left as it is\n      %s\n", c.Line, c.Where, oneLine(c.Old))
		writeReasons(&b, c.Why)
	}
	for _, n := range r.Notes {
		where := n.Where
		if where == "" {
			where = n.Path
		}
		fmt.Fprintf(&b, "  line %d, %s: %s\n", n.Line, where, n.Text)
	}
	_, err := io.WriteString(m.out, metric.Printable(b.String())) // a terminal obeys control characters
	return err
}

// listNeeds writes the setting that new queries of all files need, where it is not the one in force.
func (m *migration) listNeeds(labels []string) error {
	slices.Sort(labels)
	if labels = slices.Compact(labels); len(labels) == len(m.httpLabels) || m.format == "json" {
		return nil
	}
	_, err := fmt.Fprintf(m.out, "the new queries need this setting:\nmetrics: {http: {labels: [%s]}}\n",
		strings.Join(labels, ", "))
	return err
}

func writeReasons(b *strings.Builder, why []string) {
	for _, reason := range why {
		fmt.Fprintf(b, "      %s\n", reason)
	}
}

// oneLine writes a query in one line. It is for reading only: a comment in it would swallow what follows.
func oneLine(query string) string { return strings.Join(strings.Fields(query), " ") }
