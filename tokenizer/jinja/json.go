package jinja

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// FromJSON reads a JSON text as Python's json.loads does: objects keep the order of their keys, and numbers are whole
// or not as they are written.
func FromJSON(data []byte) (v any, err error) {
	defer caught(&err)
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if v, err = decode(d, 0); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more than one JSON value: text after byte %d", d.InputOffset())
	}
	return v, nil
}

func decode(d *json.Decoder, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("the JSON nests deeper than %d levels", maxNesting)
	}
	t, err := d.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		if strings.ContainsAny(t.String(), ".eE") {
			f, _ := strconv.ParseFloat(t.String(), 64) // out of range is infinity, as in Python
			return f, nil
		}
		i, ok := parseInt(t.String(), 10)
		if !ok {
			return nil, fmt.Errorf("a number has more than %d digits", maxDigits)
		}
		return i, nil
	case json.Delim:
		if t == '[' {
			out := &List{}
			for d.More() {
				v, err := decode(d, depth+1)
				if err != nil {
					return nil, err
				}
				out.Items = append(out.Items, v)
			}
			_, err := d.Token()
			return out, err
		}
		out := &Dict{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decode(d, depth+1)
			if err != nil {
				return nil, err
			}
			out.Set(k, v)
		}
		_, err := d.Token()
		return out, err
	}
	return t, nil
}

// dumper writes JSON as Python's json.dumps does.
type dumper struct {
	in         *interp
	b          strings.Builder
	ascii      bool
	indent     string
	pretty     bool // has an indent, which may be empty
	item, pair string
	sort       bool
}

// toJSON is the filter tojson of transformers.
func toJSON(in *interp, x any, a *args) any {
	v := a.bind("tojson", "ensure_ascii?", "indent?", "separators?", "sort_keys?")
	w := &dumper{in: in, item: ", ", pair: ": ", ascii: in.truth(or(v[0], false)), sort: in.truth(or(v[3], false))}
	switch indent := or(v[1], nil).(type) {
	case nil:
	case int:
		w.pretty, w.indent = true, in.repeat(" ", indent).(string)
	case bool:
		w.pretty, w.indent = true, in.repeat(" ", asInt(indent)).(string)
	case string:
		w.pretty, w.indent = true, indent
	default:
		fail(typeError, "tojson: an indent is a number or a text, not %s", typeName(indent))
	}
	if w.pretty {
		w.item = ","
	}
	if s := or(v[2], nil); s != nil {
		parts := in.unpack(s, 2)
		item, ok := isString(parts[0])
		pair, ok2 := isString(parts[1])
		if !ok || !ok2 {
			fail(typeError, "tojson: separators are two texts")
		}
		w.item, w.pair = item, pair
	}
	w.value(x, "\n")
	in.made(w.b.Len())
	return w.b.String()
}

// value writes v; newline begins a line at the depth of v.
func (w *dumper) value(v any, newline string) {
	w.in.step(1)
	defer w.in.nest()()
	if w.b.Len() > maxText {
		w.in.made(w.b.Len())
	}
	switch v := v.(type) {
	case nil:
		w.b.WriteString("null")
	case string, markup:
		s, _ := isString(v)
		w.text(s)
	case bool, int, *big.Int, float64:
		w.b.WriteString(w.scalar(v))
	case *List:
		w.list(v.Items, newline)
	case *Tuple:
		w.list(v.Items, newline)
	case *Dict:
		w.dict(v, newline)
	default:
		fail(typeError, "Object of type %s is not JSON serializable", typeName(v))
	}
}

func (w *dumper) scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 1):
			return "Infinity"
		case math.IsInf(v, -1):
			return "-Infinity"
		}
	}
	return w.in.repr(v)
}

func (w *dumper) list(items []any, newline string) {
	if len(items) == 0 {
		w.b.WriteString("[]")
		return
	}
	w.b.WriteByte('[')
	inner := newline + w.indent
	for i, item := range items {
		w.between(i, inner)
		w.value(item, inner)
	}
	w.end(newline)
	w.b.WriteByte(']')
}

// between writes what stands before item i.
func (w *dumper) between(i int, newline string) {
	if i > 0 {
		w.b.WriteString(w.item)
	}
	if w.pretty {
		w.in.made(len(newline))
		w.b.WriteString(newline)
	}
}

func (w *dumper) end(newline string) {
	if w.pretty {
		w.b.WriteString(newline)
	}
}

func (w *dumper) dict(d *Dict, newline string) {
	if d.Len() == 0 {
		w.b.WriteString("{}")
		return
	}
	order := make([]int, d.Len())
	for i := range order {
		order[i] = i
	}
	if w.sort {
		sort.SliceStable(order, func(i, j int) bool { return w.in.ordered("<", d.keys[order[i]], d.keys[order[j]]) })
	}
	w.b.WriteByte('{')
	inner := newline + w.indent
	for n, i := range order {
		w.between(n, inner)
		switch k := d.keys[i].(type) {
		case string, markup:
			s, _ := isString(k)
			w.text(s)
		case nil, bool, int, *big.Int, float64:
			w.text(w.scalar(k))
		default:
			fail(typeError, "keys must be str, int, float, bool or None, not %s", typeName(k))
		}
		w.b.WriteString(w.pair)
		w.value(d.values[i], inner)
	}
	w.end(newline)
	w.b.WriteByte('}')
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\f': `\f`, '\b': `\b`}

func (w *dumper) text(s string) {
	w.in.made(len(s))
	w.b.WriteByte('"')
	for _, r := range s {
		escape, ok := jsonEscapes[r]
		switch {
		case ok:
			w.b.WriteString(escape)
		case r < ' ' || w.ascii && r >= 0x7f && r < 0x10000:
			fmt.Fprintf(&w.b, `\u%04x`, r)
		case w.ascii && r >= utf8.RuneSelf:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&w.b, `\u%04x\u%04x`, high, low)
		default:
			w.b.WriteRune(r)
		}
	}
	w.b.WriteByte('"')
}
