package main

import (
	"log"
	"strings"
)

// goName turns mlx_fast_rms_norm into FastRmsNorm.
func goName(c string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(c, "_"), "mlx_"), "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

func paramName(c string) string {
	switch c {
	case "type", "func", "map", "range", "select", "default", "len":
		return c + "_"
	}
	return c
}

func bare(t string) string { return strings.TrimPrefix(t, "const ") }

// scalar maps a C scalar to Go.
var scalar = map[string]string{
	"int": "int32", "bool": "bool", "size_t": "int", "float": "float32", "double": "float64",
	"uint8_t": "uint8", "uint16_t": "uint16", "uint32_t": "uint32", "uint64_t": "uint64",
	"int8_t": "int8", "int16_t": "int16", "int32_t": "int32", "int64_t": "int64",
	"uintptr_t": "uintptr", "float16_t": "uint16", "bfloat16_t": "uint16", "mlx_complex64_t": "complex64",
}

func (g *generator) valueType(t string) (string, bool) {
	if s, ok := scalar[t]; ok {
		return s, true
	}
	if g.handles[t] || g.enums[t] || strings.HasPrefix(t, "mlx_optional_") {
		return goName(t), true
	}
	return "", false
}

// goParam is one parameter of the Go function and the machine words it becomes.
type goParam struct {
	name, typ string
	words     []string
}

// params maps the C parameters to Go ones: a pointer followed by its length
// becomes a slice, and every other parameter stays one parameter.
func (g *generator) params(f function) []goParam {
	var out []goParam
	for i := 0; i < len(f.Params); i++ {
		p := f.Params[i]
		if fixed, ok := untypedParam(paramName(p.Name), p.Type); ok {
			out = append(out, fixed)
			continue
		}
		if !strings.HasSuffix(p.Type, "*") {
			out = append(out, g.valueParam(f, p))
			continue
		}
		param, withLength := g.pointerParam(f, i)
		out = append(out, param)
		if withLength {
			i++
		}
	}
	return out
}

// untypedParam is a parameter whose C type leads to no type of the library.
func untypedParam(name, t string) (goParam, bool) {
	value, address := []string{"uintptr(" + name + ")"}, []string{"uintptr(unsafe.Pointer(" + name + "))"}
	switch {
	case strings.Contains(t, "(*)") || t == "mlx_error_handler_func":
		return goParam{name, "Callback", value}, true
	case t == "FILE*":
		return goParam{name, "File", value}, true
	case t == "const void*":
		return goParam{name, "unsafe.Pointer", value}, true
	case t == "void*":
		return goParam{name, "uintptr", []string{name}}, true
	case t == "void**":
		return goParam{name, "*uintptr", address}, true
	case t == "const char*":
		return goParam{name, "*byte", address}, true
	case t == "char**":
		return goParam{name, "*CString", address}, true
	}
	return goParam{}, false
}

// pointerParam is an out parameter, or a slice when its length follows.
func (g *generator) pointerParam(f function, i int) (out goParam, withLength bool) {
	p := f.Params[i]
	name, elem := paramName(p.Name), strings.TrimSuffix(bare(p.Type), "*")
	isString := p.Type == "const char**"
	goElem, ok := g.valueType(elem)
	if isString {
		goElem, ok = "*byte", true
	}
	if !ok {
		log.Fatalf("%s: parameter %s has type %q", f.Name, p.Name, p.Type)
	}
	if i+1 < len(f.Params) && isLength(p, f.Params[i+1]) {
		n := f.Params[i+1]
		if n.Type != "size_t" && n.Type != "int" {
			log.Fatalf("%s: length %s has type %q", f.Name, n.Name, n.Type)
		}
		return goParam{name, "[]" + goElem, []string{"uintptr(unsafe.Pointer(unsafe.SliceData(" + name + ")))", "uintptr(len(" + name + "))"}}, true
	}
	if isString { // an out parameter
		goElem = "CString"
	}
	return goParam{name, "*" + goElem, []string{"uintptr(unsafe.Pointer(" + name + "))"}}, false
}

// valueParam is a scalar, an enum, a handle or an optional value.
func (g *generator) valueParam(f function, p param) goParam {
	name := paramName(p.Name)
	v, ok := g.valueType(bare(p.Type))
	if !ok {
		log.Fatalf("%s: parameter %s has type %q", f.Name, p.Name, p.Type)
	}
	word := "uintptr(" + name + ")"
	switch {
	case v == "bool":
		word = "word(" + name + ")"
	case strings.HasPrefix(v, "Optional"):
		word = name + ".word()"
	}
	return goParam{name, v, []string{word}}
}

// isLength reports whether n holds the length of the pointer p.
func isLength(p, n param) bool {
	if n.Type != "size_t" && n.Type != "int" {
		return false
	}
	return n.Name == p.Name+"_num" ||
		n.Name == "size" && (p.Name == "data" || p.Name == "shape") ||
		n.Name == "dim" && p.Name == "shape"
}

func (g *generator) returns(f function) (typ, conv string) {
	switch t := f.Ret; {
	case t == "void":
		return "", ""
	case t == "int":
		return "int32", "int32(%s)"
	case t == "bool":
		return "bool", "byte(%s) != 0"
	case t == "size_t":
		return "int", "int(%s)"
	case g.handles[t] || g.enums[t]:
		return goName(t), goName(t) + "(%s)"
	case t == "const char*":
		return "CString", "CString(%s)"
	case strings.HasPrefix(t, "const ") && strings.HasSuffix(t, "*"):
		return "Pointer", "Pointer(%s)"
	}
	log.Fatalf("%s: result type %q", f.Name, f.Ret)
	return
}

// enumName turns (mlx_dtype, MLX_FLOAT32) into DtypeFloat32.
func enumName(enum, member string) string {
	m := strings.ToLower(strings.TrimPrefix(member, "MLX_"))
	e := strings.TrimPrefix(enum, "mlx_")
	m = strings.TrimPrefix(m, e+"_")
	return goName(e) + goName(m)
}

func lengthType(f function, pointer string) string {
	for i, p := range f.Params {
		if paramName(p.Name) == pointer && f.Params[i+1].Type == "int" {
			return "int32"
		}
	}
	return "int"
}
