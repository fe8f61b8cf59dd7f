package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestTryNames: names that never came, and the tests of a file, are tried with the file and without it.
func TestTryNames(t *testing.T) {
	f := newFixture(t)
	f.gauge("shop", "shop.live.depth")
	report, err := f.Try(t.Context(), TryQuery{
		Text: []byte(`rules:
  - id: depth
    pattern: "shop.{queue}.depth"
    name: "shop.depth"
    when: {kind: counter, origin: shop, tags: {deployment: cf}}
  - {id: gone, pattern: "shop.{_}.gone", drop: true}
tests:
  - title: takes it
    given: {name: shop.mail.depth, origin: shop, kind: counter, tags: {deployment: cf}}
    expect: {metric: cf_shop_depth_total, tags: {queue: mail}}
  - given: {name: shop.mail.depth}
    expect: {rule: depth}
`),
		Given: []string{
			"shop.mail.depth", "{name: shop.mail.depth, origin: shop, kind: counter, tags: {deployment: cf}}", "shop.x.gone",
			"shop.live.depth", "{nam: a}", "{name: ", strings.Repeat("a", 1025),
		},
	})
	if err != nil || len(report.Errors) > 0 {
		t.Fatal(report, err)
	}
	var got []string
	for _, n := range report.Tried {
		line := fmt.Sprintf("%.16s%s|%d|%.60s", n.Given, n.SentBy, n.Line, n.Error)
		if n.Before != nil {
			line += fmt.Sprintf("|%s|%s|%s|%v", n.Before.Series, n.After.Series, n.After.Rule, n.After.Dropped)
		}
		got = append(got, line+fmt.Sprint(n.Failures))
	}
	const plain, taken = `cf_shop_mail_depth{}`, `cf_shop_depth_total{bosh_deployment="cf",component="shop",origin="shop",queue="mail"}`
	const live = `cf_live_depth{component="shop",origin="shop"}` // with the origin that it is sent by
	const counter = `cf_mail_depth_total{bosh_deployment="cf",component="shop",origin="shop"}`
	want := []string{
		"shop.mail.depth|0||" + plain + "|" + plain + "||false[]",
		"{name: shop.mail|0||" + counter + "|" + taken + "|depth|false[]",
		"shop.x.gone|0||cf_shop_x_gone{}||gone|true[]",
		"shop.live.depthshop|0||" + live + "|" + live + "|component/origin|false[]",
		`{nam: a}|0|unknown key "nam" in given (did you mean "name"?): known are[]`,
		"{name: |0|not valid YAML: while parsing a flow node: did not find expe[]",
		"aaaaaaaaaaaaaaaa|0|its name has 1025 bytes, the limit is 1024[]",
		"takes it|8||" + counter + "|" + taken + "|depth|false[]",
		"shop.mail.depth|11||" + plain + "|" + plain + `||false[rule: got "", want "depth"]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
