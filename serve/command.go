package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/mlxlens/mlxlens/internal/exactjson"
)

// A Command is something that an engine does: an endpoint of the API.
type Command struct {
	Name    string   // of the endpoint
	Runs    string   // the command of the command line
	Short   string   // what it does
	Prompts []string // the keys of the texts that are its arguments, in their order
	JSON    []JSON   // what it takes as JSON
	With    []string // arguments of every call
	Streams bool     // it answers a JSON object a line, as each is known
	Schema  string   // of its answer, where it has a name
	Options []Option
	Formats []string // of its answer, the usual one first
}

// JSON is a key whose list or object a flag takes as it is.
type JSON struct {
	Key, Flag string
	Needed    bool // a request has it
}

// Kind is what an option takes.
type Kind string

// The kinds of options, in the words of JSON Schema.
const (
	Text    Kind = "string"
	Integer Kind = "integer"
	Number  Kind = "number"
	Truth   Kind = "boolean"
	List    Kind = "array" // of texts
)

// An Option is a flag of the command line.
type Option struct {
	Name    string // as the flag is called
	Kind    Kind
	Means   string
	Default string // as the flag has it
	Alone   string // what the flag means without a value, which true asks for; "": it has one
}

// Key is the name in a request.
func (o *Option) Key() string { return strings.ReplaceAll(o.Name, "-", "_") }

// A Call is a request as the command line has it.
type Call struct {
	Command string
	Args    []string // behind the name of the program
	Format  string   // of the answer
}

// KeyOf is the key by which a request gives what a flag does, and false for a flag that it cannot give.
func (c *Command) KeyOf(flag string) (key string, ok bool) {
	for _, j := range c.JSON {
		if j.Flag == flag {
			return j.Key, true
		}
	}
	for i := range c.Options {
		if c.Options[i].Name == flag {
			return c.Options[i].Key(), true
		}
	}
	return "", false
}

// A Refusal is an error of what was asked, which another request mends.
type Refusal struct{ Err error }

func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the error in words.
func (r *Refusal) Unwrap() error { return r.Err }

func refuse(format string, args ...any) error { return &Refusal{fmt.Errorf(format, args...)} }

// call reads a request, the text of a JSON object.
func (c *Command) call(body []byte) (Call, error) {
	call := Call{Command: c.Name, Args: append([]string{c.Runs}, c.With...), Format: c.Formats[0]}
	var r map[string]json.RawMessage
	if err := decode(body, &r); err != nil {
		return call, err
	}
	if err := exact(body); err != nil {
		return call, err
	}
	maps.DeleteFunc(r, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	prompts, err := c.prompts(r)
	if err != nil {
		return call, err
	}
	if err := c.takeJSON(r, &call); err != nil {
		return call, err
	}
	if err := c.format(r, &call); err != nil {
		return call, err
	}
	for i := range c.Options {
		o := &c.Options[i]
		value, given := r[o.Key()]
		if !given {
			continue
		}
		delete(r, o.Key())
		texts, err := o.texts(value)
		if err != nil {
			return call, err
		}
		for _, text := range texts {
			call.Args = append(call.Args, "--"+o.Name+"="+text)
		}
	}
	if len(r) > 0 {
		return call, c.unknown(slices.Sorted(maps.Keys(r)))
	}
	if len(prompts) > 0 {
		call.Args = append(append(call.Args, "--"), prompts...)
	}
	return call, nil
}

// decode reads one JSON value and nothing behind it.
func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return refuse("the request is no JSON object: %w", err)
	}
	if d.More() {
		return refuse("the request has more than one JSON object")
	}
	return nil
}

// exact refuses what readers of JSON take differently, or replace without a word: keys that stand twice,
// and texts that are no text.
func exact(body []byte) error {
	if !utf8.Valid(body) {
		return refuse("the request is not UTF-8")
	}
	if err := exactjson.Repeated(body); err != nil {
		return refuse("the request: %w", err)
	}
	if half := loneHalf(body); half != "" {
		return refuse("the request has %s, half of a pair of UTF-16 without its other, which is no character: send both, or \\ufffd", half)
	}
	return nil
}

// loneHalf returns the first escape of JSON, such as \ud83d, that is half of a surrogate pair without the other half
// beside it; "" without one.
func loneHalf(body []byte) string {
	for i := 0; i+1 < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		unit, ok := escaped(body[i:])
		if !ok || !utf16.IsSurrogate(unit) {
			i++ // what is escaped may be a backslash
			continue
		}
		other, _ := escaped(body[i+6:])
		if utf16.DecodeRune(unit, other) == utf8.RuneError {
			return string(body[i : i+6])
		}
		i += 11
	}
	return ""
}

// escaped reads the unit of UTF-16 that an escape \uXXXX at the start of a text stands for.
func escaped(text []byte) (unit rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(n), err == nil
}

// prompts takes the texts that are arguments.
func (c *Command) prompts(r map[string]json.RawMessage) ([]string, error) {
	var texts []string
	for i, key := range c.Prompts {
		value, given := r[key]
		delete(r, key)
		if !given {
			continue
		}
		if len(texts) < i {
			return nil, refuse("%q needs %q before it", key, c.Prompts[i-1])
		}
		var text string
		if json.Unmarshal(value, &text) != nil {
			return nil, refuse("%q: want a text, and it is %s", key, shortened(value))
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// takeJSON takes what the command takes as JSON.
func (c *Command) takeJSON(r map[string]json.RawMessage, call *Call) error {
	for _, j := range c.JSON {
		value, given := r[j.Key]
		if !given && j.Needed {
			return refuse("%q is missing", j.Key)
		}
		if !given {
			continue
		}
		delete(r, j.Key)
		var flat bytes.Buffer
		if err := json.Compact(&flat, value); err != nil {
			return refuse("%q: %w", j.Key, err)
		}
		if text := flat.String(); text[0] != '[' && text[0] != '{' { // which would name a file
			return refuse("%q: want a list or an object, and it is %s", j.Key, shortened(value))
		}
		call.Args = append(call.Args, "--"+j.Flag+"="+flat.String())
	}
	return nil
}

// format takes the format of the answer.
func (c *Command) format(r map[string]json.RawMessage, call *Call) error {
	value, given := r["format"]
	delete(r, "format")
	if given && json.Unmarshal(value, &call.Format) != nil || !slices.Contains(c.Formats, call.Format) {
		return refuse("\"format\" %s: want one of %s", shortened(value), strings.Join(c.Formats, ", "))
	}
	switch {
	case call.Format != "json":
		call.Args = append(call.Args, "--output=-", "--format="+call.Format)
	case !c.has("export") || r["export"] == nil: // which is JSON of another shape
		call.Args = append(call.Args, "--json")
	}
	return nil
}

// asksNothing reports whether a request has nothing to say.
func (c *Command) asksNothing() bool {
	return len(c.Prompts) == 0 && len(c.JSON) == 0 && len(c.Options) == 0
}

func (c *Command) has(flag string) bool {
	return slices.ContainsFunc(c.Options, func(o Option) bool { return o.Name == flag })
}

// unknown says which keys mean nothing, and what a request may have.
func (c *Command) unknown(keys []string) error {
	have := slices.Clone(c.Prompts)
	for _, j := range c.JSON {
		have = append(have, j.Key)
	}
	if len(c.Formats) > 1 {
		have = append(have, "format")
	}
	for i := range c.Options {
		have = append(have, c.Options[i].Key())
	}
	for i, key := range keys {
		keys[i] = strconv.Quote(key)
	}
	return refuse("%s has no %s (have: %s)", c.Name, strings.Join(keys, ", "), strings.Join(have, ", "))
}

// texts writes a value as its flag is given, once or several times. Numbers may stand where a
// selection is meant, alone or in a list: "layers": [0, 4, -1].
func (o *Option) texts(value json.RawMessage) ([]string, error) {
	var v any
	if err := decode(value, &v); err != nil {
		return nil, err
	}
	wrong := refuse("%q: want %s, and it is %s", o.Key(), o.Kind.words(), shortened(value))
	switch v := v.(type) {
	case bool:
		switch {
		case o.Kind == Truth:
			return []string{strconv.FormatBool(v)}, nil
		case o.Alone != "" && v:
			return []string{o.Alone}, nil
		case o.Alone != "":
			return nil, nil
		}
	case json.Number:
		if o.Kind == Integer || o.Kind == Number || o.Kind == Text {
			return []string{v.String()}, nil
		}
	case string:
		if o.Kind == Text || o.Kind == List {
			return []string{v}, nil
		}
	case []any:
		if o.Kind == Text || o.Kind == List {
			return o.several(v, wrong)
		}
	}
	return nil, wrong
}

// several writes a list: flags of a list, or a selection with commas.
func (o *Option) several(values []any, wrong error) ([]string, error) {
	var texts []string
	for _, v := range values {
		switch v := v.(type) {
		case string:
			if o.Kind == Text {
				return nil, wrong
			}
			texts = append(texts, v)
		case json.Number:
			if o.Kind == List {
				return nil, wrong
			}
			texts = append(texts, v.String())
		default:
			return nil, wrong
		}
	}
	if o.Kind == Text {
		texts = []string{strings.Join(texts, ",")}
	}
	return texts, nil
}

func (k Kind) words() string {
	switch k {
	case Integer:
		return "a whole number"
	case Number:
		return "a number"
	case Truth:
		return "true or false"
	case List:
		return "a text, or a list of texts"
	}
	return "a text"
}

// shortened is JSON for a sentence.
func shortened(value json.RawMessage) string {
	const most = 60
	runes := []rune(string(value))
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	if len(runes) == 0 {
		return "not there"
	}
	return string(runes)
}

// errBusy, errClosed and errLarge are why a request is not answered that could be at another time.
var (
	errBusy   = errors.New("the server has as many requests waiting as it may")
	errClosed = errors.New("the server is stopping")
	errLarge  = errors.New("the answer is larger than the server keeps")
)
