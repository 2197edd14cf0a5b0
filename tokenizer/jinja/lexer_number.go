package jinja

import (
	"math/big"
	"strconv"
	"strings"
)

// digits returns the length of the digits that s begins with, with underscores between them.
func digits(s, set string) int {
	n := 0
	for n < len(s) {
		k := n
		if s[k] == '_' && n > 0 {
			k++
		}
		if k >= len(s) || strings.IndexByte(set, s[k]) < 0 {
			break
		}
		n = k + 1
	}
	return n
}

// number reads an integer or a float.
func (l *lexer) number(s string) {
	const decimal = "0123456789"
	whole := digits(s, decimal)
	end := whole
	if end+1 < len(s) && s[end] == '.' {
		if n := digits(s[end+1:], decimal); n > 0 {
			end += 1 + n
		}
	}
	if end < len(s) && s[end]|0x20 == 'e' {
		sign := 1
		if end+1 < len(s) && (s[end+1] == '+' || s[end+1] == '-') {
			sign = 2
		}
		if end+sign < len(s) {
			if n := digits(s[end+sign:], decimal); n > 0 {
				end += sign + n
			}
		}
	}
	if end > whole && (l.pos == 0 || l.src[l.pos-1] != '.') {
		f, _ := strconv.ParseFloat(strings.ReplaceAll(s[:end], "_", ""), 64) // out of range is infinity, as in Python
		l.add(token{kind: tokFloat, value: f})
		l.advance(end)
		return
	}
	base, n := 10, whole
	if s[0] == '0' {
		n = digits(s, "0")
		for prefix, in := range map[byte]struct {
			base int
			set  string
		}{'b': {2, "01"}, 'o': {8, "01234567"}, 'x': {16, "0123456789abcdefABCDEF"}} {
			if len(s) < 3 || s[1]|0x20 != prefix {
				continue
			}
			rest, skip := s[2:], 2
			if rest[0] == '_' {
				rest, skip = rest[1:], 3
			}
			if k := digits(rest, in.set); k > 0 {
				base, n = in.base, skip+k
			}
		}
	}
	text := strings.ReplaceAll(s[:n], "_", "")
	if base != 10 {
		text = text[2:]
	}
	if len(text) > maxDigits {
		failAt(l.line, valueError, "a number has %d digits, more than %d", len(text), maxDigits)
	}
	i, _ := new(big.Int).SetString(text, base)
	l.add(token{kind: tokInteger, value: norm(i)})
	l.advance(n)
}
