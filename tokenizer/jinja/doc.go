// Package jinja renders chat templates exactly as jinja2 3.1 does in the environment of transformers
// (apply_chat_template: an ImmutableSandboxedEnvironment with trim_blocks, lstrip_blocks and loopcontrols), or refuses
// them by name.
//
//	t, err := jinja.Parse("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
//	out, err := t.Render(map[string]any{"messages": messages}, jinja.Options{})
//
// A template passes a lexer, a parser with jinja2's precedence, and an analysis of its scopes that is jinja2's own
// (idtracking.py), because which assignment is seen where follows from it. The evaluator has Python's semantics on
// these Go values:
//
//	Python      Go                              Python      Go
//	None        nil                             list        *List
//	bool        bool                            tuple       *Tuple
//	int         int, *big.Int beyond 64 bits    dict        *Dict, in the order of insertion
//	float       float64                         str         string, by code points
//
// Templates come from downloads. They run in bounded steps, depth, bytes and output (Limits); they cannot read a file
// or another template (include, import and extends are refused), and they change no value that they were given.
// What would need an address, chance or a table that is not here (lipsum, random, urlize, pprint, block …) is an error
// with Kind "Refused".
//
// Inside, an error is a panic with *Error, since nearly every operation of Python can fail; Parse and Render catch it.
package jinja
