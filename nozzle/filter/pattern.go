package filter

import (
	"fmt"
	"slices"

	"loggregator_exporter/metric"
)

// patterns are alternatives: a text matches if one of them does.
type patterns struct {
	exact []string            // up to fewPatterns texts, which are compared one by one
	many  map[string]struct{} // or more, which are looked up; nil for up to fewPatterns
	globs []metric.Glob
}

// fewPatterns is how many comparisons cost less than a look-up.
const fewPatterns = 8

func compilePatterns(texts []string, path string) (patterns, error) {
	var p patterns
	for i, text := range texts {
		glob, err := metric.CompileGlob(text)
		problem := ""
		switch {
		case text == "":
			problem = `is empty, which nothing matches: leave it out, or write "*" for any value`
		case len(text) > maxPatternBytes:
			problem = fmt.Sprintf("is %d bytes long, at most %d are possible", len(text), maxPatternBytes)
		case err != nil:
			problem = `ends in \, which takes the meaning from the next character: write \\ for the character itself`
		case slices.Contains(texts[:i], text):
			problem = fmt.Sprintf("%q stands twice: remove one", text)
		}
		if problem != "" {
			return p, &Error{itemPath(path, i), problem}
		}
		if exact, ok := glob.Literal(); ok {
			p.exact = append(p.exact, exact)
		} else {
			p.globs = append(p.globs, glob)
		}
	}
	if len(p.exact) > fewPatterns {
		p.many = make(map[string]struct{}, len(p.exact))
		for _, text := range p.exact {
			p.many[text] = struct{}{}
		}
	}
	return p, nil
}

// match reports whether one of the patterns matches; none matches an empty text.
func (p *patterns) match(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	if p.many != nil {
		if _, ok := p.many[string(text)]; ok {
			return true
		}
	} else {
		for _, e := range p.exact { //nolint:modernize // the conversion that slices.Contains needs may allocate
			if string(text) == e {
				return true
			}
		}
	}
	for i := range p.globs {
		if p.globs[i].Match(text) {
			return true
		}
	}
	return false
}
