// Package exactjson reads JSON into structs as other languages do, where the case of a key
// matters. encoding/json takes "Rope_Theta" for a field tagged rope_theta; to the programs
// that write these files it is another key, which means nothing.
package exactjson

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Unmarshal is json.Unmarshal, but a key that differs in case from every field's name is
// ignored, in nested structs too, and the infinities that Python writes are read ([Standard]). Its
// errors are those of [Explain].
func Unmarshal(data []byte, v any) error {
	data = exact(Standard(data), reflect.TypeOf(v))
	err := json.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && keyOf(kind.Field) == "" {
		kind.Field = keyAtFault(data, reflect.TypeOf(v))
	}
	return Explain(err)
}

// keyAtFault is the path of the first key of an object that t does not take, "" where it is the object itself: since Go 1.27
// encoding/json does not name that of a field with an UnmarshalJSON of its own.
func keyAtFault(data []byte, t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var object map[string]json.RawMessage
	if t.Kind() != reflect.Struct || json.Unmarshal(data, &object) != nil {
		return ""
	}
	fields := map[string]reflect.Type{}
	collect(t, fields)
	for _, key := range slices.Sorted(maps.Keys(object)) {
		field, known := fields[key]
		if !known || json.Unmarshal(object[key], reflect.New(field).Interface()) == nil {
			continue
		}
		if below := keyAtFault(object[key], field); below != "" {
			return key + "." + below
		}
		return key
	}
	return ""
}

// exact returns data without the keys that t's fields would take in another case. What is
// no JSON, or no object where t is a struct, is left for json.Unmarshal to judge.
func exact(data []byte, t reflect.Type) []byte {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(unmarshaler) {
		return data
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil || object == nil {
		return data
	}
	fields := map[string]reflect.Type{}
	collect(t, fields)
	for key, raw := range object {
		if field, ok := fields[key]; ok {
			object[key] = exact(raw, field)
			continue
		}
		for name := range fields {
			if strings.EqualFold(name, key) {
				delete(object, key)
				break
			}
		}
	}
	if text, err := json.Marshal(object); err == nil {
		return text
	}
	return data
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// collect adds the names of t's fields, and of the structs that it embeds.
func collect(t reflect.Type, fields map[string]reflect.Type) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			collect(f.Type, fields)
		case !f.IsExported() || name == "-":
		case name == "":
			fields[f.Name] = f.Type
		default:
			fields[name] = f.Type
		}
	}
}
