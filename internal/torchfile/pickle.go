package torchfile

import (
	"encoding/binary"
	"fmt"
	"math"
)

// unpickle reads a pickle, which is a program for a stack machine (Python's pickletools
// documents each opcode); this machine has the opcodes that torch.save writes for dictionaries,
// lists, numbers, texts and tensors, and knows four functions. A name of anything else is an
// error, and nothing is called.
func unpickle(program []byte) (any, error) {
	m := &machine{program: program, memo: map[uint32]any{}}
	for {
		done, err := m.step()
		if err != nil {
			return nil, fmt.Errorf("the pickle at byte %d: %w", m.last, err)
		}
		if done {
			break
		}
	}
	top := m.pop()
	return top, m.err
}

// What stands on the stack: nil, bool, int, float64, string, Tuple, *List, *Dict, Tensor, and what
// is none of a file's values: global, storage and mark.
type (
	// Tuple is a Python tuple.
	Tuple []any

	// List is a Python list.
	List struct{ Values []any }

	// Dict is a Python dictionary; a key is a string or an int.
	Dict struct{ Values map[any]any }

	global string // module.name
	mark   struct{}
)

// maxStack bounds the stack; that of a dictionary of tensors holds its names and tensors.
const maxStack = 1 << 17

type machine struct {
	program []byte
	at      int // the next byte
	last    int // where the opcode stands
	stack   []any
	memo    map[uint32]any
	err     error // the first: of an operand that is missing, or a stack that is empty
}

// take returns the next n bytes.
func (m *machine) take(n int) []byte {
	if n < 0 || n > len(m.program)-m.at {
		m.fail("ends too soon")
		return make([]byte, 8)
	}
	m.at += n
	return m.program[m.at-n : m.at]
}

func (m *machine) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

func (m *machine) push(x any) {
	if len(m.stack) == maxStack {
		m.fail("needs a stack of more than %d", maxStack)
		return
	}
	m.stack = append(m.stack, x)
}

func (m *machine) pop() any {
	if len(m.stack) == 0 {
		m.fail("takes from an empty stack")
		return nil
	}
	x := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return x
}

// top takes the last n values.
func (m *machine) top(n int) Tuple {
	if n > len(m.stack) {
		m.fail("takes from an empty stack")
		return make(Tuple, n)
	}
	out := append(Tuple{}, m.stack[len(m.stack)-n:]...)
	m.stack = m.stack[:len(m.stack)-n]
	return out
}

// marked takes what stands above the last mark, and the mark.
func (m *machine) marked() Tuple {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if m.stack[i] == (mark{}) {
			out := m.top(len(m.stack) - i - 1)
			m.pop()
			return out
		}
	}
	m.fail("has no mark")
	return nil
}

// line returns the text before the next newline.
func (m *machine) line() string {
	for end := m.at; end < len(m.program); end++ {
		if m.program[end] == '\n' {
			text := string(m.program[m.at:end])
			m.at = end + 1
			return text
		}
	}
	m.fail("ends too soon")
	return ""
}

// step runs one opcode; done is true after the last.
func (m *machine) step() (done bool, err error) {
	m.last = m.at
	op := m.take(1)[0]
	switch {
	case op == '.': // STOP
		return true, m.err
	case m.constant(op) || m.collect(op) || m.remember(op) || m.refer(op) || m.err != nil:
		return false, m.err
	}
	return false, fmt.Errorf("opcode 0x%02x is none that torch.save writes for a dictionary of tensors and plain values", op)
}

// constant runs an opcode that pushes a value which stands in the program (and PROTO, the
// first, which pushes none); ok is false where op is no such opcode.
func (m *machine) constant(op byte) (ok bool) {
	switch op {
	case 0x80: // PROTO
		m.take(1)
	case 'N': // NONE
		m.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		m.push(op == 0x88)
	case 'K': // BININT1
		m.push(int(m.take(1)[0]))
	case 'M': // BININT2
		m.push(int(binary.LittleEndian.Uint16(m.take(2))))
	case 'J': // BININT
		m.push(int(int32(binary.LittleEndian.Uint32(m.take(4)))))
	case 0x8a: // LONG1
		m.push(m.long())
	case 'G': // BINFLOAT
		m.push(math.Float64frombits(binary.BigEndian.Uint64(m.take(8))))
	case 'X': // BINUNICODE
		m.push(string(m.take(int(binary.LittleEndian.Uint32(m.take(4))))))
	default:
		return false
	}
	return true
}

// collect runs an opcode that makes a tuple, or fills a list or a dictionary, of what is on the stack.
func (m *machine) collect(op byte) (ok bool) {
	switch op {
	case '(': // MARK
		m.push(mark{})
	case ')': // EMPTY_TUPLE
		m.push(Tuple{})
	case 't': // TUPLE
		m.push(m.marked())
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		m.push(m.top(int(op - 0x84)))
	case ']': // EMPTY_LIST
		m.push(&List{})
	case 'a': // APPEND
		m.add(m.top(1))
	case 'e': // APPENDS
		m.add(m.marked())
	case '}': // EMPTY_DICT
		m.push(&Dict{map[any]any{}})
	case 's': // SETITEM
		m.set(m.top(2))
	case 'u': // SETITEMS
		m.set(m.marked())
	default:
		return false
	}
	return true
}

// remember runs an opcode of the memo.
func (m *machine) remember(op byte) (ok bool) {
	switch op {
	case 'q': // BINPUT
		m.put(uint32(m.take(1)[0]))
	case 'r': // LONG_BINPUT
		m.put(binary.LittleEndian.Uint32(m.take(4)))
	case 'h': // BINGET
		m.get(uint32(m.take(1)[0]))
	case 'j': // LONG_BINGET
		m.get(binary.LittleEndian.Uint32(m.take(4)))
	default:
		return false
	}
	return true
}

// refer runs an opcode of what stands outside the program: names, storages, calls.
func (m *machine) refer(op byte) (ok bool) {
	switch op {
	case 'c': // GLOBAL
		module := m.line()
		m.push(global(module + "." + m.line()))
	case 'Q': // BINPERSID
		m.push(m.persistent(m.pop()))
	case 'R': // REDUCE
		arguments := m.pop()
		m.push(m.call(m.pop(), arguments))
	case 'b': // BUILD: the attributes of a dictionary, which are versions of modules
		m.pop()
	default:
		return false
	}
	return true
}

// long reads a little-endian integer of two's complement.
func (m *machine) long() int {
	bytes := m.take(int(m.take(1)[0]))
	if len(bytes) > 8 {
		m.fail("has an integer of %d bytes", len(bytes))
		return 0
	}
	x := uint64(0)
	for i, b := range bytes {
		x |= uint64(b) << (8 * i)
	}
	if n := len(bytes); n > 0 && n < 8 && bytes[n-1]&0x80 != 0 {
		x |= ^uint64(0) << (8 * n)
	}
	return int(x)
}

func (m *machine) put(at uint32) {
	if len(m.stack) == 0 {
		m.fail("takes from an empty stack")
		return
	}
	m.memo[at] = m.stack[len(m.stack)-1]
}

func (m *machine) get(at uint32) {
	x, ok := m.memo[at]
	if !ok {
		m.fail("has nothing under number %d", at)
	}
	m.push(x)
}

// set enters pairs in the dictionary on top.
func (m *machine) set(pairs Tuple) {
	if len(m.stack) == 0 || len(pairs)%2 != 0 {
		m.fail("sets items of nothing")
		return
	}
	d, ok := m.stack[len(m.stack)-1].(*Dict)
	if !ok {
		m.fail("sets items of something else than a dictionary")
		return
	}
	for i := 0; i < len(pairs); i += 2 {
		key := pairs[i]
		switch key.(type) {
		case string, int:
		default:
			m.fail("has a key that is neither text nor a number")
			return
		}
		if _, twice := d.Values[key]; twice {
			m.fail("has the key %#v twice", key)
			return
		}
		d.Values[key] = pairs[i+1]
	}
}

// add appends to the list on top.
func (m *machine) add(values Tuple) {
	if len(m.stack) > 0 {
		if l, ok := m.stack[len(m.stack)-1].(*List); ok {
			l.Values = append(l.Values, values...)
			return
		}
	}
	m.fail("appends to something else than a list")
}

// persistent returns the storage that ("storage", class, key, location, size) names.
func (m *machine) persistent(id any) any {
	t, _ := id.(Tuple)
	if len(t) == 5 && t[0] == "storage" {
		class, isClass := t[1].(global)
		key, isKey := t[2].(string)
		if isClass && isKey {
			return storage{string(class), key}
		}
	}
	m.fail("names no storage")
	return nil
}

// call returns what the few functions that are known give.
func (m *machine) call(function, arguments any) any {
	args, ok := arguments.(Tuple)
	name, isGlobal := function.(global)
	switch {
	case !ok || !isGlobal:
	case name == "collections.OrderedDict" && len(args) == 0:
		return &Dict{map[any]any{}}
	case name == "torch._utils._rebuild_tensor_v2" && len(args) >= 6:
		return m.rebuild(args)
	case name == "torch._utils._rebuild_parameter" && len(args) >= 1:
		return args[0]
	case name != "collections.OrderedDict" && name != "torch._utils._rebuild_tensor_v2" && name != "torch._utils._rebuild_parameter":
		m.fail("calls %q, which no dictionary of tensors needs: it is not run", string(name))
		return nil
	}
	m.fail("calls something with other arguments than torch.save writes")
	return nil
}

// rebuild returns the tensor of (storage, offset, shape, stride, …).
func (m *machine) rebuild(args Tuple) any {
	s, ok := args[0].(storage)
	offset, okOffset := args[1].(int)
	shape, okShape := ints(args[2])
	stride, okStride := ints(args[3])
	if !ok || !okOffset || !okShape || !okStride || len(shape) != len(stride) || len(shape) < 1 || len(shape) > 2 {
		m.fail("has a tensor that is no matrix or vector")
		return nil
	}
	return Tensor{s, offset, shape, stride}
}

func ints(x any) ([]int, bool) {
	t, ok := x.(Tuple)
	out := make([]int, len(t))
	for i, v := range t {
		n, isInt := v.(int)
		if !isInt {
			return nil, false
		}
		out[i] = n
	}
	return out, ok
}
