package exactjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
)

// Explain returns an error of encoding/json in the words of the file: which key, what is there and
// what is expected. What it does not know it returns as it is.
func Explain(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		there := found(kind.Value)
		want := wanted(kind.Type)
		if strings.HasPrefix(kind.Value, "number") && kind.Type.Kind() == reflect.Float64 {
			want = fmt.Sprintf("one that a 64-bit number holds (up to %.3g)", math.MaxFloat64)
		}
		key := keyOf(kind.Field)
		if key == "" {
			key = "it"
		}
		return fmt.Errorf("%s is %s, want %s", key, there, want)
	case EndsTooSoon(err):
		return errors.New("it is not JSON: it ends too soon")
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON: %s, at byte %d", syntax.Error(), syntax.Offset)
	}
	return err
}

// EndsTooSoon reports whether an error of encoding/json is that of a text that ends too soon, in a stream or whole.
func EndsTooSoon(err error) bool {
	var syntax *json.SyntaxError // of a value of a stream too since Go 1.27
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &syntax) && strings.HasPrefix(syntax.Error(), "unexpected end")
}

// keyOf is the path of a field as the file has it: encoding/json puts the names of embedded structs
// into it, which are Go's, and since Go 1.27 the places of lists.
func keyOf(field string) string {
	parts := strings.Split(field, ".")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p != "" && (p[0] >= 'A' && p[0] <= 'Z' || p[0] >= '0' && p[0] <= '9') }), ".")
}

// found names what a file has, as encoding/json tells it: "number 1e9", "array".
func found(value string) string {
	what, number, isNumber := strings.Cut(value, " ")
	switch {
	case isNumber:
		return "the number " + number
	case what == "array":
		return "a list"
	case what == "object":
		return "an object"
	case what == "bool":
		return "true or false"
	case what == "string":
		return "a text"
	}
	return "a " + what
}

// wanted names what a field holds.
func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, 0 or more, without a point or an exponent"
	}
	return "a whole number of at most 64 bits, without a point or an exponent"
}
