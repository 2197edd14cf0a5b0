package jinja

import (
	"math"
	"math/big"
	"strings"
)

// norm returns a whole number as an int where it fits.
func norm(i *big.Int) any {
	if i.IsInt64() {
		return int(i.Int64())
	}
	if i.BitLen() > maxIntBits {
		fail(limitReached, "a number has more than %d bits", maxIntBits)
	}
	return i
}

// whole returns an int as a big one.
func whole(v any) *big.Int {
	switch v := v.(type) {
	case int:
		return big.NewInt(int64(v))
	case *big.Int:
		return v
	}
	return nil
}

// toFloat is Python's float of a number.
func toFloat(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		if math.IsInf(f, 0) {
			fail(overflowError, "int too large to convert to float")
		}
		return f
	}
	return v.(float64)
}

func (in *interp) unary(op string, v any) any {
	if u, ok := v.(*undefined); ok {
		u.fail()
	}
	x, ok := number(v)
	if !ok {
		fail(typeError, "bad operand type for unary %s: '%s'", op, typeName(v))
	}
	if op == "+" {
		return x
	}
	if f, ok := x.(float64); ok {
		return -f
	}
	return norm(new(big.Int).Neg(whole(x)))
}

// binary is an arithmetic operator, of numbers, texts and lists.
func (in *interp) binary(op string, a, b any) any {
	if v, ok := a.(*view); ok && op == "-" && v.kind != "dict_values" {
		refuse("- of the keys or items of a dict", "choose them with reject")
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(*undefined); ok && (op != "%" || !isText(a)) {
			u.fail()
		}
	}
	x, okX := number(a)
	y, okY := number(b)
	switch {
	case okX && okY:
		_, floatX := x.(float64)
		_, floatY := y.(float64)
		if floatX || floatY || op == "/" {
			return floats(op, x, y)
		}
		return ints(op, x, y)
	case op == "+":
		if v := in.join(a, b); v != nil {
			return v
		}
	case op == "*" && okY:
		if v := in.repeat(a, y); v != nil {
			return v
		}
	case op == "*" && okX:
		if v := in.repeat(b, x); v != nil {
			return v
		}
	case op == "%":
		if s, ok := a.(string); ok {
			return in.percent(s, b)
		}
		if _, ok := a.(markup); ok {
			refuse("% of text that is marked as safe", "format the text before it is escaped")
		}
	}
	if op == "+" {
		if _, ok := isString(a); ok {
			fail(typeError, `can only concatenate str (not "%s") to str`, typeName(b))
		}
	}
	fail(typeError, "unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(a), typeName(b))
	return nil
}

func isText(v any) bool {
	_, ok := isString(v)
	return ok
}

// join is + of texts, lists and tuples; nil for anything else.
func (in *interp) join(a, b any) any {
	s, okS := isString(a)
	if t, ok := isString(b); ok && okS {
		_, safeA := a.(markup)
		_, safeB := b.(markup)
		if safeA || safeB {
			u := markup(escapeHTML(a)) + markup(escapeHTML(b))
			in.made(len(u))
			return u
		}
		in.made(len(s) + len(t))
		return s + t
	}
	switch a := a.(type) {
	case *List:
		if b, ok := b.(*List); ok {
			in.items(len(a.Items) + len(b.Items))
			return &List{append(append([]any(nil), a.Items...), b.Items...)}
		}
	case *Tuple:
		if b, ok := b.(*Tuple); ok {
			in.items(len(a.Items) + len(b.Items))
			return &Tuple{Items: append(append([]any(nil), a.Items...), b.Items...)}
		}
	}
	return nil
}

// repeat is * of a text, list or tuple and a whole number; nil for anything else.
func (in *interp) repeat(v, times any) any {
	if _, ok := times.(float64); ok {
		return nil
	}
	n := clamp(times)
	if _, ok := times.(*big.Int); ok && sliceable(v) && typeName(v) != "range" {
		fail(overflowError, "cannot fit 'int' into an index-sized integer")
	}
	size := func(one int) int {
		if one > 0 && n > maxText/one {
			fail(limitReached, "a repetition would have more than %d bytes", maxText)
		}
		return one * max(n, 0)
	}
	switch v := v.(type) {
	case string:
		in.made(size(len(v)))
		return strings.Repeat(v, max(n, 0))
	case markup:
		in.made(size(len(v)))
		return markup(strings.Repeat(string(v), max(n, 0)))
	case *List, *Tuple:
		items, _ := sequence(v)
		in.items(size(len(items)*bytesOfItem) / bytesOfItem)
		var out []any
		for range max(n, 0) * min(len(items), 1) {
			out = append(out, items...)
		}
		if _, ok := v.(*Tuple); ok {
			return &Tuple{Items: out}
		}
		return &List{out}
	}
	return nil
}

// clamp returns a whole number as an int, the nearest where it does not fit.
func clamp(v any) int {
	if i, ok := v.(int); ok {
		return i
	}
	if v.(*big.Int).Sign() < 0 {
		return math.MinInt
	}
	return math.MaxInt
}

// ints computes with whole numbers.
func ints(op string, a, b any) any {
	x, y := whole(a), whole(b)
	switch op {
	case "+":
		return norm(new(big.Int).Add(x, y))
	case "-":
		return norm(new(big.Int).Sub(x, y))
	case "*":
		return norm(new(big.Int).Mul(x, y))
	case "**":
		return power(x, y)
	}
	if y.Sign() == 0 {
		fail(zeroDivision, "integer division or modulo by zero")
	}
	q, m := new(big.Int).QuoRem(x, y, new(big.Int))
	if m.Sign() != 0 && m.Sign() != y.Sign() { // Python rounds down
		q.Sub(q, big.NewInt(1))
		m.Add(m, y)
	}
	if op == "//" {
		return norm(q)
	}
	return norm(m)
}

func power(x, y *big.Int) any {
	if y.Sign() < 0 {
		return floats("**", norm(x), norm(y))
	}
	if x.BitLen() <= 1 { // −1, 0, 1
		y = new(big.Int).Add(new(big.Int).And(y, big.NewInt(1)), big.NewInt(int64(2*y.Sign()))) // the parity is what counts
	} else if !y.IsInt64() || y.Int64() > maxIntBits || int64(x.BitLen()-1)*y.Int64() > maxIntBits {
		fail(limitReached, "a power has more than %d bits", maxIntBits)
	}
	return norm(new(big.Int).Exp(x, y, nil))
}

// floats computes with floats; / of whole numbers too.
func floats(op string, a, b any) any {
	if op == "/" {
		if x, y := whole(a), whole(b); x != nil && y != nil {
			if y.Sign() == 0 {
				fail(zeroDivision, "division by zero")
			}
			f, _ := new(big.Rat).SetFrac(x, y).Float64()
			if math.IsInf(f, 0) {
				fail(overflowError, "integer division result too large for a float")
			}
			return f
		}
	}
	x, y := toFloat(a), toFloat(b)
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "**":
		return floatPower(x, y)
	}
	if y == 0 {
		fail(zeroDivision, "float division by zero")
	}
	if op == "/" {
		return x / y
	}
	q, m := floatDivMod(x, y)
	if op == "//" {
		return q
	}
	return m
}

func floatPower(x, y float64) any {
	if x == 0 && y < 0 {
		fail(zeroDivision, "0.0 cannot be raised to a negative power")
	}
	if x < 0 && y != math.Trunc(y) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		refuse("a fractional power of a negative number", "its value is complex")
	}
	f := math.Pow(x, y)
	if math.IsInf(f, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		fail(overflowError, "(34, 'Numerical result out of range')")
	}
	return f
}

// floatDivMod is CPython's float_divmod.
func floatDivMod(x, y float64) (q, m float64) {
	m = math.Mod(x, y)
	q = (x - m) / y
	if m != 0 {
		if (y < 0) != (m < 0) {
			m += y
			q--
		}
	} else {
		m = math.Copysign(0, y)
	}
	if q == 0 {
		return math.Copysign(0, x/y), m
	}
	floor := math.Floor(q)
	if q-floor > 0.5 {
		floor++
	}
	return floor, m
}
