package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

func absolute(in *interp, x any, a *args) any {
	a.bind("abs")
	v, ok := number(x)
	if !ok {
		fail(typeError, "bad operand type for abs(): '%s'", typeName(x))
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f)
	}
	return norm(new(big.Int).Abs(whole(v)))
}

func intFilter(in *interp, x any, a *args) any {
	v := a.bind("int", "default?", "base?")
	if u, ok := x.(*undefined); ok {
		u.fail()
	}
	otherwise := or(v[0], 0)
	if s, ok := isString(x); ok {
		base := intArg("int", or(v[1], 10))
		if base == 0 || base >= 2 && base <= 36 {
			if i, ok := parseInt(s, base); ok {
				return i
			}
		}
		f, ok := parseFloat(s)
		if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
			return otherwise
		}
		return truncated(f)
	}
	n, ok := number(x)
	f, isFloat := n.(float64)
	switch {
	case !ok || isFloat && math.IsNaN(f):
		return otherwise
	case isFloat:
		return truncated(f)
	}
	return n
}

func floatFilter(_ *interp, x any, a *args) any {
	otherwise := or(a.bind("float", "default?")[0], 0.0)
	if u, ok := x.(*undefined); ok {
		u.fail()
	}
	if s, ok := isString(x); ok {
		if f, ok := parseFloat(s); ok {
			return f
		}
		return otherwise
	}
	if n, ok := number(x); ok {
		return toFloat(n)
	}
	return otherwise
}

func round(_ *interp, x any, a *args) any {
	v := a.bind("round", "precision?", "method?")
	method := or(v[1], "common")
	if method != "common" && method != "ceil" && method != "floor" {
		fail(argumentError, "method must be common, ceil or floor")
	}
	n, ok := number(x)
	if u, isU := x.(*undefined); isU && method != "common" {
		u.fail()
	}
	if !ok {
		fail(typeError, "type %s doesn't define __round__ method", typeName(x))
	}
	if method == "common" {
		precision := or(v[0], 0)
		if precision == nil {
			return roundTo(n, 0, true)
		}
		return roundTo(n, intArg("round", precision), false)
	}
	scale := ints("**", 10, intArg("round", or(v[0], 0)))
	scaled := floatsOrInts("*", n, scale)
	var i any
	if f, isFloat := scaled.(float64); isFloat {
		if method == "ceil" {
			i = truncated(math.Ceil(f))
		} else {
			i = truncated(math.Floor(f))
		}
	} else {
		i = scaled
	}
	return floats("/", i, scale)
}

func floatsOrInts(op string, a, b any) any {
	_, floatA := a.(float64)
	_, floatB := b.(float64)
	if floatA || floatB {
		return floats(op, a, b)
	}
	return ints(op, a, b)
}

// roundTo is Python's round: to the nearest, and of two to the even digit. Without a precision a float becomes whole.
func roundTo(x any, precision int, toInt bool) any {
	f, isFloat := x.(float64)
	switch {
	case !isFloat && precision >= 0:
		return x
	case !isFloat:
		return roundInt(whole(x), -precision)
	case toInt:
		return truncated(math.RoundToEven(f))
	case math.IsNaN(f) || math.IsInf(f, 0) || f == 0 || precision > 400:
		return f
	case precision >= 0:
		r, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', precision, 64), 64)
		if math.IsInf(r, 0) {
			fail(overflowError, "rounded value too large to represent")
		}
		return r
	case precision < -320:
		return math.Copysign(0, f)
	}
	// Tens and more: the exact value decides, which has a point where f is not whole.
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-precision)), nil)
	exact := new(big.Rat).SetFloat64(math.Abs(f))
	q := new(big.Rat).Quo(exact, new(big.Rat).SetInt(unit))
	n := halfEven(q.Num(), q.Denom())
	r, _ := new(big.Float).SetInt(n.Mul(n, unit)).Float64()
	return math.Copysign(r, f)
}

func roundInt(x *big.Int, digits int) any {
	if digits > maxDigits {
		return 0
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	n := halfEven(new(big.Int).Abs(x), unit)
	n.Mul(n, unit)
	if x.Sign() < 0 {
		n.Neg(n)
	}
	return norm(n)
}

// halfEven divides two numbers that are not negative, and rounds a half to the even number.
func halfEven(a, b *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(a, b, new(big.Int))
	switch r.Lsh(r, 1).Cmp(b) {
	case 1:
		q.Add(q, big.NewInt(1))
	case 0:
		q.Add(q, big.NewInt(int64(q.Bit(0))))
	}
	return q
}

func fileSize(in *interp, x any, a *args) any {
	binary := in.truth(or(a.bind("filesizeformat", "binary?")[0], false))
	if u, ok := x.(*undefined); ok {
		u.fail()
	}
	var size float64
	if s, ok := isString(x); ok {
		if size, ok = parseFloat(s); !ok {
			fail(valueError, "could not convert string to float: %s", quote(s))
		}
	} else if n, ok := number(x); ok {
		size = toFloat(n)
	} else {
		fail(typeError, "float() argument must be a string or a real number, not '%s'", typeName(x))
	}
	base, names := 1000.0, "kMGTPEZY"
	unit := "B"
	if binary {
		base, names, unit = 1024, "KMGTPEZY", "iB"
	}
	switch {
	case size == 1:
		return "1 Byte"
	case size < base:
		return fmt.Sprintf("%v Bytes", truncated(size))
	}
	limit := base
	for i := range names {
		if limit *= base; size < limit || i == len(names)-1 {
			text := strings.TrimSpace(strconv.FormatFloat(base*size/limit, 'f', 1, 64))
			return text + " " + names[i:i+1] + unit
		}
	}
	return nil
}
