package diff

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"loggregator_exporter/diff/queries"
)

// The form of JUnit's reports, as far as CI servers read it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr,omitempty"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr,omitempty"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitFailure `xml:"failure"`
		Skipped *junitSkipped `xml:"skipped"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

func (s *junitSuite) add(c junitCase) {
	c.Class = s.Name
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// WriteJUnit writes a report as the result of tests: a suite for each cause, with a test for changes that read alike,
// which fails if they break something.
func (r *Report) WriteJUnit(w io.Writer) error {
	out := junitSuites{Name: "exporter diff"}
	add := func(s junitSuite) {
		out.Tests += s.Tests
		out.Failures += s.Failures
		out.Skipped += s.Skipped
		out.Suites = append(out.Suites, s)
	}
	if len(r.Groups) == 0 {
		s := junitSuite{Name: "series"}
		s.add(junitCase{Name: "nothing changes"})
		add(s)
	}
	for i := range r.Groups {
		g := &r.Groups[i]
		s := junitSuite{Name: g.Cause.String()}
		for _, shape := range shapesOf(g.Changes) {
			s.add(shape.junit())
		}
		add(s)
	}
	if r.Queries != nil {
		add(queriesSuite(r.Queries))
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *shape) junit() junitCase {
	c := junitCase{Name: fmt.Sprintf("%s: %s", number(s.series, "series"), s.text)}
	for _, k := range s.example.Kinds {
		if !k.Breaks() {
			continue
		}
		if c.Failure == nil {
			var text strings.Builder
			text.WriteString("\n")
			s.writeText(&text)
			c.Failure = &junitFailure{Message: s.text, Type: string(k), Text: text.String()}
		}
	}
	return c
}

// queriesSuite has a test for each query that changes, a skipped one for each that is not read, and one for all others.
func queriesSuite(r *queries.Report) junitSuite {
	s := junitSuite{Name: "queries"}
	same := number(r.Queries-len(r.Changes), "query")
	s.add(junitCase{Name: same + choose(strings.HasPrefix(same, "1 "), " finds what it found", " find what they found")})
	for i := range r.Changes {
		c := &r.Changes[i]
		one := junitCase{Name: title(c), File: c.File, Line: c.Line}
		if c.Breaks {
			var text strings.Builder
			text.WriteString("\n")
			writeQuery(&text, c)
			one.Failure = &junitFailure{Message: strings.Join(c.Reasons, "; "), Type: string(c.Effect), Text: text.String()}
		}
		s.add(one)
	}
	for _, u := range r.Unread {
		s.add(junitCase{Name: placeOf(&u) + " is not read", File: u.File, Line: u.Line, Skipped: &junitSkipped{u.Text}})
	}
	return s
}
