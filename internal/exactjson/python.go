package exactjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
)

// words are the numbers that Python's json writes and JSON has not.
var words = []string{"-Infinity", "Infinity", "NaN"}

// Standard returns text with the numbers that Python writes and JSON has not in the form that
// transformers gives them, {"__float__": "Infinity"}; text itself where there are none.
func Standard(text []byte) []byte {
	if !bytes.Contains(text, []byte("Infinity")) && !bytes.Contains(text, []byte("NaN")) {
		return text
	}
	var out []byte
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted && c == '\\' && i+1 < len(text):
			out = append(out, c, text[i+1])
			i++
			continue
		case c == '"':
			quoted = !quoted
		case !quoted:
			if word := wordAt(text[i:]); word != "" {
				out = fmt.Appendf(out, `{"__float__": %q}`, word)
				i += len(word) - 1
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

// wordAt returns the word that text begins with, "" if none.
func wordAt(text []byte) string {
	for _, word := range words {
		if bytes.HasPrefix(text, []byte(word)) {
			return word
		}
	}
	return ""
}

// Float is a number that may be infinite, as Python writes it or as transformers does.
type Float float64

// UnmarshalJSON implements json.Unmarshaler.
func (f *Float) UnmarshalJSON(text []byte) error {
	var tagged struct {
		Float string `json:"__float__"`
	}
	switch err := json.Unmarshal(text, &tagged); {
	case err != nil:
		return json.Unmarshal(text, (*float64)(f))
	case tagged.Float == "Infinity":
		*f = Float(math.Inf(1))
	case tagged.Float == "-Infinity":
		*f = Float(math.Inf(-1))
	case tagged.Float == "NaN":
		*f = Float(math.NaN())
	case string(text) != "null":
		return fmt.Errorf("%s is no number", text)
	}
	return nil
}
