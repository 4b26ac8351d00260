package demo

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// calculate is the value of an arithmetic expression, exact as long as it can be.
func calculate(expression string) (string, error) {
	if len(expression) > 200 {
		return "", fmt.Errorf("the expression is longer than 200 characters")
	}
	if strings.ContainsAny(expression, "eExX_") { // numbers that are larger than their text
		return "", fmt.Errorf("only numbers, + - * / and parentheses are understood")
	}
	e, err := parser.ParseExpr(expression)
	if err != nil {
		return "", fmt.Errorf("%q is not an arithmetic expression", expression)
	}
	v, err := value(e)
	if err != nil {
		return "", err
	}
	if i := constant.ToInt(v); i.Kind() == constant.Int {
		return i.ExactString(), nil
	}
	f, _ := constant.Float64Val(v)
	return strconv.FormatFloat(f, 'f', -1, 64), nil
}

func value(e ast.Expr) (constant.Value, error) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return value(e.X)
	case *ast.BasicLit:
		if e.Kind == token.INT || e.Kind == token.FLOAT {
			if v := constant.ToFloat(constant.MakeFromLiteral(e.Value, e.Kind, 0)); v.Kind() != constant.Unknown {
				return v, nil
			}
		}
	case *ast.UnaryExpr:
		x, err := value(e.X)
		if err != nil || e.Op != token.SUB {
			return x, err
		}
		return constant.UnaryOp(token.SUB, x, 0), nil
	case *ast.BinaryExpr:
		return binary(e)
	}
	return nil, fmt.Errorf("only numbers, + - * / and parentheses are understood")
}

func binary(e *ast.BinaryExpr) (constant.Value, error) {
	x, err := value(e.X)
	if err != nil {
		return nil, err
	}
	y, err := value(e.Y)
	if err != nil {
		return nil, err
	}
	switch e.Op {
	case token.QUO:
		if constant.Sign(y) == 0 {
			return nil, fmt.Errorf("division by zero")
		}
		return constant.BinaryOp(x, e.Op, y), nil
	case token.ADD, token.SUB, token.MUL:
		return constant.BinaryOp(x, e.Op, y), nil
	default:
		return nil, fmt.Errorf("only numbers, + - * / and parentheses are understood")
	}
}
