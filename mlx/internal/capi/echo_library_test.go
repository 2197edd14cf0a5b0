package capi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// isLengthOf reports whether a C function reads its argument n as the number of
// elements at p. It is not the generator's own rule, so that a slice too many or too
// few in the generated code shows as arguments that differ.
func isLengthOf(n, p cParam) bool {
	if n.Type != "size_t" && n.Type != "int" {
		return false
	}
	switch n.Name {
	case p.Name + "_num":
		return true
	case "dim":
		return p.Type == "const int*"
	case "size":
		return p.Type == "const int*" || p.Name == "data"
	}
	return false
}

// lengthOf returns the index of the parameter that holds the length of parameter i.
func lengthOf(f cFunction, i int) (int, bool) {
	if i+1 < len(f.Params) && strings.HasSuffix(f.Params[i].Type, "*") && isLengthOf(f.Params[i+1], f.Params[i]) {
		return i + 1, true
	}
	return 0, false
}

// opaque holds the pointers that a C function may not look behind.
var opaque = map[string]bool{"void*": true, "FILE*": true}

// dataBytes is how much the echo library reads at a const void*, whose size only the
// function knows.
const dataBytes = 16

const echoHead = `#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* what the last call was: its function's index, and chunks, each after its length */
int32_t abi_index;
uint32_t abi_used;
unsigned char abi_buffer[65536];
/* what the next call returns */
uint64_t abi_result[2];

static void abi_put(const void* data, size_t n) {
  uint32_t length = n;
  memcpy(abi_buffer + abi_used, &length, 4);
  memcpy(abi_buffer + abi_used + 4, data, n);
  abi_used += 4 + n;
}
static void abi_flip(void* data, size_t n) {
  for (size_t i = 0; i < n; i++) ((unsigned char*)data)[i] ^= 0xff;
}

`

func (p cParam) decl() string {
	if before, after, ok := strings.Cut(p.Type, "(*)"); ok {
		return before + "(*" + p.Name + ")" + after
	}
	return p.Type + " " + p.Name
}

// echoSource writes the echo library. An echo notes each argument and what it points
// to, and inverts every bit of an out parameter.
func (c *cContract) echoSource(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(echoHead)
	c.writeTypes(&b)
	for i, f := range c.Functions {
		// what lies in the result's register above a bool or an int is not defined:
		// a wider result puts noise there
		ret := f.Ret
		if ret == "bool" || ret == "int" {
			ret = "uint64_t"
		}
		fmt.Fprintf(&b, "\n%s %s(%s) {\n  abi_index = %d;\n  abi_used = 0;\n", ret, f.Name, declare(f), i)
		for j := range f.Params {
			f.writeEcho(&b, j)
		}
		if f.Ret != "void" {
			fmt.Fprintf(&b, "  %s abi_out;\n  memcpy(&abi_out, abi_result, sizeof abi_out);\n  return abi_out;\n", ret)
		}
		b.WriteString("}\n")
	}
	return b.Bytes()
}

// writeTypes writes the contract's types in C.
func (c *cContract) writeTypes(b *bytes.Buffer) {
	for _, d := range c.Typedefs {
		switch {
		case strings.HasPrefix(d.Type, "struct "): // declared ahead of the struct below
		case d.Cond != "": // 16-bit floats, which only pointers lead to: any 16 bits do
			fmt.Fprintf(b, "typedef uint16_t abi_%s;\n#define %[1]s abi_%[1]s\n", d.Name)
		default:
			fmt.Fprintf(b, "typedef %s %s;\n", d.Type, d.Name)
		}
	}
	for _, e := range c.Enums {
		fmt.Fprintf(b, "typedef enum {")
		for name, value := range e.Members {
			fmt.Fprintf(b, "%s = %d, ", name, value)
		}
		fmt.Fprintf(b, "} %s;\n", e.Name)
	}
	for _, s := range c.Structs {
		fmt.Fprintf(b, "typedef struct {")
		for _, f := range s.Fields {
			fmt.Fprintf(b, "%s; ", f.decl())
		}
		fmt.Fprintf(b, "} %s;\n", s.Name)
	}
	for _, p := range c.FnPtrs {
		fmt.Fprintf(b, "typedef %s (*%s)(%s);\n", p.Ret, p.Name, declare(p))
	}
}

// writeEcho writes how the function's echo notes parameter j.
func (f cFunction) writeEcho(b *bytes.Buffer, j int) {
	p := f.Params[j]
	if strings.HasPrefix(p.Type, "mlx_optional_") { // not the padding
		fmt.Fprintf(b, "  abi_put(&%s.value, 4);\n  abi_put(&%[1]s.has_value, 1);\n", p.Name)
		return
	}
	fmt.Fprintf(b, "  abi_put(&%s, sizeof %[1]s);\n", p.Name)
	n, isSlice := lengthOf(f, j)
	switch {
	case !strings.HasSuffix(p.Type, "*") || opaque[p.Type]:
	case p.Type == "const void*":
		fmt.Fprintf(b, "  if (%s) abi_put(%[1]s, %d);\n", p.Name, dataBytes)
	case p.Type == "const char*":
		fmt.Fprintf(b, "  if (%s) abi_put(%[1]s, strlen(%[1]s) + 1);\n", p.Name)
	case isSlice && p.Type == "const char**":
		fmt.Fprintf(b, "  for (size_t i = 0; i < %s; i++) abi_put(%s[i], strlen(%[2]s[i]) + 1);\n", f.Params[n].Name, p.Name)
	case isSlice:
		fmt.Fprintf(b, "  if (%s) abi_put(%[1]s, %s * sizeof *%[1]s);\n", p.Name, f.Params[n].Name)
	case p.Type == "bool*": // stays a bool
		fmt.Fprintf(b, "  if (%s) { abi_put(%[1]s, 1); *%[1]s = !*%[1]s; }\n", p.Name)
	default:
		fmt.Fprintf(b, "  if (%s) { abi_put(%[1]s, sizeof *%[1]s); abi_flip((void*)%[1]s, sizeof *%[1]s); }\n", p.Name)
	}
}

func declare(f cFunction) string {
	if len(f.Params) == 0 {
		return "void"
	}
	var out []string
	for _, p := range f.Params {
		out = append(out, p.decl())
	}
	if f.Variadic {
		out = append(out, "...")
	}
	return strings.Join(out, ", ")
}

type echoLibrary struct {
	index  *int32
	used   *uint32
	buffer []byte
	result []uint64
}

// chunks splits what the last call noted.
func (e echoLibrary) chunks() [][]byte {
	var out [][]byte
	for rest := e.buffer[:*e.used]; len(rest) > 0; {
		n := binary.NativeEndian.Uint32(rest)
		out = append(out, bytes.Clone(rest[4:4+n]))
		rest = rest[4+n:]
	}
	return out
}
