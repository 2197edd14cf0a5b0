package jinja

import (
	"math"
	"math/big"
	"strings"
)

// percent is printf-style formatting, format % values.
type percentFormat struct {
	in     *interp
	format string
	pos    int
	values []any // of a tuple, or the one value
	used   int
	dict   any // where keys in parentheses are looked up; missing if the values are no mapping
	out    strings.Builder
}

func (in *interp) percent(format string, v any) any {
	p := &percentFormat{in: in, format: format, values: []any{v}, dict: missing}
	switch t := v.(type) {
	case *Tuple:
		p.values = t.Items
	case *Dict, *List, *rangeValue, *undefined: // what has __getitem__ and is no text
		p.dict = v
	}
	for p.pos < len(format) {
		n := strings.IndexByte(format[p.pos:], '%')
		if n < 0 {
			n = len(format) - p.pos
		}
		p.out.WriteString(format[p.pos : p.pos+n])
		if p.pos += n; p.pos == len(format) {
			break
		}
		p.pos++
		p.field()
		in.made(0)
		if p.out.Len() > maxText {
			in.made(p.out.Len())
		}
	}
	if p.used < len(p.values) && p.dict == missing {
		fail(typeError, "not all arguments converted during string formatting")
	}
	in.made(p.out.Len())
	return p.out.String()
}

func (p *percentFormat) char() byte {
	if p.pos >= len(p.format) {
		fail(valueError, "incomplete format")
	}
	p.pos++
	return p.format[p.pos-1]
}

func (p *percentFormat) take() any {
	if p.used >= len(p.values) {
		fail(typeError, "not enough arguments for format string")
	}
	p.used++
	return p.values[p.used-1]
}

// key reads (name), and returns the value of that name.
func (p *percentFormat) key() any {
	if p.dict == missing {
		fail(typeError, "format requires a mapping")
	}
	start, depth := p.pos, 1
	for depth > 0 {
		if p.pos >= len(p.format) {
			fail(valueError, "incomplete format key")
		}
		switch p.char() {
		case '(':
			depth++
		case ')':
			depth--
		}
	}
	name := p.format[start : p.pos-1]
	d, ok := p.dict.(*Dict)
	if !ok {
		if u, ok := p.dict.(*undefined); ok {
			u.fail()
		}
		fail(typeError, "%s indices must be integers or slices, not str", typeName(p.dict))
	}
	v, ok := d.Get(name)
	if !ok {
		fail(keyError, "%s", quote(name))
	}
	return v
}

// size reads a width or precision; star is a value.
func (p *percentFormat) size(c *byte) (int, bool) {
	if *c == '*' {
		n, ok := p.take().(int)
		if !ok {
			fail(typeError, "* wants int")
		}
		*c = p.char()
		return n, true
	}
	n, found := 0, false
	for isDigit(*c) {
		if n = n*10 + int(*c-'0'); n > maxText {
			fail(valueError, "width or precision too big")
		}
		found = true
		*c = p.char()
	}
	return n, found
}

func (p *percentFormat) field() {
	c := p.char()
	value := any(missing)
	if c == '(' {
		value = p.key()
		p.used = len(p.values) // the mapping as a whole counts as used
		c = p.char()
	}
	spec := formatSpec{precision: -1, fill: ' '}
	left := false
	for ; strings.IndexByte("-+ #0", c) >= 0; c = p.char() {
		switch c {
		case '-':
			left = true
		case '+':
			spec.sign = '+'
		case ' ':
			if spec.sign != '+' {
				spec.sign = ' '
			}
		case '#':
			spec.alternate = true
		case '0':
			spec.zero = true
		}
	}
	if n, ok := p.size(&c); ok {
		if spec.width = n; n < 0 {
			left, spec.width = true, -n
		}
	}
	if c == '.' {
		c = p.char()
		n, _ := p.size(&c)
		spec.precision = max(n, 0)
	}
	if strings.IndexByte("hlL", c) >= 0 {
		c = p.char()
	}
	if c == '%' {
		p.out.WriteByte('%')
		return
	}
	if value == missing {
		value = p.take()
	}
	spec.align = '>'
	if left {
		spec.align, spec.zero = '<', false
	}
	p.out.WriteString(p.convert(c, value, spec))
}

func (p *percentFormat) convert(c byte, v any, spec formatSpec) string {
	switch c {
	case 's', 'r', 'a':
		spec.zero, spec.sign = false, 0
		text := p.in.str(v)
		if c != 's' {
			text = p.in.repr(v)
		}
		if c == 'a' {
			text = asciiOnly(text)
		}
		return spec.pad(p.in, spec.cut(text), "")
	case 'c':
		spec.zero = false
		if s, ok := isString(v); ok {
			if n, _ := lengthOf(s); n != 1 {
				fail(typeError, "%%c requires int or char")
			}
			return spec.pad(p.in, s, "")
		}
		n, ok := number(v)
		if _, isFloat := n.(float64); !ok || isFloat {
			fail(typeError, "%%c requires int or char")
		}
		return spec.pad(p.in, character(clamp(n)), "")
	}
	if u, ok := v.(*undefined); ok && strings.IndexByte("eEfFgGdiu", c) >= 0 {
		u.fail()
	}
	x, ok := number(v)
	switch {
	case strings.IndexByte("diuoxX", c) >= 0:
		f, isFloat := x.(float64)
		if !ok || isFloat && strings.IndexByte("oxX", c) >= 0 {
			fail(typeError, "%%%c format: a number is required, not %s", c, typeName(v))
		}
		if isFloat {
			x = truncated(f)
		}
		if strings.IndexByte("iu", c) >= 0 {
			c = 'd'
		}
		return spec.percentInt(p.in, whole(x), c)
	case strings.IndexByte("eEfFgG", c) >= 0:
		if !ok {
			fail(typeError, "must be real number, not %s", typeName(v))
		}
		if spec.precision < 0 {
			spec.precision = 6
		}
		return spec.float(p.in, toFloat(x), c)
	}
	fail(valueError, "unsupported format character '%c' (0x%x)", c, c)
	return ""
}

// truncated is Python's int of a float.
func truncated(f float64) any {
	if math.IsNaN(f) {
		fail(valueError, "cannot convert float NaN to integer")
	}
	if math.IsInf(f, 0) {
		fail(overflowError, "cannot convert float infinity to integer")
	}
	i, _ := big.NewFloat(f).Int(nil)
	return norm(i)
}

// percentInt writes a whole number, whose precision is the least number of digits.
func (s *formatSpec) percentInt(in *interp, x *big.Int, c byte) string {
	digits, prefix := s.digits(x, c)
	if s.precision > len(digits) {
		in.made(s.precision)
		digits = strings.Repeat("0", s.precision-len(digits)) + digits
	}
	return s.pad(in, digits, s.signOf(x.Sign() < 0)+prefix)
}
