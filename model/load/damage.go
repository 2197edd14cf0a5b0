package load

import (
	"fmt"
	"slices"
	"sync"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// byteCode is a format of one byte: b is NaN where b & mask = nan. The zero value has none.
type byteCode struct{ mask, nan byte }

// What the modes of MLX have for NaN: the scales of mxfp4 and mxfp8 are E8M0, those of nvfp4 and
// the weights of mxfp8 E4M3 (OCP Microscaling Formats 1.0, sections 5.3 and 5.4).
var (
	e8m0 = byteCode{0xff, 0xff}
	e4m3 = byteCode{0x7f, 0x7f}
)

// noteCodes notes which tensors of a packed weight are bytes of a format.
func (l *Loader) noteCodes(p *packed) {
	of := func(s *stack, code byteCode) {
		for _, t := range s.parts {
			l.codes[t.Name] = code
		}
	}
	switch p.q.Mode {
	case "mxfp4":
		of(p.scales, e8m0)
	case "mxfp8":
		of(p.scales, e8m0)
		of(p.weight, e4m3)
	case "nvfp4":
		of(p.scales, e4m3)
	}
}

// damage gathers the tensors that hold what is no number. One NaN in a weight makes every result
// NaN from its layer on; so each weight is searched when it is read.
type damage struct {
	mu    sync.Mutex
	found []notFinite
}

type notFinite struct {
	order int
	text  string
}

func (d *damage) look(t *checkpoint.Tensor, code byteCode, order int) error {
	find := t.NotFinite
	if code != (byteCode{}) {
		find = func() (int, error) { return t.FindByte(code.mask, code.nan) }
	}
	at, err := find()
	if err != nil || at < 0 {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found = append(d.found, notFinite{order, fmt.Sprintf("tensor %q (element %d of %s)", t.Name, at, t.File())})
	return nil
}

// err names the first tensor, in the order of the model, that holds what is no number.
func (d *damage) err(path string) error {
	if len(d.found) == 0 {
		return nil
	}
	first := slices.MinFunc(d.found, func(a, b notFinite) int { return a.order - b.order })
	more := ""
	if n := len(d.found) - 1; n > 0 {
		more = fmt.Sprintf(", the first of %d such tensors", n+1)
	}
	return fmt.Errorf("model: %s: NaN or an infinity in %s%s: the file is damaged or was converted wrongly; download it again", path, first.text, more)
}
