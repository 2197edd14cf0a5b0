package jinja

import "slices"

// tuple reads expressions with commas between them, as one tuple, or one expression. In parentheses it may be empty.
func (p *parser) tuple(conditions, parentheses bool, ends ...string) expr {
	return p.tupleOf(func() expr { return p.expression(conditions) }, parentheses, ends...)
}

func (p *parser) tupleOf(read func() expr, parentheses bool, ends ...string) expr {
	var items []expr
	isTuple := false
	for {
		if len(items) > 0 {
			p.expect(",")
		}
		if k := p.cur().kind; k == tokVariableEnd || k == tokBlockEnd || k == ")" || len(ends) > 0 && p.is(ends...) {
			break
		}
		items = append(items, read())
		if p.cur().kind != "," {
			break
		}
		isTuple = true
	}
	if !isTuple {
		if len(items) > 0 {
			return items[0]
		}
		if !parentheses {
			p.fail("Expected an expression, got %s", quote(p.cur().describe()))
		}
	}
	return &tupleNode{items}
}

func (p *parser) expression(conditions bool) expr {
	defer p.nest()()
	if !conditions {
		return p.or()
	}
	line := p.cur().line
	x := p.or()
	for n := 0; p.skipName("if"); p.link(&n) {
		n := &condNode{line: line, yes: x, test: p.or()}
		if p.skipName("else") {
			n.orElse = p.expression(true)
		}
		x, line = n, p.cur().line
	}
	return x
}

func (p *parser) or() expr {
	x := p.and()
	for n := 0; p.skipName("or"); p.link(&n) {
		x = &logicNode{"or", x, p.and()}
	}
	return x
}

func (p *parser) and() expr {
	x := p.not()
	for n := 0; p.skipName("and"); p.link(&n) {
		x = &logicNode{"and", x, p.not()}
	}
	return x
}

func (p *parser) not() expr {
	if p.is("not") {
		defer p.nest()()
		p.next()
		return &notNode{p.not()}
	}
	return p.compare()
}

func (p *parser) compare() expr {
	n := &compareNode{first: p.sum()}
	for {
		op := string(p.cur().kind)
		switch {
		case slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, op):
			p.next()
		case p.skipName("in"):
			op = "in"
		case p.is("not") && p.look().kind == tokName && p.look().text == "in":
			p.next()
			p.next()
			op = "not in"
		case len(n.ops) == 0:
			return n.first
		default:
			return n
		}
		n.ops = append(n.ops, op)
		n.rest = append(n.rest, p.sum())
	}
}

// binary reads operands with these operators between them, from left to right.
func (p *parser) binary(operand func() expr, ops ...kind) expr {
	x := operand()
	for n := 0; slices.Contains(ops, p.cur().kind); p.link(&n) {
		op := string(p.next().kind)
		x = &binaryNode{op, x, operand()}
	}
	return x
}

func (p *parser) sum() expr { return p.binary(p.concat, "+", "-") }

func (p *parser) concat() expr {
	items := []expr{p.product()}
	for p.skip("~") {
		items = append(items, p.product())
	}
	if len(items) == 1 {
		return items[0]
	}
	return &concatNode{items}
}

func (p *parser) product() expr { return p.binary(p.pow, "*", "/", "//", "%") }

func (p *parser) pow() expr { return p.binary(func() expr { return p.unary(true) }, "**") }

func (p *parser) unary(filters bool) expr {
	var x expr
	if k := p.cur().kind; k == "-" || k == "+" {
		end := p.nest()
		p.next()
		x = &unaryNode{string(k), p.unary(false)}
		end()
	} else {
		x = p.primary(false)
	}
	x = p.postfix(x)
	if !filters {
		return x
	}
	for n := 0; ; p.link(&n) {
		switch {
		case p.cur().kind == "|":
			x = p.filters(x)
		case p.is("is"):
			x = p.test(x)
		case p.cur().kind == "(":
			x = p.callOf(x)
		default:
			return x
		}
	}
}

func (p *parser) primary(namespaces bool) expr {
	t := p.next()
	switch t.kind {
	case tokName:
		if v, ok := constants[t.text]; ok {
			return &constNode{v}
		}
		if namespaces && p.skip(".") {
			return &nsNode{t.text, p.expect(tokName).text}
		}
		return &nameNode{t.text}
	case tokString:
		text := t.text
		for p.cur().kind == tokString {
			text += p.next().text
		}
		return &constNode{text}
	case tokInteger, tokFloat:
		return &constNode{t.value}
	case "(":
		defer p.nest()()
		x := p.tuple(true, true)
		p.expect(")")
		return x
	case "[":
		return &listNode{p.list("]")}
	case "{":
		return p.dict()
	}
	failAt(t.line, syntaxError, "unexpected %s", quote(t.describe()))
	return nil
}

// list reads expressions with commas between them up to end.
func (p *parser) list(end kind) (items []expr) {
	for p.cur().kind != end {
		if len(items) > 0 {
			p.expect(",")
		}
		if p.cur().kind == end {
			break
		}
		items = append(items, p.expression(true))
	}
	p.expect(end)
	return items
}

func (p *parser) dict() expr {
	n := &dictNode{}
	for p.cur().kind != "}" {
		if len(n.keys) > 0 {
			p.expect(",")
		}
		if p.cur().kind == "}" {
			break
		}
		n.keys = append(n.keys, p.expression(true))
		p.expect(":")
		n.values = append(n.values, p.expression(true))
	}
	p.expect("}")
	return n
}

func (p *parser) postfix(x expr) expr {
	for n := 0; ; p.link(&n) {
		switch p.cur().kind {
		case ".":
			line := p.next().line
			switch t := p.next(); t.kind {
			case tokName:
				x = &attrNode{x, t.text, line}
			case tokInteger:
				x = &itemNode{x, &constNode{t.value}, line}
			default:
				failAt(t.line, syntaxError, "expected name or number")
			}
		case "[":
			x = p.subscript(x)
		case "(":
			x = p.callOf(x)
		default:
			return x
		}
	}
}

func (p *parser) subscript(x expr) expr {
	line := p.next().line
	var items []expr
	for p.cur().kind != "]" {
		if len(items) > 0 {
			p.expect(",")
		}
		items = append(items, p.subscribed())
	}
	p.expect("]")
	if len(items) == 1 {
		return &itemNode{x, items[0], line}
	}
	for _, item := range items {
		if _, ok := item.(*sliceNode); ok {
			failAt(line, syntaxError, "a slice stands alone in its brackets")
		}
	}
	return &itemNode{x, &tupleNode{items}, line}
}

// subscribed reads an index or a slice.
func (p *parser) subscribed() expr {
	var n sliceNode
	if p.cur().kind != ":" {
		n.start = p.expression(true)
		if p.cur().kind != ":" {
			return n.start
		}
	}
	p.next()
	part := func() expr {
		if k := p.cur().kind; k == ":" || k == "]" || k == "," {
			return nil
		}
		return p.expression(true)
	}
	n.stop = part()
	if p.skip(":") {
		n.step = part()
	}
	return &n
}

func (p *parser) callOf(f expr) expr {
	line := p.cur().line
	return &callNode{f, p.arguments(), line}
}

func (p *parser) arguments() (a arguments) {
	line := p.expect("(").line
	ensure := func(ok bool) {
		if !ok {
			failAt(line, syntaxError, "invalid syntax for function call expression")
		}
	}
	for first := true; p.cur().kind != ")"; first = false {
		if !first {
			p.expect(",")
			if p.cur().kind == ")" {
				break
			}
		}
		switch {
		case p.skip("*"):
			ensure(a.dynamic == nil && a.dynamicKW == nil)
			a.dynamic = p.expression(true)
		case p.skip("**"):
			ensure(a.dynamicKW == nil)
			a.dynamicKW = p.expression(true)
		case p.cur().kind == tokName && p.look().kind == "=":
			ensure(a.dynamicKW == nil)
			name := p.next().text
			p.next()
			if slices.Contains(a.names, name) {
				failAt(line, syntaxError, "keyword argument repeated: %s", name)
			}
			a.names, a.named = append(a.names, name), append(a.named, p.expression(true))
		default:
			ensure(a.dynamic == nil && a.dynamicKW == nil && len(a.names) == 0)
			a.pos = append(a.pos, p.expression(true))
		}
	}
	p.expect(")")
	return a
}

// dotted reads the name of a filter or test.
func (p *parser) dotted() string {
	name := p.expect(tokName).text
	for p.skip(".") {
		name += "." + p.expect(tokName).text
	}
	return name
}

// oneFilter reads the name and arguments of a filter.
func (p *parser) oneFilter(x expr) *filterNode {
	n := &filterNode{x: x, line: p.cur().line, name: p.dotted()}
	if p.cur().kind == "(" {
		n.args = p.arguments()
	}
	return n
}

// filters reads filters on x; the result is nil where there is none.
func (p *parser) filters(x expr) *filterNode {
	var n *filterNode
	for length := 0; p.skip("|"); p.link(&length) {
		n = p.oneFilter(x)
		x = n
	}
	return n
}

func (p *parser) test(x expr) expr {
	line := p.next().line
	negated := p.skipName("not")
	n := &testNode{x: x, line: line, name: p.dotted()}
	switch k := p.cur().kind; {
	case k == "(":
		n.args = p.arguments()
	case (k == tokName || k == tokString || k == tokInteger || k == tokFloat || k == "[" || k == "{") && !p.is("else", "or", "and"):
		if p.is("is") {
			p.fail("You cannot chain multiple tests with is")
		}
		n.args.pos = []expr{p.postfix(p.primary(false))}
	}
	if negated {
		return &notNode{n}
	}
	return n
}
