package migrate

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"

	"loggregator_exporter/migrate/promql"
)

// flow says how the values of a node differ from those before: the new ones are the old ones * mul / div.
type flow struct {
	mul, div float64
	// zero: they are 0, whatever the unit.
	zero bool
	// constants are multiplications and divisions by numbers that the values went through.
	constants []constant
}

// constant is a multiplication or division by a number.
type constant struct {
	divides bool
	value   float64
	at      promql.Span // of the number and its operator
	onLeft  bool        // the number stands before the operator
}

var plain = flow{mul: 1, div: 1}

func (f flow) same(g flow) bool { return f.mul*g.div == g.mul*f.div }

func (f flow) isPlain() bool { return f.mul == f.div }

// keepValues makes the new query give values in the unit of the old one.
func (r *rewriter) keepValues() error {
	f, err := r.valuesOf(r.q.Expr)
	if err != nil {
		return err
	}
	return r.settle(r.q.Expr, f)
}

func (r *rewriter) valuesOf(n parser.Expr) (flow, error) {
	switch n := n.(type) {
	case *parser.VectorSelector:
		if s := r.translationOf(n); s != nil {
			return flow{mul: s.mul, div: s.div}, nil
		}
		return plain, nil
	case *parser.NumberLiteral:
		return flow{mul: 1, div: 1, zero: n.Val == 0 && !r.q.HasVariable(r.q.SpanOf(n))}, nil
	case *parser.ParenExpr:
		return r.valuesOf(n.Expr)
	case *parser.UnaryExpr:
		return r.valuesOf(n.Expr)
	case *parser.SubqueryExpr:
		return r.valuesOf(n.Expr)
	case *parser.MatrixSelector:
		return r.valuesOf(n.VectorSelector)
	case *parser.AggregateExpr:
		return r.valuesOfAggregation(n)
	case *parser.Call:
		return r.valuesOfCall(n)
	case *parser.BinaryExpr:
		return r.valuesOfOperation(n)
	default:
		return plain, nil
	}
}

func (r *rewriter) valuesOfAggregation(n *parser.AggregateExpr) (flow, error) {
	if n.Param != nil { // a number, which may be made of series
		f, err := r.valuesOf(n.Param)
		if err == nil {
			err = r.settle(n.Param, f)
		}
		if err != nil {
			return f, err
		}
	}
	f, err := r.valuesOf(n.Expr)
	if err != nil {
		return f, err
	}
	switch n.Op {
	case parser.COUNT, parser.GROUP:
		return plain, nil
	case parser.COUNT_VALUES:
		if !f.isPlain() {
			return plain, errors.New("count_values writes values as text, which a conversion of the unit may round")
		}
		return plain, nil
	case parser.STDVAR:
		return flow{mul: f.mul * f.mul, div: f.div * f.div}, nil
	default:
		return f, nil
	}
}

// proportional are the functions whose result grows with the values of their range or vector.
var proportional = map[string]bool{
	"rate": true, "irate": true, "increase": true, "delta": true, "idelta": true, "deriv": true,
	"avg_over_time": true, "min_over_time": true, "max_over_time": true, "sum_over_time": true,
	"last_over_time": true, "first_over_time": true, "quantile_over_time": true, "stddev_over_time": true,
	"mad_over_time": true, "predict_linear": true, "double_exponential_smoothing": true,
	"abs": true, "sort": true, "sort_desc": true, "sort_by_label": true, "sort_by_label_desc": true,
	"label_replace": true, "label_join": true, "scalar": true, "vector": true,
}

// counting are the functions whose result does not depend on the unit.
var counting = map[string]bool{
	"count_over_time": true, "changes": true, "resets": true, "present_over_time": true, "absent": true,
	"absent_over_time": true, "timestamp": true, "sgn": true, "histogram_quantile": true,
}

func (r *rewriter) valuesOfCall(n *parser.Call) (flow, error) {
	var of flow
	found := false
	for _, a := range n.Args {
		f, err := r.valuesOf(a)
		if err != nil {
			return f, err
		}
		if t := a.Type(); !found && t != parser.ValueTypeString && (t != parser.ValueTypeScalar || len(n.Args) == 1) {
			of, found = f, true
			if !passes(n) {
				if err := r.settle(a, f); err != nil {
					return f, err
				}
			}
			continue
		}
		if err := r.settle(a, f); err != nil {
			return f, err
		}
	}
	switch {
	case n.Func.Name == "stdvar_over_time":
		return flow{mul: of.mul * of.mul, div: of.div * of.div}, nil
	case found && (proportional[n.Func.Name] || passes(n) && strings.HasPrefix(n.Func.Name, "clamp")):
		return of, nil
	default:
		return plain, nil
	}
}

// passes says whether a function may have values in another unit than before.
func passes(n *parser.Call) bool {
	name := n.Func.Name
	if strings.HasPrefix(name, "clamp") {
		for _, a := range n.Args[1:] {
			if v, ok := numberOf(a); !ok || v != 0 {
				return false
			}
		}
		return true
	}
	return proportional[name] || counting[name] || name == "stdvar_over_time"
}

// numberOf calculates an expression of numbers.
func numberOf(n parser.Expr) (float64, bool) {
	switch n := n.(type) {
	case *parser.NumberLiteral:
		return n.Val, true
	case *parser.ParenExpr:
		return numberOf(n.Expr)
	case *parser.UnaryExpr:
		v, ok := numberOf(n.Expr)
		if n.Op == parser.SUB {
			v = -v
		}
		return v, ok
	case *parser.BinaryExpr:
		a, ok := numberOf(n.LHS)
		b, also := numberOf(n.RHS)
		if !ok || !also {
			return 0, false
		}
		switch n.Op {
		case parser.MUL:
			return a * b, true
		case parser.DIV:
			return a / b, true
		case parser.ADD:
			return a + b, true
		case parser.SUB:
			return a - b, true
		case parser.POW:
			return math.Pow(a, b), true
		}
	}
	return 0, false
}

// number is numberOf for what holds no variable.
func (r *rewriter) number(n parser.Expr) (float64, bool) {
	if r.q.HasVariable(r.q.SpanOf(n)) {
		return 0, false
	}
	return numberOf(n)
}

func (r *rewriter) valuesOfOperation(n *parser.BinaryExpr) (flow, error) {
	left, err := r.valuesOf(n.LHS)
	if err != nil {
		return left, err
	}
	right, err := r.valuesOf(n.RHS)
	if err != nil {
		return right, err
	}
	if fills(n) {
		return plain, r.settleBoth(n, left, right)
	}
	switch n.Op {
	case parser.LAND, parser.LUNLESS:
		return left, nil
	case parser.MUL, parser.DIV:
		return r.valuesOfProduct(n, left, right), nil
	case parser.MOD, parser.POW, parser.ATAN2:
		return plain, r.settleBoth(n, left, right)
	}
	result := left
	switch {
	case left.zero:
		result = right
	case right.zero:
	case !left.same(right):
		result, err = plain, r.settleBoth(n, left, right)
	default:
		result.constants = nil
	}
	if n.Op.IsComparisonOperator() && n.ReturnBool {
		result = plain
	}
	return result, err
}

// fills says whether a number other than 0, which is in the old unit, stands for series that are missing on a side.
func fills(n *parser.BinaryExpr) bool {
	if n.VectorMatching == nil {
		return false
	}
	fill := n.VectorMatching.FillValues
	return fill.LHS != nil && *fill.LHS != 0 || fill.RHS != nil && *fill.RHS != 0
}

func (r *rewriter) settleBoth(n *parser.BinaryExpr, left, right flow) error {
	if err := r.settle(n.LHS, left); err != nil {
		return err
	}
	return r.settle(n.RHS, right)
}

func (r *rewriter) valuesOfProduct(n *parser.BinaryExpr, left, right flow) flow {
	value, isNumber := r.number(n.RHS)
	c := constant{
		divides: n.Op == parser.DIV, value: value,
		at: promql.Span{Start: r.q.SpanOf(n.LHS).End, End: r.q.SpanOf(n.RHS).End},
	}
	result := left
	if v, ok := r.number(n.LHS); !isNumber && ok && n.Op == parser.MUL {
		isNumber, result = true, right
		c.value, c.onLeft = v, true
		c.at = promql.Span{Start: r.q.SpanOf(n.LHS).Start, End: r.q.SpanOf(n.RHS).Start}
	}
	switch {
	case isNumber && c.value > 0:
		result.constants = append(slices.Clip(result.constants), c)
	case n.Op == parser.MUL:
		result.mul, result.div = left.mul*right.mul, left.div*right.div
	default:
		result.mul, result.div = left.mul*right.div, left.div*right.mul
	}
	result.zero = false
	return result
}

// settle changes a node so that its values are the old ones.
func (r *rewriter) settle(n parser.Expr, f flow) error {
	if f.isPlain() || f.zero {
		return nil
	}
	if _, ok := n.(*parser.MatrixSelector); ok {
		return fmt.Errorf("%s: the function needs values in the old unit, and the new series have another",
			shorten(r.q.TextOf(n)))
	}
	times := f.div / f.mul
	if r.foldConstants(f.constants, times) {
		return nil
	}
	text := factorText(times)
	before, after := "", text
	if b, ok := n.(*parser.BinaryExpr); ok && b.Op != parser.MUL && b.Op != parser.DIV && b.Op != parser.MOD &&
		b.Op != parser.POW {
		before, after = "(", ")"+text
	}
	if r.bindsTighter(n) {
		before, after = "("+before, after+")"
	}
	r.wrap(n, before, after)
	r.note("the new series are in another unit:%s gives the values of the old one", text)
	return nil
}

// bindsTighter says whether a node stands where a product needs parentheses.
func (r *rewriter) bindsTighter(n parser.Expr) bool {
	switch p := r.parents[n].(type) {
	case *parser.SubqueryExpr:
		return true
	case *parser.BinaryExpr:
		return p.Op == parser.POW || p.RHS == n && (p.Op == parser.MUL || p.Op == parser.DIV || p.Op == parser.MOD)
	default:
		return false
	}
}

// foldConstants lets numbers that the author wrote do the conversion: it takes them away where they did just that, or
// writes what is left of them.
func (r *rewriter) foldConstants(all []constant, times float64) bool {
	rest, used := times, 0
	for used < len(all) && !nearly(rest, 1) {
		c := all[len(all)-1-used]
		less := rest / c.value
		if !c.divides {
			less = rest * c.value
		}
		leavesMore := math.Abs(math.Log(less)) >= math.Abs(math.Log(rest))
		if !whole(less) && !whole(1/less) || leavesMore || c.onLeft && !nearly(less, 1) {
			break
		}
		rest = less
		used++
	}
	for i, c := range all[len(all)-used:] {
		if i == used-1 && !nearly(rest, 1) {
			r.edit(c.at, factorText(rest))
		} else {
			r.edit(c.at, "")
		}
	}
	return used > 0
}

func nearly(a, b float64) bool { return math.Abs(a-b) < 1e-9*math.Abs(b) }

func whole(v float64) bool { return v >= 1-1e-9 && nearly(v, math.Round(v)) }

// factorText is a multiplication by a number, as people write it.
func factorText(times float64) string {
	operator, value := " * ", times
	if times < 1 {
		operator, value = " / ", 1/times
	}
	if nearly(value, math.Round(value)) {
		value = math.Round(value)
	}
	n := 0
	for v := value; v >= 1024 && math.Mod(v, 1024) == 0; v /= 1024 {
		if n++; v == 1024 {
			return strings.Repeat(operator+"1024", n)
		}
	}
	text := strconv.FormatFloat(value, 'f', -1, 64)
	if e := strconv.FormatFloat(value, 'g', -1, 64); len(e) < len(text) {
		text = strings.Replace(e, "e+0", "e", 1)
	}
	return operator + text
}
