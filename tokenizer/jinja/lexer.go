package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is the type of a token; an operator's is its text.
type kind string

const (
	tokEOF           kind = "end of template"
	tokData          kind = "template data / text"
	tokBlockBegin    kind = "begin of statement block"
	tokBlockEnd      kind = "end of statement block"
	tokVariableBegin kind = "begin of print statement"
	tokVariableEnd   kind = "end of print statement"
	tokName          kind = "name"
	tokString        kind = "string"
	tokInteger       kind = "integer"
	tokFloat         kind = "float"
)

type token struct {
	kind  kind
	text  string // of data, names and strings
	value any    // of numbers
	line  int
}

// lexer cuts a template into tokens, by the rules of jinja2's lexer.py.
type lexer struct {
	src          string
	pos, line    int
	lineStarting bool // the last match ended with a newline
	balance      []byte
	tokens       []token
}

// lex returns the tokens of a template. Newlines become \n, and one that ends it is dropped.
func lex(source string) []token {
	source = strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	l := &lexer{src: strings.TrimSuffix(source, "\n"), line: 1, lineStarting: true}
	for l.pos < len(l.src) {
		l.root()
	}
	l.add(token{kind: tokEOF})
	return l.tokens
}

func (l *lexer) add(t token) {
	t.line = l.line
	l.tokens = append(l.tokens, t)
}

// advance passes n bytes.
func (l *lexer) advance(n int) {
	text := l.src[l.pos : l.pos+n]
	l.line += strings.Count(text, "\n")
	l.lineStarting = strings.HasSuffix(text, "\n")
	l.pos += n
}

// root reads text up to the next tag, and the tag.
func (l *lexer) root() {
	at := l.pos
	for {
		n := strings.IndexByte(l.src[at:], '{')
		if n < 0 || at+n+1 >= len(l.src) {
			l.data(l.src[l.pos:], len(l.src)-l.pos)
			return
		}
		at += n
		if strings.IndexByte("%#{", l.src[at+1]) >= 0 {
			break
		}
		at++
	}
	text, tag := l.src[l.pos:at], l.src[at:at+2]
	if body, sign, ok := rawBegin(l.src[at:]); ok {
		l.data(l.strip(text, sign, true), len(text))
		l.advance(body)
		l.raw()
		return
	}
	sign := byte(0)
	width := 2
	if at+2 < len(l.src) && (l.src[at+2] == '-' || l.src[at+2] == '+') {
		sign, width = l.src[at+2], 3
	}
	l.data(l.strip(text, sign, tag != "{{"), len(text))
	switch tag {
	case "{#":
		l.advance(width)
		l.comment()
	case "{%":
		l.add(token{kind: tokBlockBegin})
		l.advance(width)
		l.tag(tokBlockEnd)
	default:
		l.add(token{kind: tokVariableBegin})
		l.advance(width)
		l.tag(tokVariableEnd)
	}
}

// data adds a text and passes n bytes of the source.
func (l *lexer) data(text string, n int) {
	if text != "" {
		l.add(token{kind: tokData, text: text})
	}
	starting := l.lineStarting
	l.advance(n)
	if n == 0 {
		l.lineStarting = starting
	}
}

// strip does what the sign of a tag asks of the text before it: - takes all white space, none (for a block or comment)
// that of a line that has nothing else, which is lstrip_blocks.
func (l *lexer) strip(text string, sign byte, block bool) string {
	if sign == '-' {
		return strings.TrimRightFunc(text, isSpace)
	}
	if sign == '+' || !block {
		return text
	}
	start := strings.LastIndexByte(text, '\n') + 1
	if (start > 0 || l.lineStarting) && strings.TrimLeftFunc(text[start:], isSpace) == "" {
		return text[:start]
	}
	return text
}

// rawBegin reads {% raw %} at the start of s, and returns its length, white space that -%} takes included.
func rawBegin(s string) (n int, sign byte, ok bool) {
	rest, found := strings.CutPrefix(s, "{%")
	if !found {
		return 0, 0, false
	}
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		sign, rest = rest[0], rest[1:]
	}
	if rest, found = strings.CutPrefix(strings.TrimLeftFunc(rest, isSpace), "raw"); !found {
		return 0, 0, false
	}
	rest = strings.TrimLeftFunc(rest, isSpace)
	if after, found := strings.CutPrefix(rest, "-%}"); found {
		return len(s) - len(strings.TrimLeftFunc(after, isSpace)), sign, true
	}
	after, found := strings.CutPrefix(rest, "%}")
	return len(s) - len(after), sign, found
}

// raw reads the text up to {% endraw %}. jinja2 misses the end only where text follows.
func (l *lexer) raw() {
	if l.pos == len(l.src) {
		return
	}
	for at := l.pos; ; at++ {
		n := strings.Index(l.src[at:], "{%")
		if n < 0 {
			failAt(l.line, syntaxError, "Missing end of raw directive")
		}
		at += n
		rest, sign := l.src[at+2:], byte(0)
		if rest != "" && (rest[0] == '-' || rest[0] == '+') {
			sign, rest = rest[0], rest[1:]
		}
		rest, ok := strings.CutPrefix(strings.TrimLeftFunc(rest, isSpace), "endraw")
		if !ok {
			continue
		}
		rest = strings.TrimLeftFunc(rest, isSpace)
		if end := tagEnd(rest, "%}", true); end > 0 {
			text := l.src[l.pos:at]
			l.data(l.strip(text, sign, true), len(text))
			l.advance(len(l.src) - len(rest) + end - l.pos)
			return
		}
	}
}

// comment passes a comment.
func (l *lexer) comment() {
	n := strings.Index(l.src[l.pos:], "#}")
	if l.pos == len(l.src) {
		return
	}
	if n < 0 {
		failAt(l.line, syntaxError, "Missing end of comment tag")
	}
	if n > 0 && strings.IndexByte("+-", l.src[l.pos+n-1]) >= 0 {
		n--
	}
	l.advance(n + tagEnd(l.src[l.pos+n:], "#}", true))
}

// tagEnd returns the length of a tag's end at the start of s, with the white space that it takes; 0 if none is there.
// A block's end takes a newline (trim_blocks) and may have a +.
func tagEnd(s, end string, block bool) int {
	if rest, ok := strings.CutPrefix(s, "-"+end); ok {
		return len(s) - len(strings.TrimLeftFunc(rest, isSpace))
	}
	if block && strings.HasPrefix(s, "+"+end) {
		return len(end) + 1
	}
	rest, ok := strings.CutPrefix(s, end)
	if !ok {
		return 0
	}
	if block {
		rest = strings.TrimPrefix(rest, "\n")
	}
	return len(s) - len(rest)
}

// tag reads the tokens of a tag up to its end.
func (l *lexer) tag(end kind) {
	mark := "%}"
	if end == tokVariableEnd {
		mark = "}}"
	}
	for l.pos < len(l.src) {
		if len(l.balance) == 0 {
			if n := tagEnd(l.src[l.pos:], mark, end == tokBlockEnd); n > 0 {
				l.add(token{kind: end})
				l.advance(n)
				return
			}
		}
		l.expression()
	}
}

// expression reads one token of an expression, or white space.
func (l *lexer) expression() {
	s := l.src[l.pos:]
	if n := len(s) - len(strings.TrimLeftFunc(s, isSpace)); n > 0 {
		l.advance(n)
		return
	}
	c := s[0]
	switch {
	case c >= '0' && c <= '9':
		l.number(s)
	case c == '\'' || c == '"':
		l.string(s)
	default:
		if n := nameLen(s); n > 0 {
			l.name(s[:n])
			return
		}
		l.operator(s)
	}
}

// nameLen returns the length of the word that s begins with.
func nameLen(s string) int {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.In(r, unicode.M, unicode.Nl, unicode.Pc, unicode.Other_ID_Start, unicode.Other_ID_Continue) {
			return i
		}
	}
	return len(s)
}

func (l *lexer) name(s string) {
	if !isIdentifier(s) {
		failAt(l.line, syntaxError, "Invalid character in identifier")
	}
	l.add(token{kind: tokName, text: s})
	l.advance(len(s))
}

// string reads a quoted string.
func (l *lexer) string(s string) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			text, problem := unescape(s[1:i])
			if problem != "" {
				failAt(l.line, syntaxError, "%s", problem)
			}
			l.add(token{kind: tokString, text: text})
			l.advance(i + 1)
			return
		}
	}
	l.unexpected(s)
}

func (l *lexer) unexpected(s string) {
	r, _ := utf8.DecodeRuneInString(s)
	failAt(l.line, syntaxError, "unexpected char %s", quote(string(r)))
}

// operator reads an operator, the longest first, and keeps the brackets balanced.
func (l *lexer) operator(s string) {
	op := s[:1]
	for _, long := range []string{"//", "**", "==", "!=", ">=", "<="} {
		if strings.HasPrefix(s, long) {
			op = long
		}
	}
	if len(op) == 1 && strings.IndexByte("+-/*%~[](){}><=.:|,;", op[0]) < 0 {
		l.unexpected(s)
	}
	switch op {
	case "(", "[", "{":
		l.balance = append(l.balance, map[string]byte{"(": ')', "[": ']', "{": '}'}[op])
	case ")", "]", "}":
		n := len(l.balance)
		if n == 0 {
			failAt(l.line, syntaxError, "unexpected '%s'", op)
		}
		if want := l.balance[n-1]; want != op[0] {
			failAt(l.line, syntaxError, "unexpected '%s', expected '%c'", op, want)
		}
		l.balance = l.balance[:n-1]
	}
	l.add(token{kind: kind(op)})
	l.advance(len(op))
}
