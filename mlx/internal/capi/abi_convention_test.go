package capi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// callABI is a calling convention, as far as the contract needs it.
type callABI struct {
	name            string
	ints            []string
	float           string
	results         []string
	packed          bool // stack arguments lie at their natural alignment, not in slots of 8 bytes
	bigByReference  bool // a struct of more than 16 bytes is passed as the address of a copy
	splitFillsStack bool // a struct that the last registers do not hold closes them for what follows
}

var (
	sysV = callABI{
		name: "sysv", ints: []string{"rdi", "rsi", "rdx", "rcx", "r8", "r9"}, float: "xmm", results: []string{"rax", "rdx"},
	}
	aapcs = callABI{
		name: "aapcs", ints: []string{"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"}, float: "v", results: []string{"x0", "x1"},
		bigByReference: true, splitFillsStack: true,
	}
	apple = callABI{
		name: "apple", ints: aapcs.ints, float: "v", results: aapcs.results,
		bigByReference: true, splitFillsStack: true, packed: true,
	}
)

// place is where an argument lies: in a register or two, or in size bytes at an
// offset from the stack pointer at the call.
type place struct {
	name         string
	registers    []string
	byReference  bool
	offset, size int
}

func (p place) String() string {
	switch {
	case p.byReference:
		return p.name + "=" + p.registers[0] + "(byref)"
	case len(p.registers) > 0:
		return p.name + "=" + strings.Join(p.registers, "-")
	}
	return fmt.Sprintf("%s=stack+%d:%d", p.name, p.offset, p.size)
}

func (p place) onStack() bool { return len(p.registers) == 0 }

// layout is where a call's arguments and result lie.
type layout struct {
	args   []place
	result []string
	stack  int // bytes, rounded up to 8
}

func (l layout) String() string {
	var out []string
	for _, a := range l.args {
		out = append(out, a.String())
	}
	return strings.Join(out, " ")
}

// of lays out a call; a variadic function's named parameters only.
func (a callABI) of(t *testing.T, c *cContract, f cFunction) layout {
	t.Helper()
	var out layout
	ints, floats := a.ints, 0
	stack := func(p place, size, align int) {
		p.offset, p.size = alignUp(out.stack, align), size
		out.args = append(out.args, p)
		out.stack = p.offset + size
	}
	for _, param := range f.Params {
		ct := c.typeOf(t, param.Type)
		p := place{name: param.Name}
		if ct.structure && ct.size > 16 {
			if !a.bigByReference {
				stack(p, ct.size, 8)
				continue
			}
			ct, p.byReference = cType{size: 8, align: 8}, true
		}
		// a struct of up to 8 bytes travels as one 64-bit integer
		if ct.structure {
			ct.size, ct.align = alignUp(ct.size, 8), 8
		}
		words := (ct.size + 7) / 8
		switch {
		case ct.float && floats < 8: // all three ABIs have eight vector registers for arguments
			p.registers = []string{a.float + strconv.Itoa(floats)}
			floats++
		case !ct.float && words <= len(ints):
			p.registers, ints = ints[:words], ints[words:]
		default:
			if !ct.float && a.splitFillsStack {
				ints = nil
			}
			require.False(t, p.byReference, "%s: an address of a copy on the stack was not verified", f.Name)
			align := 8
			if a.packed {
				align = ct.align
			}
			stack(p, ct.size, align)
			continue
		}
		out.args = append(out.args, p)
	}
	out.stack = alignUp(out.stack, 8)
	if f.Ret != "void" {
		ct := c.typeOf(t, f.Ret)
		require.False(t, ct.float || ct.size > 16, "%s: result %s was not verified", f.Name, f.Ret)
		out.result = a.results[:(ct.size+7)/8]
	}
	return out
}

// wordwise lays out what the routines of call_amd64.s and call_arm64.s make of a call: a word
// for each parameter in integer registers, then in stack slots of 8 bytes, and each float in a
// vector register.
func (a callABI) wordwise(t *testing.T, c *cContract, f cFunction) []place {
	var out []place
	words, floats := 0, 0
	for _, p := range f.Params {
		switch {
		case c.typeOf(t, p.Type).float:
			out = append(out, place{name: p.Name, registers: []string{a.float + strconv.Itoa(floats)}})
			floats++
		case words < len(a.ints):
			out = append(out, place{name: p.Name, registers: a.ints[words : words+1]})
			words++
		default:
			out = append(out, place{name: p.Name, offset: (words - len(a.ints)) * 8})
			words++
		}
	}
	require.LessOrEqual(t, floats, maxFloats, f.Name)
	require.LessOrEqual(t, words, maxWords, f.Name)
	return out
}

// samePlaces reports whether each argument begins where the callee reads it. Sizes do
// not matter: the processors are little-endian, and a longer slot ends where the next begins.
func samePlaces(a, b []place) bool {
	return slices.EqualFunc(a, b, func(a, b place) bool {
		return slices.Equal(a.registers, b.registers) && (!a.onStack() || a.offset == b.offset)
	})
}

func hasFloat(t *testing.T, c *cContract, f cFunction) bool {
	return slices.ContainsFunc(f.Params, func(p cParam) bool { return c.typeOf(t, p.Type).float })
}

// hasStruct reports whether a struct of more than a word is passed or returned:
// struct_by_value.go writes those by hand.
func hasStruct(t *testing.T, c *cContract, f cFunction) bool {
	big := func(name string) bool { ct := c.typeOf(t, name); return ct.structure && ct.size > 8 }
	return f.Ret != "void" && big(f.Ret) || slices.ContainsFunc(f.Params, func(p cParam) bool { return big(p.Type) })
}
