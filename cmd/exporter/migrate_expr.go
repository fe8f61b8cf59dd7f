package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"loggregator_exporter/migrate"
)

// migratedExpr is what `migrate --expr -o json` prints, one object a line.
type migratedExpr struct {
	Expr     string   `json:"expr"`
	Migrated string   `json:"migrated"`
	OK       bool     `json:"ok"`
	Notes    []string `json:"notes"`
}

// expressions rewrites the lines of in. A line that cannot be rewritten is printed as it is, with the reason, and
// makes the whole an error; empty lines are left out.
func (m *migration) expressions(in io.Reader) error {
	out := bufio.NewWriter(m.out)
	lines := bufio.NewReaderSize(in, maxLine)
	failed, read := 0, 0
	for n, more := 1, true; more; n++ {
		line, next, err := readLine(lines)
		if more = next; err == nil && strings.TrimSpace(line) == "" {
			continue
		}
		read++
		r := migrate.Result{Migrated: line}
		if err == nil {
			r = m.migrator.Variable(line)
		} else {
			r.Notes = []string{err.Error()}
		}
		if !r.OK {
			failed++
		}
		if err := m.writeExpression(out, n, line, &r); err != nil {
			return err
		}
	}
	err := out.Flush()
	switch {
	case err != nil:
	case read == 0:
		err = errors.New("standard input holds no queries: write one a line")
	case failed > 0:
		err = fmt.Errorf("%d of %d queries could not be rewritten", failed, read)
	}
	return err
}

func (m *migration) writeExpression(w io.Writer, number int, line string, r *migrate.Result) error {
	if m.format == "json" {
		return jsonEncoder(w).Encode(migratedExpr{line, r.Migrated, r.OK, append([]string{}, r.Notes...)})
	}
	state := "unchanged"
	switch {
	case !r.OK:
		state = "cannot be rewritten"
	case r.Changed:
		state = "rewritten"
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "line %d: %s\n  - %s\n", number, state, line)
	if r.Changed {
		_, _ = fmt.Fprintf(&b, "  + %s\n", r.Migrated)
	}
	for _, n := range r.Notes {
		_, _ = fmt.Fprintf(&b, "    %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
