package documents

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// treeReader counts what it reads.
type treeReader struct {
	nodes int
}

func (r *treeReader) count() error {
	if r.nodes++; r.nodes > maxNodes {
		return fmt.Errorf("more than %d values in one document", maxNodes)
	}
	return nil
}

// jsonReader reads the tree of one JSON text. Offsets are those in the text.
type jsonReader struct {
	treeReader
	text    string
	decoder *json.Decoder
}

func readJSON(text string) (*node, error) {
	// A byte order mark is read as blanks, so that offsets stay.
	if marked, ok := strings.CutPrefix(text, byteOrderMark); ok {
		text = strings.Repeat(" ", len(byteOrderMark)) + marked
	}
	r := jsonReader{text: text, decoder: json.NewDecoder(strings.NewReader(text))}
	r.decoder.UseNumber()
	root, err := r.value(0)
	if err == nil {
		if _, err = r.decoder.Token(); errors.Is(err, io.EOF) {
			return root, nil
		}
		if err == nil {
			err = errors.New("the document goes on after its end")
		}
	}
	offset := int(r.decoder.InputOffset())
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = int(syntax.Offset)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		offset, err = len(strings.TrimRight(text, " \t\r\n")), errors.New("the file ends in the middle of the document")
	}
	return nil, fmt.Errorf("line %d: %w", linesOf(text).at(min(offset, len(text))), err)
}

func (r *jsonReader) value(depth int) (*node, error) {
	if err := r.count(); err != nil {
		return nil, err
	}
	start := int(r.decoder.InputOffset())
	token, err := r.decoder.Token()
	if err != nil {
		return nil, err
	}
	start += len(r.text[start:]) - len(strings.TrimLeft(r.text[start:], " \t\r\n,:"))
	n := &node{start: start, end: int(r.decoder.InputOffset()), style: jsonStyle}
	switch t := token.(type) {
	case string:
		n.kind, n.value = stringNode, t
	case json.Number:
		n.kind, n.value = numberNode, t.String()
	case json.Delim:
		if depth == maxDepth {
			return nil, fmt.Errorf("values are nested more than %d levels deep", maxDepth)
		}
		n.kind = arrayNode
		if t == '{' {
			n.kind = objectNode
		}
		if err := r.children(n, depth+1); err != nil {
			return nil, err
		}
		if _, err := r.decoder.Token(); err != nil { // the closing bracket
			return nil, err
		}
	default:
		n.kind = otherNode
	}
	return n, nil
}

func (r *jsonReader) children(n *node, depth int) error {
	seen := make(map[string]bool)
	for r.decoder.More() {
		if n.kind == objectNode {
			key, err := r.value(depth)
			if err != nil {
				return err
			}
			if seen[key.value] {
				return fmt.Errorf("the key %q stands twice in one object", key.value)
			}
			seen[key.value] = true
			n.addKey(key)
		}
		value, err := r.value(depth)
		if err != nil {
			return err
		}
		n.add(value)
	}
	return nil
}

func (n *node) addKey(key *node) {
	key.parent, key.position = n, len(n.keys)
	n.keys = append(n.keys, key)
}

func (n *node) add(value *node) {
	value.parent, value.position = n, len(n.items)
	n.items = append(n.items, value)
}

// jsonLayer decodes the string literal at an offset of a text, which is known to be valid.
func jsonLayer(parent *layer, start, end int) *layer {
	raw := parent.text[start:end]
	var d decoded
	for i := 1; i < len(raw)-1; {
		_, size := utf8.DecodeRuneInString(raw[i:])
		piece := raw[i : i+size]
		if raw[i] == '\\' {
			piece, size = jsonEscape(raw[i:])
		}
		d.add(piece, start+i)
		i += size
	}
	return d.layer(parent, end-1, jsonEscaper(raw, parent))
}

// jsonEscape returns what an escape stands for, and its length.
func jsonEscape(raw string) (string, int) {
	const short = `"\/bfnrt`
	if i := strings.IndexByte(short, raw[1]); i >= 0 {
		return "\"\\/\b\f\n\r\t"[i : i+1], 2
	}
	r := hexRune(raw[2:])
	if utf16.IsSurrogate(r) {
		if strings.HasPrefix(raw[6:], `\u`) {
			if pair := utf16.DecodeRune(r, hexRune(raw[8:])); pair != utf8.RuneError {
				return string(pair), 12
			}
		}
		r = utf8.RuneError
	}
	return string(r), 6
}

func hexRune(digits string) rune {
	r, err := strconv.ParseUint(digits[:4], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(r)
}

// jsonEscaper writes a piece of a string as the author of a document writes strings: some programs escape <, > and &,
// some the slash.
func jsonEscaper(literal string, document *layer) func(string) string {
	if document.escapes == nil {
		document.escapes = authorsEscapes(document.text)
	}
	return func(piece string) string {
		var b strings.Builder
		for _, r := range piece {
			escaped, often := document.escapes[r]
			switch {
			case r == '"' || r == '\\':
				b.WriteByte('\\')
				b.WriteRune(r)
			case r == '\n':
				b.WriteString(`\n`)
			case r == '\t':
				b.WriteString(`\t`)
			case r == '\r':
				b.WriteString(`\r`)
			case r < ' ':
				fmt.Fprintf(&b, `\u%04x`, r)
			case often && !strings.ContainsRune(strings.ReplaceAll(literal, escaped, ""), r):
				b.WriteString(escaped)
			default:
				b.WriteRune(r)
			}
		}
		return b.String()
	}
}

// authorsEscapes finds how characters are escaped in a document that need not be.
func authorsEscapes(text string) map[rune]string {
	escapes := make(map[rune]string)
	for _, r := range "<>&'/" {
		for _, escaped := range []string{fmt.Sprintf(`\u%04x`, r), fmt.Sprintf(`\u%04X`, r), `\` + string(r)} {
			if strings.Contains(text, escaped) {
				escapes[r] = escaped
				break
			}
		}
	}
	return escapes
}
