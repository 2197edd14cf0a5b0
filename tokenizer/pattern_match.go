package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// matching is the search for a pattern's matches in one text.
type matching struct {
	s     string
	forks int
	left  int // steps that may still be taken

	// tried has a bit for each fork at each place: that it was reached, and no match came of it. What follows from a
	// fork at a place is the same whatever came before it, so that it need not be tried again, from another start either.
	tried []uint64
	stack []thread
}

// A thread is a way that is still to be tried.
type thread struct{ pc, at int }

// run returns the end of the match that begins at at, −1 without one.
func (m *matching) run(code []instruction, at int) int {
	if m.tried == nil {
		m.tried = make([]uint64, (m.forks*(len(m.s)+1)+63)/64)
	}
	m.stack = append(m.stack[:0], thread{0, at})
	return m.threads(code, 0, func(fork, at int) bool {
		bit := at*m.forks + fork
		if m.tried[bit>>6]&(1<<(bit&63)) != 0 {
			return true
		}
		m.tried[bit>>6] |= 1 << (bit & 63)
		return false
	})
}

// forget drops what is known of a place, where a match has ended: the way that led to the match did not fail.
func (m *matching) forget(at int) {
	for bit := at * m.forks; bit < (at+1)*m.forks; bit++ {
		m.tried[bit>>6] &^= 1 << (bit & 63)
	}
}

// inner runs the code of a group at a place, with a memory of its own: that a fork was passed on the way to the end of
// the group says nothing of the next time.
func (m *matching) inner(code []instruction, at int) int {
	base := len(m.stack)
	m.stack = append(m.stack, thread{0, at})
	var seen map[[2]int]bool
	end := m.threads(code, base, func(fork, at int) bool {
		if seen == nil {
			seen = map[[2]int]bool{}
		}
		m.left -= 15 // it takes as long
		before := seen[[2]int{fork, at}]
		seen[[2]int{fork, at}] = true
		return before
	})
	m.stack = m.stack[:base]
	return end
}

// threads tries the ways on the stack above base, the last first.
func (m *matching) threads(code []instruction, base int, tried func(fork, at int) bool) int {
	for len(m.stack) > base {
		t := m.stack[len(m.stack)-1]
		m.stack = m.stack[:len(m.stack)-1]
		if end := m.follow(code, t, tried); end >= 0 {
			return end
		}
		if m.left < 0 {
			return -1
		}
	}
	return -1
}

// follow goes one way to its end, and puts the others that it passes on the stack.
func (m *matching) follow(code []instruction, t thread, tried func(fork, at int) bool) int {
	pc, at := t.pc, t.at
	for {
		if m.left--; m.left < 0 {
			return -1
		}
		i := &code[pc]
		switch i.op {
		case opMatch:
			return at
		case opSet:
			r, n := rune(0), 1
			if at == len(m.s) {
				return -1
			}
			if r = rune(m.s[at]); r >= utf8.RuneSelf {
				r, n = utf8.DecodeRuneInString(m.s[at:])
				m.left -= i.set.weight / 16 // a class in use has 3 to 30
			}
			if !i.set.has(r) {
				return -1
			}
			at += n
		case opFork:
			if tried(i.fork, at) {
				return -1
			}
			m.stack = append(m.stack, thread{i.other, at})
		case opPlace:
			if !m.place(i.place, at) {
				return -1
			}
		case opLook:
			if m.look(i, at) == i.look.not {
				return -1
			}
		case opAtomic:
			if at = m.inner(i.code, at); at < 0 {
				return -1
			}
		}
		pc = i.next
	}
}

// look reports whether the code of a group matches before or behind a place.
func (m *matching) look(i *instruction, at int) bool {
	for range i.width {
		_, n := utf8.DecodeLastRuneInString(m.s[:at])
		if n == 0 {
			return false
		}
		at -= n
		m.left--
	}
	return m.inner(i.code, at) >= 0
}

// place reports whether at is one of the places between characters that have a name.
func (m *matching) place(name byte, at int) bool {
	before, after := m.s[:at], m.s[at:]
	switch name {
	case '^':
		return at == 0 || after != "" && strings.HasSuffix(before, "\n")
	case '$':
		return after == "" || after[0] == '\n'
	case 'A':
		return at == 0
	case 'z':
		return after == ""
	case 'Z':
		return after == "" || after == "\n"
	}
	last, n := utf8.DecodeLastRuneInString(before)
	first, k := utf8.DecodeRuneInString(after)
	edge := (n > 0 && isPatternWord(last)) != (k > 0 && isPatternWord(first))
	return edge == (name == 'b')
}
