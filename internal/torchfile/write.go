package torchfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// Items are a dictionary's, in the order in which they are written.
type Items []Item

// Item is a key, a string or an int, and its value.
type Item struct{ Key, Value any }

// Stored is a tensor to be written, row-major.
type Stored struct {
	Type  checkpoint.Type // F16, BF16, F32 or F64
	Shape []int           // one length or two
	Write func(w io.Writer) error
}

// Write writes what torch.load(weights_only=True) reads: a dictionary of Items, []any (a list), nil, bool,
// int, float64, string and Stored. The tensors are asked for in their order, one after
// another; equal values give equal files.
func Write(w io.Writer, root Items) error {
	p := &pickler{}
	p.bytes(0x80, 2) // PROTO
	if err := p.value(root); err != nil {
		return fmt.Errorf("torchfile: %w", err)
	}
	p.bytes('.') // STOP
	a := &archive{to: &counted{w: w}}
	a.zip = zip.NewWriter(a.to)
	add := func(name, text string) error {
		return a.entry(name, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
	}
	if err := add("data.pkl", p.out.String()); err != nil {
		return err
	}
	if err := add("byteorder", "little"); err != nil {
		return err
	}
	for i, t := range p.tensors {
		_, width := t.Type.Block()
		if err := a.entry("data/"+strconv.Itoa(i), func(w io.Writer) error {
			return checkpoint.WriteExactly(w, elements(t.Shape)*width, t.Write)
		}); err != nil {
			return fmt.Errorf("torchfile: tensor %d: %w", i, err)
		}
	}
	if err := add("version", "3\n"); err != nil {
		return err
	}
	return a.zip.Close()
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// archive is the zip file, whose entries begin at multiples of 64 bytes, as PyTorch's do, so that
// a file can be mapped into memory.
type archive struct {
	to   *counted
	zip  *zip.Writer
	tail int // bytes that are still to come behind the last entry: its data descriptor
}

type counted struct {
	w io.Writer
	n int
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += n
	return n, err
}

// Sizes in a zip file (APPNOTE 6.3.10, sections 4.3.7 and 4.3.9), and what entries are aligned to.
const (
	localHeader  = 30 // before an entry's name
	descriptor   = 16 // behind an entry,
	descriptor64 = 24 // of 4 GiB or more
	alignment    = 64
)

func (a *archive) entry(name string, write func(w io.Writer) error) error {
	if err := a.zip.Flush(); err != nil {
		return err
	}
	name = "archive/" + name
	const field = 4 // bytes before an extra field's content
	begins := a.to.n + a.tail + localHeader + len(name) + field
	padding := make([]byte, field+(alignment-begins%alignment)%alignment)
	copy(padding, "FB") // as PyTorch names it
	binary.LittleEndian.PutUint16(padding[2:], uint16(len(padding)-field))
	w, err := a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Extra: padding})
	if err != nil {
		return err
	}
	from := a.to.n
	if err := write(w); err != nil {
		return err
	}
	if err := a.zip.Flush(); err != nil {
		return err
	}
	a.tail = descriptor
	if a.to.n-from >= math.MaxUint32 {
		a.tail = descriptor64
	}
	return nil
}

// pickler writes the pickle; it remembers no value, so that equal ones are written twice.
type pickler struct {
	out     bytes.Buffer
	tensors []Stored
}

func (p *pickler) bytes(b ...byte) { p.out.Write(b) }

func (p *pickler) value(v any) error {
	switch v := v.(type) {
	case nil:
		p.bytes('N')
	case bool:
		if v {
			p.bytes(0x88)
		} else {
			p.bytes(0x89)
		}
	case int:
		p.int(v)
	case float64:
		p.out.Write(binary.BigEndian.AppendUint64([]byte{'G'}, math.Float64bits(v)))
	case string:
		p.text(v)
	case []any:
		p.bytes(']', '(')
		for _, x := range v {
			if err := p.value(x); err != nil {
				return err
			}
		}
		p.bytes('e')
	case Items:
		p.bytes('}', '(')
		for _, item := range v {
			if err := p.value(item.Key); err != nil {
				return err
			}
			if err := p.value(item.Value); err != nil {
				return err
			}
		}
		p.bytes('u')
	case Stored:
		return p.tensor(v)
	default:
		return fmt.Errorf("%T is no value that torch.load reads", v)
	}
	return nil
}

func (p *pickler) int(v int) {
	if v == int(int32(v)) {
		p.out.Write(binary.LittleEndian.AppendUint32([]byte{'J'}, uint32(int32(v))))
		return
	}
	p.out.Write(binary.LittleEndian.AppendUint64([]byte{0x8a, 8}, uint64(v)))
}

func (p *pickler) text(s string) {
	p.out.Write(binary.LittleEndian.AppendUint32([]byte{'X'}, uint32(len(s))))
	p.out.WriteString(s)
}

// tensor writes the call of torch._utils._rebuild_tensor_v2 that makes it.
func (p *pickler) tensor(t Stored) error {
	class := ""
	for name, typ := range storages {
		if typ == t.Type {
			class = name
		}
	}
	if class == "" || len(t.Shape) < 1 || len(t.Shape) > 2 {
		return fmt.Errorf("a tensor of %s and the shape %v cannot be written", t.Type, t.Shape)
	}
	p.out.WriteString("ctorch._utils\n_rebuild_tensor_v2\n((")
	p.text("storage")
	p.out.WriteString("ctorch\n" + class[len("torch."):] + "\n")
	p.text(strconv.Itoa(len(p.tensors)))
	p.text("cpu")
	p.int(elements(t.Shape))
	p.bytes('t', 'Q')
	p.int(0) // offset
	p.lengths(t.Shape...)
	if len(t.Shape) == 2 {
		p.lengths(t.Shape[1], 1)
	} else {
		p.lengths(1)
	}
	p.bytes(0x89) // no gradient
	p.out.WriteString("ccollections\nOrderedDict\n)RtR")
	p.tensors = append(p.tensors, t)
	return nil
}

func (p *pickler) lengths(n ...int) {
	p.bytes('(')
	for _, x := range n {
		p.int(x)
	}
	p.bytes('t')
}
