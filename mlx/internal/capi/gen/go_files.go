package main

import (
	"bytes"
	"fmt"
	"go/format"
	"log"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
)

func formatted(src []byte) []byte {
	out, err := format.Source(src)
	if err != nil {
		log.Fatalf("%v in generated code:\n%s", err, src)
	}
	return out
}

func (g *generator) types() []byte {
	var b bytes.Buffer
	b.WriteString(header + "package capi\n\n")
	fmt.Fprintf(&b, "// Release is the version of mlx-c that the contract describes.\nconst Release = %q\n\n", strings.TrimPrefix(g.c.Version, "v"))
	fmt.Fprintf(&b, "// MLXRelease is the version of MLX that this mlx-c was written for.\nconst MLXRelease = %q\n\n", g.c.MLXVersion)
	for _, e := range g.c.Enums {
		n := goName(e.Name)
		fmt.Fprintf(&b, "// %s is %s.\ntype %s int32\n\nconst (\n", n, e.Name, n)
		members := make([]string, 0, len(e.Members))
		for m := range e.Members {
			members = append(members, m)
		}
		sort.Slice(members, func(i, j int) bool { return e.Members[members[i]] < e.Members[members[j]] })
		for _, m := range members {
			fmt.Fprintf(&b, "%s %s = %d\n", enumName(e.Name, m), n, e.Members[m])
		}
		b.WriteString(")\n\n")
	}
	for _, s := range g.c.Structs {
		n := goName(s.Name)
		switch {
		case g.handles[s.Name]:
			fmt.Fprintf(&b, "// %s is a handle, %s: the address of an object that the library owns, 0 for none.\ntype %s uintptr\n\n", n, s.Name, n)
		case strings.HasPrefix(s.Name, "mlx_optional_"):
			v, ok := g.valueType(s.Fields[0].Type)
			if !ok || len(s.Fields) != 2 || s.Fields[1].Type != "bool" {
				log.Fatalf("struct %s is not an optional value", s.Name)
			}
			fmt.Fprintf(&b, "// %s is %s.\ntype %s struct {\nValue %s\nHasValue bool\n}\n\n", n, s.Name, n, v)
		default:
			fmt.Fprintf(&b, "// %s is %s.\ntype %s struct {\n", n, s.Name, n)
			for _, f := range s.Fields {
				fmt.Fprintf(&b, "%s uintptr // %s\n", goName(f.Name), f.Type)
			}
			b.WriteString("}\n\n")
		}
	}
	return b.Bytes()
}

func (g *generator) funcs() []byte {
	var b bytes.Buffer
	b.WriteString(header + "package capi\n\nimport (\n\"math\"\n\"unsafe\"\n\n\"github.com/ebitengine/purego\"\n)\n\n")
	var registered []string
	callers := map[caller]bool{}
	for i, f := range g.bound() {
		name := goName(f.Name)
		if prev, dup := g.names[name]; dup {
			log.Fatalf("%s and %s are both named %s in Go", prev, f.Name, name)
		}
		g.names[name] = f.Name
		if slices.Contains(byHand, f.Name) {
			continue
		}
		params := g.params(f)
		var sig []string
		for _, p := range params {
			sig = append(sig, p.name+" "+p.typ)
		}
		ret, conv := g.returns(f)
		fmt.Fprintf(&b, "// %s calls %s.\nfunc %s(%s) %s {\n", name, cDecl(f), name, strings.Join(sig, ", "), ret)
		if gated.MatchString(f.Name) {
			fmt.Fprintf(&b, "assertGate(%d)\n", i)
		}
		if byDefault.MatchString(f.Name) {
			stream := params[len(params)-1].name
			fmt.Fprintf(&b, "EnterDefaults(%s)\ndefer LeaveDefaults(%[1]s)\n", stream)
		}
		if reflected(f) {
			registered = append(registered, writeReflected(&b, f, params, ret))
		} else {
			callers[writeCall(&b, i, params, ret, conv)] = true
		}
	}
	writeCallers(&b, slices.SortedFunc(maps.Keys(callers), func(a, b caller) int { return strings.Compare(a.name(), b.name()) }))
	b.WriteString("// Functions with stack arguments that Apple arm64 packs go through reflection.\n")
	for _, r := range registered {
		b.WriteString(r)
	}
	b.WriteString("\nfunc registerFuncs() {\n")
	for i, f := range g.bound() {
		if reflected(f) {
			fmt.Fprintf(&b, "purego.RegisterFunc(&reg%s, address[%d])\n", goName(f.Name), i)
		}
	}
	b.WriteString("}\n")
	return b.Bytes()
}

// reflected reports whether a function goes through reflection, which packs stack arguments
// where the ABI does.
func reflected(f function) bool { return slices.Contains(packed, f.Name) }

// writeReflected writes the body that calls a registered function, and returns the
// declaration of that function's variable.
func writeReflected(b *bytes.Buffer, f function, params []goParam, ret string) (variable string) {
	var types, args []string
	for _, p := range params {
		switch {
		case strings.HasPrefix(p.typ, "[]"):
			length := lengthType(f, p.name)
			types = append(types, "unsafe.Pointer", length)
			args = append(args, "unsafe.Pointer(unsafe.SliceData("+p.name+"))", length+"(len("+p.name+"))")
		case strings.HasPrefix(p.typ, "Optional"):
			types = append(types, "uint64")
			args = append(args, "uint64("+p.name+".word())")
		default:
			types = append(types, p.typ)
			args = append(args, p.name)
		}
	}
	name := "reg" + goName(f.Name)
	fmt.Fprintf(b, "return %s(%s)\n}\n\n", name, strings.Join(args, ", "))
	return fmt.Sprintf("var %s func(%s) %s\n", name, strings.Join(types, ", "), ret)
}

// caller is a function of the C room that calls into C: a routine, and how many words and
// floats it takes.
type caller struct {
	result        bool // a word, not a status
	words, floats int
}

func (c caller) name() string {
	name := "status"
	if c.result {
		name = "result"
	}
	name += strconv.Itoa(c.words)
	if c.floats > 0 {
		name += "float" + strconv.Itoa(c.floats)
	}
	return name
}

// inRegisters reports whether the words fit amd64's six registers, the fewer of both.
func (c caller) inRegisters() bool { return c.words <= 6 && c.floats == 0 }

// writeCall writes the body that calls the function at an index by words, and returns its caller.
func writeCall(b *bytes.Buffer, index int, params []goParam, ret, conv string) caller {
	var c caller
	address := []string{fmt.Sprintf("address[%d]", index)}
	var words, floats []string
	for _, p := range params {
		if float, ok := floatWord(p); ok {
			floats = append(floats, float)
		} else {
			words = append(words, p.words...)
		}
	}
	c = caller{result: ret != "int32" && ret != "", words: len(words), floats: len(floats)}
	call := fmt.Sprintf("%s(%s)", c.name(), strings.Join(slices.Concat(address, floats, words), ", "))
	switch {
	case ret == "":
		fmt.Fprintf(b, "%s\n}\n\n", call)
	case c.result:
		fmt.Fprintf(b, "r := %s\nreturn %s\n}\n\n", call, fmt.Sprintf(conv, "r"))
	default:
		fmt.Fprintf(b, "return %s\n}\n\n", call)
	}
	return c
}

// floatWord is the word of a parameter that travels in a vector register.
func floatWord(p goParam) (string, bool) {
	switch p.typ {
	case "float32":
		return "uintptr(math.Float32bits(" + p.name + "))", true
	case "float64":
		return "uintptr(math.Float64bits(" + p.name + "))", true
	}
	return "", false
}

// writeCallers writes the functions that call with so many words (see call.go).
func writeCallers(b *bytes.Buffer, callers []caller) {
	b.WriteString("// statusN and resultN call f with N words; statusNfloatM with M floats before them. A pointer\n// among the words stays alive and in place until the call returns.\n")
	for _, c := range callers {
		var floats, words []string
		for i := range c.floats {
			floats = append(floats, fmt.Sprintf("x%d", i))
		}
		for i := range c.words {
			words = append(words, fmt.Sprintf("w%d", i))
		}
		params := strings.Join(slices.Concat([]string{"f"}, floats, words), ", ")
		w := strings.Join(words, ", ")
		anywhere := fmt.Sprintf("anywhere{f, %d, [maxFloats]uintptr{%s}, [maxWords]uintptr{%s}}", c.words, strings.Join(floats, ", "), w)
		fmt.Fprintf(b, "\n//go:uintptrescapes\nfunc %s(%s uintptr) ", c.name(), params)
		switch {
		case c.result:
			fmt.Fprintf(b, "uintptr {\nw := results.Get().(*withResult)\nw.anywhere = %s\nreturn w.call()\n}\n", anywhere)
		case c.inRegisters():
			fmt.Fprintf(b, "int32 {\nw := registers{f, [6]uintptr{%s}}\nreturn cgocall(inRegistersABI0, unsafe.Pointer(&w))\n}\n", w)
		default:
			fmt.Fprintf(b, "int32 {\nw := %s\nreturn cgocall(anywhereABI0, unsafe.Pointer(&w))\n}\n", anywhere)
		}
	}
	b.WriteString("\n")
}

func (g *generator) table() []byte {
	var b bytes.Buffer
	b.WriteString(header + "package capi\n\n")
	fns := g.bound()
	fmt.Fprintf(&b, "const numFuncs = %d\n\n", len(fns))
	b.WriteString("// symbols holds the C name of every bound function, in the order of the contract.\nvar symbols = [numFuncs]string{\n")
	for _, f := range fns {
		fmt.Fprintf(&b, "%q,\n", f.Name)
	}
	b.WriteString("}\n\n// halfOnly holds the functions that a library has only where its compiler has 16-bit floats.\nvar halfOnly = map[string]bool{\n")
	for _, f := range fns {
		if isHalf(f) {
			fmt.Fprintf(&b, "%q: true,\n", f.Name)
		}
	}
	b.WriteString("}\n\n")
	for i, f := range fns {
		if slices.Contains(byHand, f.Name) || f.Name == "mlx_array_free" || f.Name == "mlx_gather_qmm" {
			fmt.Fprintf(&b, "const index%s = %d\n", goName(f.Name), i)
		}
	}
	return b.Bytes()
}
