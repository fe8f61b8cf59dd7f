package api

import (
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
)

// maxCursorBytes bounds cursors: the longest holds a name and a metric, escaped.
const maxCursorBytes = 16 << 10

// cursor is where a page of a list ended. Clients see an opaque text. It names the last row rather than its number, so
// that rows that come and go in between neither repeat nor hide others.
type cursor struct {
	// Query is a checksum of the query that the page belongs to, without limit and cursor.
	Query uint32 `json:"q"`
	// Key is what the list is sorted by, of the last row; Text and Number tell rows with the same key apart. They are
	// bytes, since names need not be UTF-8.
	Key    []byte   `json:"k,omitempty"`
	Text   [][]byte `json:"t,omitempty"`
	Number int64    `json:"n,omitempty"`
	// Before says that the page ends before the row rather than after it.
	Before bool `json:"b,omitempty"`
}

// checksum stands for the parts of a query.
func checksum(parts ...string) uint32 {
	h := fnv.New32a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	return h.Sum32()
}

func (c *cursor) encode() string {
	text, err := json.Marshal(c)
	if err != nil {
		return "" // strings and numbers can always be written
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// page is a part of a list, and the cursors of those around it.
type page struct {
	from, to       int
	next, previous string
}

// pageAt cuts a page out of a list whose cursors are numbers of rows.
func pageAt(c *cursor, query uint32, rows, limit int) page {
	p := page{}
	if c != nil {
		p.from = int(min(max(c.Number, 0), int64(rows)))
	}
	p.to = min(p.from+limit, rows)
	at := func(row int) string { return (&cursor{Query: query, Number: int64(row)}).encode() }
	if p.to < rows {
		p.next = at(p.to)
	}
	if p.from > 0 {
		p.previous = at(max(0, p.from-limit))
	}
	return p
}

// decodeCursor reads a cursor of a query; nil if the text is empty.
func decodeCursor(text string, query uint32) (*cursor, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no cursor is the first page
	}
	const remedy = ": take it from next of the page before, or leave it out for the first page"
	if len(text) > maxCursorBytes {
		return nil, badData("cursor: it is too long" + remedy)
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, badData("cursor: it is none of this API" + remedy)
	}
	var c cursor
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, badData("cursor: it is none of this API" + remedy)
	}
	if c.Query != query {
		return nil, badData("cursor: it belongs to another query" + remedy)
	}
	return &c, nil
}
