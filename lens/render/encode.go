package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"
)

// WriteJSON writes a value as JSON on one line. What a terminal would take as a command, and
// what reorders text, is written as \u and four digits: a reader of JSON gets the same string,
// and who looks at the line is not deceived.
func WriteJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("render: JSON: %w", err)
	}
	if _, err := w.Write(escapeJSON(b.Bytes())); err != nil { // one write, so that a line is whole or the last
		return fmt.Errorf("render: JSON: %w", err)
	}
	return nil
}

// escapeJSON escapes in JSON what encoding/json leaves: DEL, C1 and bidi controls. Outside
// of strings JSON has none of them.
func escapeJSON(text []byte) []byte {
	if bytes.IndexFunc(text, controls) < 0 {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if controls(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	return out
}
