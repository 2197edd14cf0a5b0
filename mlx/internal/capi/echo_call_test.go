package capi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Each function is called six times. Bools follow the bits of their position, so that
// each is once true and once false and no two of a function are always alike. In the
// last round every pointer is NULL.
const (
	rounds    = 6
	nullRound = rounds - 1
)

// call is one call of one function: the arguments, and what C must have seen.
type call struct {
	contract *cContract
	state    uint64
	index    int
	round    int
	position int
	args     []reflect.Value
	labels   []string
	want     [][]byte
	after    []func(t *testing.T) // what C must have left in the out parameters
}

func newCall(c *cContract, index, round int) *call {
	return &call{contract: c, index: index, round: round, state: uint64(index)<<8 | uint64(round)}
}

// next returns another 64 bits: splitmix64, Steele et al. 2014, whose results over one
// sequence are all distinct.
func (c *call) next() uint64 {
	c.state += 0x9e3779b97f4a7c15
	z := c.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (c *call) see(label string, v []byte) {
	c.labels = append(c.labels, label)
	c.want = append(c.want, v)
}

// rawBytes copies what a Go value is in memory.
func rawBytes(v reflect.Value) []byte {
	boxed := reflect.New(v.Type())
	boxed.Elem().Set(v)
	return bytes.Clone(unsafe.Slice((*byte)(boxed.UnsafePointer()), v.Type().Size()))
}

// fill sets v, a value without Go pointers, to something that is neither 0 nor small.
func (c *call) fill(t *testing.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool((c.position+1)>>c.round&1 == 1)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(int64(c.next()) >> (64 - v.Type().Bits()))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(c.next() >> (64 - v.Type().Bits()))
	case reflect.Float32, reflect.Float64: // no NaN, and both widths exact
		v.SetFloat(math.Ldexp(float64(int32(c.next())>>8), -7))
	case reflect.Complex64:
		v.SetComplex(complex(math.Ldexp(float64(int32(c.next())>>8), -7), math.Ldexp(float64(int32(c.next())>>8), -7)))
	case reflect.Struct:
		for i := range v.NumField() {
			c.fill(t, v.Field(i))
		}
	default:
		t.Fatalf("a value of type %v is not known", v.Type())
	}
}

// text returns a C string of its own.
func (c *call) text() *byte { return Bytes(fmt.Sprintf("text %x ü", c.next())) }

// textBytes is the C string at p with its end.
func textBytes(p *byte) []byte {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return bytes.Clone(unsafe.Slice(p, n+1))
}

// address64 is the bytes of a Go pointer as C sees it.
func address64(p unsafe.Pointer) []byte {
	return binary.NativeEndian.AppendUint64(nil, uint64(uintptr(p)))
}

// run calls fn once and compares.
func (c *call) run(t *testing.T, f cFunction, fn reflect.Value, echo echoLibrary) {
	t.Helper()
	name := fmt.Sprintf("%s, round %d", f.Name, c.round)
	typ := fn.Type()
	for j := 0; j < len(f.Params); j++ {
		require.Less(t, len(c.args), typ.NumIn(), "%s: too few Go parameters", name)
		c.position = j
		if c.param(t, f, j, typ.In(len(c.args))) {
			j++ // the length is part of the slice
		}
	}
	require.Len(t, c.args, typ.NumIn(), "%s: Go parameters", name)

	echo.result[0], echo.result[1] = c.next(), c.next()
	if f.Ret == "bool" { // noise above it
		echo.result[0] = echo.result[0]&^0xff | uint64(c.round&1)
	}
	*echo.index, *echo.used = -1, 0
	out := fn.Call(c.args)

	require.EqualValues(t, c.index, *echo.index, "%s: another function was called", name)
	got := echo.chunks()
	for k := range min(len(got), len(c.want)) {
		require.Equal(t, c.want[k], got[k], "%s: %s", name, c.labels[k])
	}
	require.Len(t, got, len(c.want), "%s: what C noted", name)
	for _, check := range c.after {
		check(t)
	}
	if f.Ret == "void" {
		require.Empty(t, out, name)
		return
	}
	require.Len(t, out, 1, name)
	size := c.contract.typeOf(t, f.Ret).size
	want := unsafe.Slice((*byte)(unsafe.Pointer(&echo.result[0])), size)
	require.Equal(t, want, rawBytes(out[0])[:size], "%s: result", name)
	require.Len(t, rawBytes(out[0]), size, "%s: result", name)
}

// param makes the Go argument for C parameter j, of Go type typ, and reports whether
// it covers the length that follows.
func (c *call) param(t *testing.T, f cFunction, j int, typ reflect.Type) (twoParams bool) {
	t.Helper()
	p := f.Params[j]
	arg := reflect.New(typ).Elem()
	n, isSlice := lengthOf(f, j)
	switch {
	case strings.HasPrefix(p.Type, "mlx_optional_"):
		c.fill(t, arg)
		c.see(p.Name+".value", rawBytes(arg.Field(0)))
		c.see(p.Name+".has_value", rawBytes(arg.Field(1)))

	case p.Type == "mlx_io_vtable": // by value in C, its address in Go
		require.Equal(t, reflect.TypeFor[*IoVtable](), typ)
		arg.Set(reflect.New(typ.Elem()))
		c.fill(t, arg.Elem())
		c.see(p.Name, rawBytes(arg.Elem()))

	case !strings.HasSuffix(p.Type, "*") || opaque[p.Type]:
		c.fill(t, arg)
		c.see(p.Name, rawBytes(arg))
		require.EqualValues(t, c.contract.typeOf(t, p.Type).size, typ.Size(), "%s: size of %s", f.Name, p.Name)

	case isSlice:
		require.Equal(t, reflect.Slice, typ.Kind(), "%s: %s and %s are a slice", f.Name, p.Name, f.Params[n].Name)
		c.slice(t, p, f.Params[n], arg)
		twoParams = true

	case c.round == nullRound:
		require.Contains(t, []reflect.Kind{reflect.Pointer, reflect.UnsafePointer}, typ.Kind(), "%s: %s is an address", f.Name, p.Name)
		c.see(p.Name, address64(nil))

	case p.Type == "const void*":
		c.data(t, p, arg)

	case p.Type == "const char*":
		text := c.text()
		arg.Set(reflect.ValueOf(text))
		c.see(p.Name, address64(unsafe.Pointer(text)))
		c.see(contentsOf(p), textBytes(text))

	default:
		require.Equal(t, reflect.Pointer, typ.Kind(), "%s: %s is an address", f.Name, p.Name)
		c.out(t, f, p, arg)
	}
	c.args = append(c.args, arg)
	return twoParams
}

func contentsOf(p cParam) string { return p.Name + " points to" }

// data makes the argument for memory whose size only the function knows.
func (c *call) data(t *testing.T, p cParam, arg reflect.Value) {
	data := reflect.New(reflect.TypeFor[[dataBytes / 8]uint64]())
	for k := range data.Elem().Len() {
		c.fill(t, data.Elem().Index(k))
	}
	arg.SetPointer(data.UnsafePointer())
	c.see(p.Name, address64(data.UnsafePointer()))
	c.see(contentsOf(p), rawBytes(data.Elem()))
}

// slice makes the argument for p, whose length is n.
func (c *call) slice(t *testing.T, p, n cParam, arg reflect.Value) {
	null := c.round == nullRound
	length := 0
	if !null {
		length = 1 + int(c.next()%7)
		arg.Set(reflect.MakeSlice(arg.Type(), length, length+3))
	}
	c.see(p.Name, address64(arg.UnsafePointer()))
	if p.Type == "const char**" {
		for k := range length {
			text := c.text()
			arg.Index(k).Set(reflect.ValueOf(text))
			c.see(contentsOf(p), textBytes(text))
		}
	} else if !null {
		var raw []byte
		for k := range length {
			c.fill(t, arg.Index(k))
			raw = append(raw, rawBytes(arg.Index(k))...)
		}
		c.see(contentsOf(p), raw)
	}
	size := c.contract.typeOf(t, n.Type).size
	c.see(n.Name, binary.NativeEndian.AppendUint64(nil, uint64(length))[:size])
}

// out makes the argument for an out parameter.
func (c *call) out(t *testing.T, f cFunction, p cParam, arg reflect.Value) {
	target := reflect.New(arg.Type().Elem())
	c.fill(t, target.Elem())
	before := rawBytes(target.Elem())
	arg.Set(target)
	c.see(p.Name, address64(target.UnsafePointer()))
	c.see(contentsOf(p), before)
	c.after = append(c.after, func(t *testing.T) {
		want := bytes.Clone(before)
		for k := range want {
			if p.Type == "bool*" {
				want[k] ^= 1
			} else {
				want[k] ^= 0xff
			}
		}
		require.Equal(t, want, rawBytes(target.Elem()), "%s: what C left in %s", f.Name, p.Name)
	})
}
