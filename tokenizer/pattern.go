package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// A pattern is a regular expression of tokenizer.json, in oniguruma's syntax for Ruby, as far as pattern_parse.go reads
// it. Of several matches at a place it takes the one that a backtracking engine finds first, but it never asks the same
// question twice: its time is the pattern's length times the text's, where backtracking alone may take 2ⁿ. What that
// does not cover (groups that look around or are atomic) is held by a count of steps.
type pattern struct {
	source string
	code   []instruction
	forks  int // places in code that choose
}

type opcode uint8

const (
	opSet    opcode = iota // one character of set
	opFork                 // goes on at next, and if that fails at other
	opJump                 // goes on at next
	opPlace                // a place between characters
	opLook                 // code before or behind this place, or not
	opAtomic               // code, and no second thoughts
	opMatch
)

type instruction struct {
	op          opcode
	set         *charSet
	next, other int
	fork        int // number of an opFork
	place       byte
	look        *node
	code        []instruction // of opLook and opAtomic
	width       int           // of opLook: characters to go back
}

// mostInstructions bounds a pattern with its repeats written out; GPT-4o's has 121.
const mostInstructions = 4096

// newPattern reads a pattern that has no scanner of its own.
func newPattern(source string) (*pattern, error) {
	root, err := parsePattern(source)
	if err != nil {
		return nil, err
	}
	c := &compiler{}
	if !c.all(root) {
		return nil, fmt.Errorf("the pattern %q cannot be used: it is longer than %d steps with its repeats written out", shortened(source), mostInstructions)
	}
	return &pattern{source: source, code: c.code, forks: c.forks}, nil
}

// minLen is the least number of characters that n matches.
func (n *node) minLen() int {
	total := 0
	switch n.kind {
	case nodeSet:
		return 1
	case nodeList:
		for _, part := range n.parts {
			total += part.minLen()
		}
	case nodeAtomic:
		return n.parts[0].minLen()
	case nodeRepeat:
		return n.min * n.parts[0].minLen()
	case nodeChoice:
		total = n.parts[0].minLen()
		for _, part := range n.parts[1:] {
			total = min(total, part.minLen())
		}
	}
	return min(total, mostInstructions)
}

// width is the number of characters that n matches, −1 where it varies.
func (n *node) width() int {
	total := 0
	switch n.kind {
	case nodeSet:
		return 1
	case nodeList:
		for _, part := range n.parts {
			w := part.width()
			if w < 0 {
				return -1
			}
			total += w
		}
	case nodeAtomic:
		return n.parts[0].width()
	case nodeRepeat:
		if total = n.parts[0].width(); total < 0 || n.min != n.max {
			return -1
		}
		return min(n.min*total, mostInstructions)
	case nodeChoice:
		total = n.parts[0].width()
		for _, part := range n.parts[1:] {
			if part.width() != total {
				return -1
			}
		}
	}
	return min(total, mostInstructions)
}

// compiler writes instructions; size counts those of groups too.
type compiler struct {
	code  []instruction
	forks int
	size  *int
}

func (c *compiler) emit(i instruction) int {
	*c.size++
	c.code = append(c.code, i)
	return len(c.code) - 1
}

// all writes n and the match behind it, and reports whether that fits.
func (c *compiler) all(n *node) bool {
	if c.size == nil {
		c.size = new(int)
	}
	c.node(n)
	c.emit(instruction{op: opMatch})
	return *c.size <= mostInstructions
}

func (c *compiler) fork() int {
	c.forks++
	return c.emit(instruction{op: opFork, fork: c.forks - 1})
}

func (c *compiler) node(n *node) {
	if *c.size > mostInstructions {
		return // too long already
	}
	switch n.kind {
	case nodeSet:
		at := c.emit(instruction{op: opSet, set: n.set})
		c.code[at].next = at + 1
	case nodeList:
		for _, part := range n.parts {
			c.node(part)
		}
	case nodeChoice:
		c.choice(n.parts)
	case nodeRepeat:
		c.repeat(n)
	case nodePlace:
		at := c.emit(instruction{op: opPlace, place: n.place})
		c.code[at].next = at + 1
	case nodeAtomic, nodeLook:
		inner := &compiler{size: c.size}
		inner.all(n.parts[0])
		i := instruction{op: opAtomic, code: inner.code, look: n}
		if n.kind == nodeLook {
			i.op = opLook
			if n.behind {
				i.width = n.parts[0].width()
			}
		}
		at := c.emit(i)
		c.code[at].next = at + 1
	}
}

func (c *compiler) choice(parts []*node) {
	var ends []int
	for i, part := range parts {
		if i == len(parts)-1 {
			c.node(part)
			break
		}
		fork := c.fork()
		c.code[fork].next = len(c.code)
		c.node(part)
		ends = append(ends, c.emit(instruction{op: opJump}))
		c.code[fork].other = len(c.code)
	}
	for _, at := range ends {
		c.code[at].next = len(c.code)
	}
}

// either points a fork at the way into a repeat and the way past it, in the order of their worth.
func (c *compiler) either(fork, in, past int, lazy bool) {
	if lazy {
		in, past = past, in
	}
	c.code[fork].next, c.code[fork].other = in, past
}

func (c *compiler) repeat(n *node) {
	for range n.min {
		c.node(n.parts[0])
	}
	if n.max < 0 {
		fork := c.fork()
		c.node(n.parts[0])
		c.emit(instruction{op: opJump, next: fork})
		c.either(fork, fork+1, len(c.code), n.lazy)
		return
	}
	var forks []int
	for range n.max - n.min {
		forks = append(forks, c.fork())
		c.node(n.parts[0])
	}
	for _, fork := range forks {
		c.either(fork, fork+1, len(c.code), n.lazy)
	}
}

// A span is a stretch of a piece that a pattern matched, or one between two matches.
type span struct {
	start, end int
	match      bool
}

// each calls match with the matches in s, one after the other, and ends with its error.
func (p *pattern) each(s string, match func(start, end int) error) error {
	if p.forks*(len(s)+1) > mostForgone {
		return fmt.Errorf("the pattern %q has %d choices, too many for a text of %d bytes: cut the text into parts", shortened(p.source), p.forks, len(s))
	}
	m := &matching{s: s, forks: p.forks, left: stepLimit(len(s))}
	for at := 0; at < len(s); {
		end := m.run(p.code, at)
		if m.left < 0 {
			return fmt.Errorf("the pattern %q took more than %d steps on a text of %d bytes: cut the text into parts, or the tokenizer's file is damaged or hostile",
				shortened(p.source), stepLimit(len(s)), len(s))
		}
		if end < 0 {
			_, n := utf8.DecodeRuneInString(s[at:])
			at += n
			continue
		}
		if err := match(at, end); err != nil {
			return err
		}
		at = end
		m.forget(end)
	}
	return nil
}

// find covers s with spans.
func (p *pattern) find(s string) ([]span, error) {
	var matches []span
	err := p.each(s, func(start, end int) error {
		matches = append(matches, span{start, end, true})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fillGaps(s, matches), nil
}

// stepLimit is far above what a pattern in use takes: GPT-4o's, Llama 3's and DeepSeek-V3's at most 18 steps a byte, of a
// megabyte of prose, spaces, digits, marks or one letter.
func stepLimit(size int) int { return 1_000_000 + 200*size }

// mostForgone bounds matching.tried, in bits: 256 MiB, which GPT-4o's pattern needs for a text of 50 MB.
const mostForgone = 1 << 31
