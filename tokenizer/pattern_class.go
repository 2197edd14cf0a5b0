package tokenizer

import (
	"slices"
	"strconv"
	"strings"
)

// escape reads what follows a backslash, and says which character it is, 0 for a class.
func (p *patternParser) escape() (*charSet, rune) {
	one := func(r rune) (*charSet, rune) { return oneChar(r), r }
	switch r := p.char(); r {
	case 'n':
		return one('\n')
	case 'r':
		return one('\r')
	case 't':
		return one('\t')
	case 'f':
		return one('\f')
	case 'v':
		return one('\v')
	case 'a':
		return one('\a')
	case 'e':
		return one(0x1B)
	case 'x', 'u':
		return one(p.hex(r))
	case 'p', 'P':
		return p.property(r == 'P'), 0
	default:
		if r < 0x80 {
			if set, ok := letterClasses[byte(r)]; ok {
				return set, 0
			}
			if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
				p.fail("\\%c is not implemented", r)
			}
		}
		return one(r)
	}
}

// hex reads the digits of \xHH, \x{H…} and \uHHHH.
func (p *patternParser) hex(kind rune) rune {
	rest, digits := p.s[p.i:], 2
	if kind == 'u' {
		digits = 4
	}
	if kind == 'x' && p.accept("{") {
		text, _, ok := strings.Cut(p.s[p.i:], "}")
		if !ok || len(text) > 6 {
			p.fail("\\x{ without its digits and }")
		}
		rest, digits = text, len(text)
		p.i++
	}
	if len(rest) < digits {
		p.fail("\\%c without %d digits", kind, digits)
	}
	v, err := strconv.ParseUint(rest[:digits], 16, 32)
	if err != nil || v > 0x10FFFF || v >= 0xD800 && v < 0xE000 || kind == 'x' && rest == p.s[p.i:] && v >= 0x80 {
		p.fail("\\%c%s is no character", kind, rest[:digits])
	}
	p.i += digits
	return rune(v)
}

// property reads {Name} or {^Name} behind \p.
func (p *patternParser) property(not bool) *charSet {
	if !p.accept("{") {
		p.fail("\\p without {")
	}
	not = p.accept("^") != not
	name, _, ok := strings.Cut(p.s[p.i:], "}")
	if !ok {
		p.fail("\\p{ without }")
	}
	set, ok := property(name)
	if !ok {
		p.fail("\\p{%.40s} is not implemented (have: general categories and twelve scripts)", name)
	}
	p.i += len(name) + 1
	if not {
		return set.inverted()
	}
	return set
}

// class reads a class behind its [.
func (p *patternParser) class() *charSet {
	if p.depth++; p.depth > mostNesting {
		p.fail("more than %d groups within each other", mostNesting)
	}
	defer func() { p.depth-- }()
	out := &charSet{}
	not := p.accept("^")
	if p.peek("]") {
		p.fail("a class begins with ], which must be written \\]")
	}
	whole := out // all of it; out: what stands behind the last &&
	empty := true
	for !p.accept("]") {
		if p.accept("&&") {
			if empty || p.peek("]") {
				p.fail("&& without a class on each side")
			}
			out.finish()
			whole, out, empty = &charSet{sets: []*charSet{whole.finish()}}, &charSet{}, true
			whole.both = out
			continue
		}
		p.member(out)
		empty = false
	}
	out.finish()
	whole.finish()
	if not {
		// One set with not, where it can be: (?i) looks into it.
		return whole.inverted()
	}
	return whole
}

// member reads one part of a class.
func (p *patternParser) member(out *charSet) {
	if p.peek("[:") {
		p.fail("[:…:] is not implemented")
	}
	if p.accept("[") {
		out.sets = append(out.sets, p.class())
		return
	}
	set, low := p.classChar()
	if low == 0 {
		out.add(set)
		return
	}
	high := low
	if p.peek("-") && !p.peek("-]") {
		p.i++
		if p.peek("[") || p.peek("&&") {
			p.fail("a range ends with a class or &&")
		}
		if _, high = p.classChar(); high == 0 || high < low {
			p.fail("a range has no end")
		}
	}
	out.ranges = append(out.ranges, [2]rune{low, high})
}

// classChar reads one character or class of a letter.
func (p *patternParser) classChar() (*charSet, rune) {
	if p.accept("\\") {
		if p.peek("b") {
			p.i++
			return oneChar('\b'), '\b'
		}
		switch {
		case p.accept("w"):
			return narrowSet, 0
		case p.accept("W"):
			return narrowSet.inverted(), 0
		}
		return p.escape()
	}
	r := p.char()
	return oneChar(r), r
}

// add puts the characters of a class into another.
func (c *charSet) add(set *charSet) {
	if set.not || set.both != nil || set.sets != nil {
		c.sets = append(c.sets, set)
		return
	}
	c.categories |= set.categories
	c.ranges = append(c.ranges, set.ranges...)
	c.tables = append(slices.Clip(c.tables), set.tables...)
}
