package jinja

import "slices"

// parser reads the tokens of a template as jinja2's parser.py does, method by method.
type parser struct {
	tokens []token
	pos    int
	depth  int
	open   []string // the tags that are open, the innermost last
}

func (p *parser) cur() *token { return &p.tokens[p.pos] }

func (p *parser) next() *token {
	t := p.cur()
	if t.kind != tokEOF {
		p.pos++
	}
	return t
}

func (p *parser) look() *token { return &p.tokens[min(p.pos+1, len(p.tokens)-1)] }

// is reports whether the current token is a name of this text.
func (p *parser) is(names ...string) bool {
	return p.cur().kind == tokName && slices.Contains(names, p.cur().text)
}

func (p *parser) skipName(name string) bool {
	if p.is(name) {
		p.next()
		return true
	}
	return false
}

func (p *parser) skip(k kind) bool {
	if p.cur().kind == k {
		p.next()
		return true
	}
	return false
}

func (p *parser) fail(format string, args ...any) { failAt(p.cur().line, syntaxError, format, args...) }

func (t *token) describe() string {
	if t.kind == tokName {
		return t.text
	}
	return string(t.kind)
}

func (p *parser) expect(k kind) *token {
	if p.cur().kind != k {
		if p.cur().kind == tokEOF {
			p.fail("unexpected end of template, expected '%s'.", k)
		}
		p.fail("expected token '%s', got %s", k, quote(p.cur().describe()))
	}
	return p.next()
}

func (p *parser) expectName(name string) {
	if !p.skipName(name) {
		p.fail("expected token '%s', got %s", name, quote(p.cur().describe()))
	}
}

// nest counts how deep the parser is in itself. The function that it returns ends the count.
func (p *parser) nest() func() {
	if p.depth++; p.depth > maxNesting {
		failAt(p.cur().line, limitReached, "the template nests deeper than %d levels", maxNesting)
	}
	return func() { p.depth-- }
}

// link counts the links of a chain such as a + b + c, each of which is a level of the tree.
func (p *parser) link(n *int) {
	if *n++; *n > maxChain {
		failAt(p.cur().line, limitReached, "an expression is a chain of more than %d links", maxChain)
	}
}

// body reads statements up to a tag of one of these names, and stands at that name. At the top of a template ends is
// empty.
func (p *parser) body(ends ...string) []stmt {
	defer p.nest()()
	var out []stmt
	var output *outputNode
	add := func(e expr, line int) {
		if output == nil {
			output = &outputNode{line: line}
			out = append(out, output)
		}
		output.items = append(output.items, e)
	}
	for {
		switch t := p.cur(); t.kind {
		case tokData:
			p.next()
			add(&dataNode{t.text}, t.line)
		case tokVariableBegin:
			p.next()
			add(p.tuple(true, false), t.line)
			p.expect(tokVariableEnd)
		case tokBlockBegin:
			output = nil
			p.next()
			if p.is(ends...) {
				return out
			}
			out = append(out, p.statement(ends))
			p.expect(tokBlockEnd)
		default: // the end: no tag is open, or one is left
			if len(ends) > 0 {
				p.fail("Unexpected end of template. The innermost block that needs to be closed is '%s'.", p.open[len(p.open)-1])
			}
			return out
		}
	}
}

// block reads the rest of an opening tag, and what follows it up to one of ends.
func (p *parser) block(ends ...string) []stmt {
	p.skip(":")
	p.expect(tokBlockEnd)
	return p.body(ends...)
}

// closed is block up to the one tag that ends it, whose name it passes.
func (p *parser) closed(end string) []stmt {
	body := p.block(end)
	p.next()
	return body
}

// statement reads a tag and all that belongs to it.
func (p *parser) statement(ends []string) stmt {
	t := p.cur()
	if t.kind != tokName {
		p.fail("tag name expected")
	}
	p.open = append(p.open, t.text)
	defer func() { p.open = p.open[:len(p.open)-1] }()
	read, ok := map[string]func(*parser, int) stmt{
		"for": (*parser).forLoop, "if": (*parser).ifElse, "set": (*parser).set, "macro": (*parser).macro, "call": (*parser).call,
		"filter": (*parser).filter, "with": (*parser).with, "print": (*parser).print, "generation": (*parser).generation,
		"break":    func(_ *parser, line int) stmt { return &breakNode{line} },
		"continue": func(_ *parser, line int) stmt { return &continueNode{line} },
	}[t.text]
	switch {
	case ok:
		p.next()
		return read(p, t.line)
	case t.text == "include" || t.text == "import" || t.text == "from" || t.text == "extends":
		failAt(t.line, refused, "{%% %s %%} is not allowed: a chat template is one text, write the other into it", t.text)
	case t.text == "block" || t.text == "autoescape":
		failAt(t.line, refused, "{%% %s %%} is not implemented: write its content without the tag", t.text)
	case len(ends) > 0:
		failAt(t.line, syntaxError, "Encountered unknown tag %s. Jinja was looking for the following tags: %s.", quote(t.text), quoteAll(ends))
	default:
		failAt(t.line, syntaxError, "Encountered unknown tag %s.", quote(t.text))
	}
	return nil
}

func (p *parser) forLoop(line int) stmt {
	n := &forNode{line: line}
	n.target = p.assignTarget(false, "in")
	p.expectName("in")
	n.iter = p.tuple(false, false, "recursive")
	if p.skipName("if") {
		n.test = p.expression(true)
	}
	n.recursive = p.skipName("recursive")
	n.body = p.block("endfor", "else")
	if p.next().text == "else" {
		n.orElse = p.closed("endfor")
	}
	return n
}

func (p *parser) ifElse(line int) stmt {
	result := &ifNode{line: line}
	node := result
	for {
		node.test = p.tuple(false, false)
		node.body = p.block("elif", "else", "endif")
		switch t := p.next(); t.text {
		case "elif":
			node = &ifNode{line: t.line}
			result.elifs = append(result.elifs, node)
			continue
		case "else":
			result.orElse = p.closed("endif")
		}
		return result
	}
}

func (p *parser) set(line int) stmt {
	target := p.assignTarget(true)
	if p.skip("=") {
		return &assign{target, p.tuple(true, false), line}
	}
	n := &setBlock{target: target, line: line}
	n.filter = p.filters(nil)
	n.body = p.closed("endset")
	return n
}

func (p *parser) with(line int) stmt {
	n := &withNode{line: line}
	for p.cur().kind != tokBlockEnd {
		if len(n.targets) > 0 {
			p.expect(",")
		}
		n.targets = append(n.targets, p.assignTarget(false))
		p.expect("=")
		n.values = append(n.values, p.expression(true))
	}
	n.body = p.closed("endwith")
	return n
}

func (p *parser) print(line int) stmt {
	n := &outputNode{line: line}
	for p.cur().kind != tokBlockEnd {
		if len(n.items) > 0 {
			p.expect(",")
		}
		n.items = append(n.items, p.expression(true))
	}
	return n
}

// signature reads the parameters of a macro or a call block.
func (p *parser) signature(m *macroNode) {
	p.expect("(")
	for p.cur().kind != ")" {
		if len(m.params) > 0 {
			p.expect(",")
		}
		name := p.targetName()
		if p.skip("=") {
			m.defaults = append(m.defaults, p.expression(true))
		} else if len(m.defaults) > 0 {
			p.fail("non-default argument follows default argument")
		}
		if slices.Contains(m.params, name) {
			p.fail("duplicate argument %s of a macro", quote(name))
		}
		m.params = append(m.params, name)
	}
	p.expect(")")
}

func (p *parser) macro(line int) stmt {
	m := &macroNode{line: line, name: p.targetName()}
	p.signature(m)
	m.body = p.closed("endmacro")
	return m
}

func (p *parser) call(line int) stmt {
	m := &macroNode{line: line}
	if p.cur().kind == "(" {
		p.signature(m)
	}
	call, ok := p.expression(true).(*callNode)
	if !ok {
		failAt(line, syntaxError, "expected call")
	}
	m.body = p.closed("endcall")
	return &callBlock{call, m, line}
}

// generation is a call block around the text of an assistant, which it passes on.
func (p *parser) generation(line int) stmt {
	m := &macroNode{line: line}
	m.body = p.closed("endgeneration")
	return &callBlock{nil, m, line}
}

func (p *parser) filter(line int) stmt {
	n := &filterBlock{line: line}
	n.filter = p.oneFilter(nil)
	if p.cur().kind == "|" {
		n.filter = p.filters(n.filter)
	}
	n.body = p.closed("endfilter")
	return n
}

var constants = map[string]any{"true": true, "True": true, "false": false, "False": false, "none": nil, "None": nil}

// targetName reads a name that can be assigned to.
func (p *parser) targetName() string {
	t := p.expect(tokName)
	if _, ok := constants[t.text]; ok {
		failAt(t.line, syntaxError, "can't assign to 'name'")
	}
	return t.text
}

// assignTarget reads what stands before =, or before the word end of a loop.
func (p *parser) assignTarget(namespaces bool, end ...string) expr {
	line := p.cur().line
	target := p.tupleOf(func() expr { return p.primary(namespaces) }, false, end...)
	check := []expr{target}
	for len(check) > 0 {
		switch n := check[0].(type) {
		case *nameNode, *nsNode:
		case *tupleNode:
			check = append(check, n.items...)
		default:
			failAt(line, syntaxError, "can't assign to a value: want a name")
		}
		check = check[1:]
	}
	return target
}
