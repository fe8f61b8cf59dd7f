package promql

import (
	"regexp"
	"strings"
)

// Variable is a variable or macro of Grafana: $name, ${name}, ${name:format}, ${name.field}, [[name]], [[name:format]].
type Variable struct {
	Span

	Name   string
	Format string // "" if none is written
}

var variablePattern = regexp.MustCompile(
	`\$(\w+)|\$\{(\w+)(?:\.[^:}\s]+)?(?::([^}\s]+))?\}|\[\[(\w+?)(?::(\w+))?\]\]`)

// FindVariables returns the variables of any text of a dashboard, in order. $1 and the like, which are groups of
// regular expressions, are none.
func FindVariables(text string) []Variable {
	var found []Variable
	for _, m := range variablePattern.FindAllStringSubmatchIndex(text, -1) {
		v := Variable{Span: Span{m[0], m[1]}}
		for _, group := range []int{1, 2, 4} {
			if m[2*group] >= 0 {
				v.Name = text[m[2*group]:m[2*group+1]]
			}
		}
		for _, group := range []int{3, 5} {
			if m[2*group] >= 0 {
				v.Format = text[m[2*group]:m[2*group+1]]
			}
		}
		if strings.Trim(v.Name, "0123456789") != "" {
			found = append(found, v)
		}
	}
	return found
}

// place is what a variable stands for, as far as the text around it tells.
type place uint8

const (
	placeText     place = iota // part of a string or of a name: any letters
	placeDuration              // a duration
	placeDigits                // the number of a duration whose unit follows
	placeFunction              // a function or aggregation
	placeNumber                // a number, unless the query only parses with a name
	placeName                  // a metric or label
)

// maskedVariable is a variable with its place.
type maskedVariable struct {
	Variable

	place place
}

var (
	beforeDuration = regexp.MustCompile(`(?i)\boffset\s*-?\s*$`)
	beforeLabel    = regexp.MustCompile(`(?i)\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*$`)
	afterFunction  = regexp.MustCompile(`^\s*(?:\(|(?i:by|without)\b)`)
	afterName      = regexp.MustCompile(`^\s*(?:[{\[]|=|!|(?i:offset)\b)`)
	afterDigits    = regexp.MustCompile(`^(?:ms|[smhdwy])(?:[\s\])+*/:-]|$)`)
)

// nearby is how far before a variable its place is looked for, in bytes.
const nearby = 512

// placer finds variables and their places by a walk over the text.
type placer struct {
	text      string
	variables []Variable
	found     []maskedVariable
	quote     byte // of the string that is open, or 0
	comment   bool
	brackets  int // 1 within a range
}

// placeVariables finds the variables of a query outside of its comments, and what each stands for.
func placeVariables(text string) []maskedVariable {
	p := placer{text: text, variables: FindVariables(text)}
	for i := 0; i < len(text); {
		if len(p.variables) > 0 && i == p.variables[0].Start {
			v := p.variables[0]
			p.variables = p.variables[1:]
			if !p.comment {
				p.found = append(p.found, maskedVariable{v, p.place(v)})
			}
			i = v.End
			continue
		}
		i += p.step(i)
	}
	return p.found
}

// step takes the character at i into account, and returns its length.
func (p *placer) step(i int) int {
	c := p.text[i]
	switch {
	case p.comment:
		p.comment = c != '\n'
	case p.quote != 0:
		if c == '\\' && p.quote != '`' && i+1 < len(p.text) {
			return 2
		}
		if c == p.quote {
			p.quote = 0
		}
	case c == '#':
		p.comment = true
	case c == '"', c == '\'', c == '`':
		p.quote = c
	case c == '[':
		p.brackets = 1
	case c == ']':
		p.brackets = 0
	}
	return 1
}

func (p *placer) place(v Variable) place {
	before, after := p.text[max(0, v.Start-nearby):v.Start], p.text[v.End:]
	switch {
	case p.quote != 0:
		return placeText
	case p.brackets > 0 || beforeDuration.MatchString(before):
		if afterDigits.MatchString(after) {
			return placeDigits
		}
		return placeDuration
	case p.joined(v):
		return placeText
	case beforeLabel.MatchString(before):
		return placeName
	case afterFunction.MatchString(after):
		return placeFunction
	case afterName.MatchString(after):
		return placeName
	default:
		return placeNumber
	}
}

// joined says whether the variable is part of a longer name.
func (p *placer) joined(v Variable) bool {
	if v.Start > 0 && isNameByte(p.text[v.Start-1]) || v.End < len(p.text) && isNameByte(p.text[v.End]) {
		return true
	}
	last := len(p.found) - 1
	return last >= 0 && p.found[last].End == v.Start || len(p.variables) > 0 && p.variables[0].Start == v.End
}

func isNameByte(c byte) bool {
	return c == '_' || c == ':' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// functionMasks stand for functions and aggregations that a variable names, the shortest first: a placeholder must not
// be longer than the variable.
var functionMasks = [...]string{"ln", "sum", "rate", "topk", "quantile_over_time"}

// mask is the text with placeholders of the same length in place of variables, so that it parses and positions stay.
// choices says for variables whose place is not certain which placeholder to take.
func mask(text string, variables []maskedVariable, choices []int) string {
	b := []byte(text)
	for i, v := range variables {
		place, of := b[v.Start:v.End], v.place
		if of == placeNumber && choices[i] > 0 {
			of = placeName
		}
		switch of {
		case placeText, placeName:
			fill(place, "", 'v')
		case placeDigits:
			fill(place, "", '1')
		case placeDuration:
			fill(place, "", '0')
			copy(place[len(place)-2:], "1s")
		case placeNumber:
			fill(place, "", '0') // up to its end, so that positions of what ends here are right
			place[len(place)-1] = '1'
		case placeFunction:
			fill(place, functionMasks[choices[i]], ' ')
		}
	}
	return string(b)
}

func fill(b []byte, with string, rest byte) {
	for i := copy(b, with); i < len(b); i++ {
		b[i] = rest
	}
}

// alternatives is the number of placeholders that may be tried for a variable.
func (v *maskedVariable) alternatives() int {
	switch v.place {
	case placeNumber:
		return 2
	case placeFunction:
		n := 1
		for n < len(functionMasks) && len(functionMasks[n]) <= v.End-v.Start {
			n++
		}
		return n
	default:
		return 1
	}
}
