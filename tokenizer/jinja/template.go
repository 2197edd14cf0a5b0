package jinja

import (
	"cmp"
	"maps"
	"strings"
	"time"
)

// Bounds of what a template may do. Those of a run are far above what a conversation needs, and are reached in seconds.
const (
	maxSource   = 4 << 20    // bytes of a template
	maxNesting  = 100        // of statements and expressions; CPython's own parser ends at 200 parentheses
	maxChain    = 500        // links of a + b + c, each a level of the tree
	maxSteps    = 10_000_000 // operations of a run
	maxBytes    = 256 << 20  // of all texts and lists that a run makes
	maxText     = 16 << 20   // bytes of one text, the output included
	maxDepth    = 400        // of calls, values in values and expressions in each other
	maxRange    = 100_000    // numbers in a range: MAX_RANGE of jinja2's sandbox
	maxDigits   = 4300       // of an integer: sys.int_info.default_max_str_digits
	maxIntBits  = maxDigits * 34 / 10
	maxKey      = 64 << 10 // bytes of a tuple as a key
	bytesOfItem = 16
	sizeOfEntry = 12 // of a dict, in items
)

// A Template is a template that was read. It does not change, and is safe for concurrent use.
type Template struct {
	body  []stmt
	frame *symbols
}

// Options are what a run needs beside its variables.
type Options struct {
	Now func() time.Time // for strftime_now; nil: time.Now

	steps int // of the bounds, for tests; 0: maxSteps
}

// Parse reads a template. Its errors are *Error.
func Parse(source string) (t *Template, err error) {
	defer caught(&err)
	if len(source) > maxSource {
		fail(limitReached, "the template has %d bytes, more than %d", len(source), maxSource)
	}
	p := &parser{tokens: lex(strings.ToValidUTF8(source, "\uFFFD"))}
	t = &Template{body: p.body(), frame: newSymbols(nil)}
	if reads(t.body, "self")["self"] {
		refuse("the variable self", "a chat template has no blocks to name by it")
	}
	t.frame.visit(t.body)
	compiler{}.statements(t.body, place{symbols: t.frame})
	return t, nil
}

// Render runs the template with variables: nil, bool, int, *big.Int, float64, string, *List, *Tuple and *Dict. What it
// is given it does not change. Its errors are *Error.
func (t *Template) Render(variables map[string]any, o Options) (out string, err error) {
	in := &interp{vars: map[string]any{}, context: maps.Clone(globals), now: o.Now, limit: cmp.Or(o.steps, maxSteps)}
	if in.now == nil {
		in.now = time.Now
	}
	maps.Copy(in.context, variables)
	defer func() {
		if e, ok := err.(*Error); ok && e.Line == 0 {
			e.Line = in.line
		}
	}()
	defer caught(&err)
	w := &writer{in: in}
	in.statements(t.body, &frame{in: in, scope: in.enter(t.frame, nil), out: w, top: true})
	return w.String(), nil
}

// interp is a run of a template.
type interp struct {
	vars    map[string]any // what statements at the top set
	context map[string]any // what the run was given, and jinja2's globals
	now     func() time.Time
	line    int
	depth   int
	steps   int
	limit   int // of steps
	bytes   int
}

// step counts n operations.
func (in *interp) step(n int) {
	if in.steps += n; in.limit > 0 && in.steps > in.limit {
		fail(limitReached, "the template did not end within %d steps", in.limit)
	}
}

// made counts a text of n bytes, and a step for a part of them.
func (in *interp) made(n int) {
	if n > maxText {
		fail(limitReached, "a text would have %d bytes, more than %d", n, maxText)
	}
	in.step(1 + n/256)
	if in.bytes += n; in.bytes > maxBytes {
		fail(limitReached, "the template made more than %d MB of texts and lists", maxBytes>>20)
	}
}

// reads counts what an operation that is linear in the length of a text reads of it.
func (in *interp) reads(v any) {
	if s, ok := isString(v); ok {
		in.step(len(s) / 256)
	}
}

// items counts a list of n items.
func (in *interp) items(n int) {
	if n > maxText/bytesOfItem {
		fail(limitReached, "a list would have %d items, more than %d", n, maxText/bytesOfItem)
	}
	in.made(n * bytesOfItem)
	in.step(n / 16)
}

// nest counts how deep operations are in each other. The function that it returns ends the count.
func (in *interp) nest() func() {
	if in.depth++; in.depth > maxDepth {
		fail(limitReached, "the template nests its calls or values deeper than %d", maxDepth)
	}
	return func() { in.depth-- }
}

// resolve returns a variable of the context, or missing.
func (in *interp) resolve(name string) any {
	if v, ok := in.vars[name]; ok {
		return v
	}
	if v, ok := in.context[name]; ok {
		return v
	}
	return missing
}

// writer takes what a template prints.
type writer struct {
	in *interp
	b  strings.Builder
}

func (w *writer) write(s string) {
	w.in.made(len(s))
	if n := w.b.Len() + len(s); n > maxText {
		fail(limitReached, "the text has more than %d bytes", maxText)
	}
	w.b.WriteString(s)
}

func (w *writer) String() string { return w.b.String() }
