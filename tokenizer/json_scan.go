package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonScan walks JSON that is known to be valid, for the two lists that are too long for reflection.
type jsonScan struct {
	s string
	i int
}

// peek returns the next byte that is not white space, 0 at the end.
func (j *jsonScan) peek() byte {
	for j.i < len(j.s) {
		switch c := j.s[j.i]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
			j.i++
		default:
			return c
		}
	}
	return 0
}

// text reads a string; ok is false where something else stands.
func (j *jsonScan) text() (s string, ok bool) {
	if j.peek() != '"' {
		return "", false
	}
	start := j.i + 1
	for i := start; i < len(j.s); i++ {
		switch j.s[i] {
		case '"':
			j.i = i + 1
			return j.s[start:i], true
		case '\\':
			return j.escaped(start)
		}
	}
	return "", false
}

func (j *jsonScan) escaped(start int) (string, bool) {
	var b []byte
	for i := start; i < len(j.s); i++ {
		c := j.s[i]
		if c == '"' {
			j.i = i + 1
			return string(b), true
		}
		if c != '\\' {
			b = append(b, c)
			continue
		}
		i++
		switch c := j.s[i]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := j.hex(i + 1)
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(utf8.RuneError)
				if i+6 < len(j.s) && j.s[i+1] == '\\' && j.s[i+2] == 'u' {
					low = j.hex(i + 3)
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			b = utf8.AppendRune(b, r)
		default: // " \ /
			b = append(b, c)
		}
	}
	return "", false
}

// hex reads the four digits of \uXXXX.
func (j *jsonScan) hex(i int) rune {
	v, err := strconv.ParseUint(j.s[i:i+4], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(v)
}

// integer reads a whole number up to maxID.
func (j *jsonScan) integer() (n int, ok bool) {
	j.peek()
	start := j.i
	for j.i < len(j.s) && '0' <= j.s[j.i] && j.s[j.i] <= '9' && n <= maxID {
		n = 10*n + int(j.s[j.i]-'0')
		j.i++
	}
	if j.i == start || j.i < len(j.s) && strings.IndexByte("0123456789.eE", j.s[j.i]) >= 0 {
		return 0, false
	}
	return n, n <= maxID
}
