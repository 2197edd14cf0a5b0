package main

import (
	"bytes"
	"fmt"
	"go/format"
	"log"
	"maps"
	"slices"
	"sort"
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
	b.WriteString(header + "package capi\n\nimport (\n\"sync\"\n\"unsafe\"\n\n\"github.com/ebitengine/purego\"\n)\n\n")
	var registered []string
	counts := map[int]bool{} // numbers of argument words
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
			counts[writeCall(&b, i, params, conv)] = true
		}
	}
	writeCallers(&b, slices.Sorted(maps.Keys(counts)))
	b.WriteString("// Functions with floating parameters, or with stack arguments that Apple arm64\n// packs, go through reflection.\n")
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

// reflected reports whether a function goes through reflection, which places floats, and
// packs stack arguments where the ABI does.
func reflected(f function) bool { return floating(f) || slices.Contains(packed, f.Name) }

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

// writeCall writes the body that calls the function at an index by words, and returns how
// many words there are.
func writeCall(b *bytes.Buffer, index int, params []goParam, conv string) int {
	words := []string{fmt.Sprintf("address[%d]", index)}
	for _, p := range params {
		words = append(words, p.words...)
	}
	n := len(words) - 1
	call := fmt.Sprintf("call%d(%s)", n, strings.Join(words, ", "))
	if conv == "" {
		fmt.Fprintf(b, "%s\n}\n\n", call)
	} else {
		fmt.Fprintf(b, "r := %s\nreturn %s\n}\n\n", call, fmt.Sprintf(conv, "r"))
	}
	return n
}

// writeCallers writes the functions that call one of so many words.
func writeCallers(b *bytes.Buffer, counts []int) {
	b.WriteString("// callN calls a function with N words. The words travel in a pooled frame, since a\n// variadic call would allocate one; a pointer among them stays alive and in place\n// until the call returns.\n")
	for _, n := range counts {
		params, frame := []string{"f"}, ""
		for i := range n {
			params = append(params, fmt.Sprintf("a%d", i))
			frame += fmt.Sprintf("w[%d] = a%d\n", i, i)
		}
		if n == 0 {
			b.WriteString("\nfunc call0(f uintptr) uintptr {\nr, _, _ := purego.SyscallN(f)\nreturn r\n}\n")
			continue
		}
		fmt.Fprintf(b, "\n//go:uintptrescapes\nfunc call%d(%s uintptr) uintptr {\nw := frames.Get().(*frame)\n%sr, _, _ := purego.SyscallN(f, w[:%d]...)\nframes.Put(w)\nreturn r\n}\n", n, strings.Join(params, ", "), frame, n)
	}
	fmt.Fprintf(b, "\ntype frame [%d]uintptr\n\nvar frames = sync.Pool{New: func() any { return new(frame) }}\n\n", slices.Max(counts))
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
		if slices.Contains(byHand, f.Name) {
			fmt.Fprintf(&b, "const index%s = %d\n", goName(f.Name), i)
		}
	}
	return b.Bytes()
}
