package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The syntax is oniguruma's for Ruby, which is what Hugging Face reads: ^ and $ are those of lines, {n,m}+ repeats a
// repeat. What is not written here is refused, for no two engines agree on it.

type nodeKind uint8

const (
	nodeSet    nodeKind = iota // one character of set
	nodeList                   // all of parts, one after the other
	nodeChoice                 // the first of parts that leads on
	nodeRepeat                 // parts[0], min to max times
	nodeAtomic                 // parts[0], and no second thoughts
	nodeLook                   // parts[0] before or behind this place, or not
	nodePlace                  // a place between characters
)

type node struct {
	kind        nodeKind
	set         *charSet
	parts       []*node
	min, max    int // max −1: no end
	lazy        bool
	behind, not bool // of nodeLook
	place       byte // of nodePlace: ^ $ A z Z b B
	fold        bool // of nodeSet: (?i) is on, for what folds to two characters
}

// Bounds of a pattern: its bytes, the depth of its groups, and the count of a repeat, which is written out.
const (
	mostPattern = 1 << 14
	mostNesting = 64
	mostRepeat  = 256
)

type patternParser struct {
	s     string
	i     int
	fold  bool
	depth int
}

// patternError says what is wrong and where.
type patternError struct {
	what string
	at   int
}

func (p *patternParser) fail(format string, args ...any) {
	panic(patternError{fmt.Sprintf(format, args...), p.i})
}

// parsePattern reads a pattern.
func parsePattern(s string) (root *node, err error) {
	p := &patternParser{s: s}
	defer func() {
		switch wrong := recover().(type) {
		case nil:
		case patternError:
			err = fmt.Errorf("the pattern %q cannot be used: %s, at byte %d", shortened(s), wrong.what, wrong.at)
		default:
			panic(wrong)
		}
	}()
	if len(s) > mostPattern {
		p.fail("it has %d bytes, want %d at most", len(s), mostPattern)
	}
	if !utf8.ValidString(s) {
		p.fail("it is not UTF-8")
	}
	root = p.choice()
	if p.more() {
		p.fail("a ) closes nothing")
	}
	if root.minLen() == 0 {
		p.i = 0
		p.fail("it matches the empty text, which is not implemented")
	}
	return root, nil
}

func shortened(s string) string {
	if len(s) <= 200 {
		return s
	}
	return strings.ToValidUTF8(s[:200], "") + "…"
}

func (p *patternParser) more() bool { return p.i < len(p.s) }

func (p *patternParser) peek(s string) bool { return strings.HasPrefix(p.s[p.i:], s) }

func (p *patternParser) accept(s string) bool {
	if p.peek(s) {
		p.i += len(s)
		return true
	}
	return false
}

func (p *patternParser) char() rune {
	if !p.more() {
		p.fail("it ends early")
	}
	r, n := utf8.DecodeRuneInString(p.s[p.i:])
	p.i += n
	return r
}

// choice reads alternatives up to the ) of their group, or the end.
func (p *patternParser) choice() *node {
	if p.depth++; p.depth > mostNesting {
		p.fail("more than %d groups within each other", mostNesting)
	}
	defer func() { p.depth-- }()
	fold := p.fold
	parts := []*node{p.list()}
	for p.accept("|") {
		parts = append(parts, p.list())
	}
	p.fold = fold
	if len(parts) == 1 {
		return parts[0]
	}
	return &node{kind: nodeChoice, parts: parts}
}

func (p *patternParser) list() *node {
	out := &node{kind: nodeList}
	for p.more() && !p.peek("|") && !p.peek(")") {
		n := p.repeats(p.atom())
		if k := len(out.parts); k > 0 {
			p.checkFolds(out.parts[k-1], n)
		}
		out.parts = append(out.parts, n)
	}
	return out
}

// checkFolds refuses letters that together are the folding of one character, as ss is of ß.
func (p *patternParser) checkFolds(a, b *node) {
	if a.kind != nodeSet || b.kind != nodeSet || !a.fold || !b.fold {
		return
	}
	for _, two := range []string{"ss", "st", "ff", "fi", "fl"} {
		if a.set.has(rune(two[0])) && b.set.has(rune(two[1])) {
			p.fail("%q without case is also one character, which is not implemented", two)
		}
	}
}

// atom reads what a repeat may follow.
func (p *patternParser) atom() *node {
	switch r := p.char(); r {
	case '(':
		return p.group()
	case '[':
		return p.setNode(p.class())
	case '.':
		return &node{kind: nodeSet, set: lineSet}
	case '^', '$':
		return &node{kind: nodePlace, place: byte(r)}
	case '*', '+', '?':
		p.fail("%q repeats nothing", r)
	case '{', '}', ']':
		p.fail("%q must be written \\%c", r, r)
	case '\\':
		if p.more() && strings.IndexByte("AzZbB", p.s[p.i]) >= 0 {
			p.i++
			return &node{kind: nodePlace, place: p.s[p.i-1]}
		}
		set, _ := p.escape()
		return p.setNode(set)
	default:
		return p.setNode(oneChar(r))
	}
	return nil
}

func (p *patternParser) setNode(set *charSet) *node {
	if !p.fold {
		return &node{kind: nodeSet, set: set}
	}
	folded, ok := set.folded()
	if !ok {
		p.fail("without case only ASCII characters are implemented")
	}
	return &node{kind: nodeSet, set: folded, fold: true}
}

// group reads a group behind its (.
func (p *patternParser) group() *node {
	out, fold := &node{kind: nodeList}, p.fold
	switch {
	case !p.accept("?"):
	case p.accept(":"):
	case p.accept("i:"):
		p.fold = true
	case p.accept("i)"):
		p.fold = true // to the end of the group that this stands in
		return out
	case p.accept("-i:"):
		p.fold = false
	case p.accept(">"):
		out.kind = nodeAtomic
	case p.accept("="):
		out.kind = nodeLook
	case p.accept("!"):
		out.kind, out.not = nodeLook, true
	case p.accept("<="):
		out.kind, out.behind = nodeLook, true
	case p.accept("<!"):
		out.kind, out.behind, out.not = nodeLook, true, true
	default:
		p.fail("the group (?%.3s is not implemented (have: (?:, (?i:, (?>, (?=, (?!, (?<=, (?<!)", p.s[p.i:])
	}
	out.parts = []*node{p.choice()}
	p.fold = fold
	if !p.accept(")") {
		p.fail("a ( is not closed")
	}
	if out.behind && out.parts[0].width() < 0 {
		p.fail("what stands behind must have one length, other is not implemented")
	}
	return out
}

// repeats reads the repeats that follow n.
func (p *patternParser) repeats(n *node) *node {
	for p.more() {
		out := &node{kind: nodeRepeat, parts: []*node{n}, max: -1}
		counted := false
		switch {
		case p.accept("*"):
		case p.accept("+"):
			out.min = 1
		case p.accept("?"):
			out.max = 1
		case p.peek("{"):
			p.counts(out)
			counted = true
		default:
			return n
		}
		if n.kind == nodeLook || n.kind == nodePlace {
			p.fail("a place between characters is repeated")
		}
		if n.minLen() == 0 {
			p.fail("what may be empty is repeated, which is not implemented")
		}
		switch {
		case p.accept("?"):
			if counted && out.min == out.max {
				p.fail("{n}? is not implemented")
			}
			out.lazy = true
		case !counted && p.accept("+"):
			out = &node{kind: nodeAtomic, parts: []*node{out}}
		}
		n = out
	}
	return n
}

// counts reads {n}, {n,}, {n,m} or {,m}.
func (p *patternParser) counts(out *node) {
	text, _, ok := strings.Cut(p.s[p.i+1:], "}")
	low, high, two := strings.Cut(text, ",")
	number := func(s string, absent int) int {
		if s == "" {
			return absent
		}
		v, err := strconv.ParseUint(s, 10, 16)
		if err != nil || v > mostRepeat {
			p.fail("{%.20s} is not a count up to %d", text, mostRepeat)
		}
		return int(v)
	}
	if !ok || text == "" || text == "," {
		p.fail("a { that counts nothing must be written \\{")
	}
	out.min = number(low, 0)
	out.max = out.min
	if two {
		out.max = number(high, -1)
	}
	if out.max == 0 || out.max > 0 && out.max < out.min {
		p.fail("{%.20s} counts nothing", text)
	}
	p.i += len(text) + 2
}
