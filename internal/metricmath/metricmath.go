// Package metricmath computes the metric math of CloudWatch alarms, as far as this program's alarms use it: numbers, the ids
// of metrics, + - * /, comparisons, and FILL.
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
package metricmath

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
)

// Eval computes an expression for one period. The values are those of the metrics by id; one that is not there is missing
// in this period. Ok is false if the result is missing: a part of it is, or it is divided by zero. The error is what
// CloudWatch, or this package, does not take; it depends on the expression and on known alone.
func Eval(expression string, known []string, values map[string]float64) (result float64, ok bool, err error) {
	tree, err := parser.ParseExpr(expression) // the notation of Go has the same operators in the same order
	if err != nil {
		return 0, false, fmt.Errorf("metric math %q: %w", expression, err)
	}
	e := evaluation{values: values, known: map[string]bool{}}
	for _, id := range known {
		e.known[id] = true
	}
	result, ok = e.eval(tree)
	if e.refused != "" {
		return 0, false, fmt.Errorf("metric math %q: %s", expression, e.refused)
	}
	return result, ok, nil
}

type evaluation struct {
	known   map[string]bool
	values  map[string]float64
	refused string
}

func (e *evaluation) eval(tree ast.Expr) (float64, bool) {
	switch x := tree.(type) {
	case *ast.ParenExpr:
		return e.eval(x.X)
	case *ast.BasicLit:
		if number, err := strconv.ParseFloat(x.Value, 64); err == nil {
			return number, true
		}
	case *ast.Ident:
		if e.known[x.Name] {
			value, ok := e.values[x.Name]
			return value, ok
		}
		e.refused = "there is no metric " + x.Name
		return 0, false
	case *ast.CallExpr:
		if name, isName := x.Fun.(*ast.Ident); isName && name.Name == "FILL" && len(x.Args) == 2 {
			value, ok := e.eval(x.Args[0])
			filler, filled := e.eval(x.Args[1])
			if ok {
				return value, true
			}
			return filler, filled
		}
	case *ast.BinaryExpr:
		a, okA := e.eval(x.X)
		b, okB := e.eval(x.Y)
		if compute := operators[x.Op]; compute != nil {
			return compute(a, b), okA && okB && (x.Op != token.QUO || b != 0)
		}
	}
	e.refused = fmt.Sprintf("this part is not known: %T", tree)
	return 0, false
}

var operators = map[token.Token]func(a, b float64) float64{
	token.ADD: func(a, b float64) float64 { return a + b },
	token.SUB: func(a, b float64) float64 { return a - b },
	token.MUL: func(a, b float64) float64 { return a * b },
	token.QUO: func(a, b float64) float64 { return a / b },
	token.GTR: func(a, b float64) float64 { return truth(a > b) },
	token.GEQ: func(a, b float64) float64 { return truth(a >= b) },
	token.LSS: func(a, b float64) float64 { return truth(a < b) },
	token.LEQ: func(a, b float64) float64 { return truth(a <= b) },
	token.EQL: func(a, b float64) float64 { return truth(a == b) },
	token.NEQ: func(a, b float64) float64 { return truth(a != b) },
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
