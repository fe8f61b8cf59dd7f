package api

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestCursor(t *testing.T) {
	c := cursor{Query: 7, Key: []byte("a\xff"), Text: [][]byte{[]byte("\x00"), []byte("b")}, Number: -1}
	got, err := decodeCursor(c.encode(), 7)
	if err != nil || !reflect.DeepEqual(*got, c) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := decodeCursor("", 7); got != nil || err != nil {
		t.Error(got, err)
	}
	for text, want := range map[string]string{
		"!":                              "none of this API",
		"YQ":                             "none of this API",
		strings.Repeat("a", 1+16<<10):    "too long",
		(&cursor{Query: 8}).encode():     "another query",
		(&cursor{Query: 7}).encode()[1:]: "none of this API",
	} {
		if _, err := decodeCursor(text, 7); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add((&cursor{Query: 1, Key: []byte("k"), Text: [][]byte{[]byte("t")}, Number: 3}).encode())
	f.Add("e30")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := decodeCursor(text, 0)
		if err != nil || c == nil {
			return
		}
		again, err := decodeCursor(c.encode(), 0)
		if err != nil || again.Number != c.Number || string(again.Key) != string(c.Key) || len(again.Text) != len(c.Text) {
			t.Errorf("%+v, then %+v, %v", c, again, err)
		}
	})
}

func FuzzQueries(f *testing.F) {
	f.Add("search=a&state=conflict&limit=5&order=desc&sort=series&cursor=e30")
	f.Add("name=a&tag=b=c&tag=d&kind=timer&series=200")
	f.Add("limit=99999999999999999999&limit=2&%zz")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if q, err := ParseNamesQuery(values); err == nil && (q.Limit < 1 || q.Limit > maxLimit || nameKeys[q.Sort] == nil) {
			t.Errorf("%q: %+v", query, q)
		}
		if q, err := ParseExplainQuery(values); err == nil && (q.Name == "" || q.Series < 0 || q.Series > maxLiveSeries) {
			t.Errorf("%q: %+v", query, q)
		}
		if q, err := ParseRulesQuery(values); err == nil && (q.Limit < 1 || q.Limit > maxLimit) {
			t.Errorf("%q: %+v", query, q)
		}
		if q, err := ParseCardinalityQuery(values); err == nil && (q.Limit < 1 || q.Limit > maxLimit) {
			t.Errorf("%q: %+v", query, q)
		}
		if q, err := ParseTryQuery(values); err == nil && (q.Limit < 1 || q.Limit > maxLimit) {
			t.Errorf("%q: %+v", query, q)
		}
		_, _ = ParseRuleFile(values)
	})
}
