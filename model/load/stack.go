package load

import (
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// stack is a tensor, or several of one shape that make one with an axis in front.
type stack struct {
	parts []*checkpoint.Tensor
	shape []int
}

// single is the stack of one tensor, with no axis in front; nil of none.
func single(t *checkpoint.Tensor) *stack {
	if t == nil {
		return nil
	}
	return &stack{[]*checkpoint.Tensor{t}, t.Shape}
}

// stacked puts tensors one behind the other; nil unless all are there.
func stacked(parts []*checkpoint.Tensor) *stack {
	if len(parts) == 0 || slices.Contains(parts, nil) {
		return nil
	}
	return &stack{parts, append([]int{len(parts)}, parts[0].Shape...)}
}

// chosen is a tensor [expert, …] or [expert, row, …] as the given rows of it make it: order lists
// them, counted over all experts. The result is [experts, rows of each, …].
func chosen(t *checkpoint.Tensor, order []int) *stack {
	experts, shape := t.Shape[0], t.Shape[2:]
	return &stack{[]*checkpoint.Tensor{t.Merge(2).Rows(order)}, append([]int{experts, len(order) / experts}, shape...)}
}

// typ returns the type of the first part.
func (s *stack) typ() checkpoint.Type { return s.parts[0].Type }

// name returns what an error calls it.
func (s *stack) name() string { return s.parts[0].Name }

// mixed says in which way the parts differ, "" if they do not.
func (s *stack) mixed() string {
	for _, t := range s.parts[1:] {
		if t.Type != s.typ() || !slices.Equal(t.Shape, s.parts[0].Shape) {
			return fmt.Sprintf("tensors %q and %q are one stack, and are %s%v and %s%v", s.name(), t.Name, s.typ(), s.parts[0].Shape, t.Type, t.Shape)
		}
	}
	return ""
}

func (s *stack) size() int {
	n := 1
	for _, d := range s.shape {
		n *= d
	}
	return n
}

// bytes returns the stack as stored, the mapped file itself where that is possible.
func (s *stack) bytes() ([]byte, error) {
	if len(s.parts) == 1 {
		if b := s.parts[0].Bytes(); b != nil {
			return b, nil
		}
	}
	each := s.parts[0].NumRows() * s.parts[0].RowBytes()
	all := make([]byte, len(s.parts)*each)
	for i, t := range s.parts {
		if err := t.Read(all[i*each:(i+1)*each], 0, t.NumRows()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// float32 puts the elements into dst, which has as many.
func (s *stack) float32(dst []float32) error {
	each := len(dst) / len(s.parts)
	for i, t := range s.parts {
		if err := t.Float32(dst[i*each:(i+1)*each], 0, t.NumRows()); err != nil {
			return err
		}
	}
	return nil
}
