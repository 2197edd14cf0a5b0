package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Portion is one of Of equal parts of an axis: neighbouring elements, or each Of-th one where they
// are interleaved. The zero value is the whole axis.
type Portion struct {
	At, Of      int
	Interleaved bool
}

// span returns the part's n elements.
func (p Portion) span(n int) mlx.Range {
	if p.Interleaved {
		return mlx.Between(p.At, n*p.Of).By(p.Of)
	}
	return mlx.Between(p.At*n, (p.At+1)*n)
}

// rows lists the part's n rows of each of so many experts, counted over all of them.
func (p Portion) rows(experts, n int) []int {
	order := make([]int, 0, experts*n)
	for e := range experts {
		for i := range n {
			if p.Interleaved {
				i = i*p.Of + p.At
			} else {
				i += p.At * n
			}
			order = append(order, e*n*max(p.Of, 1)+i)
		}
	}
	return order
}

// ExpertWant describes the matrices [out, in] of all experts, in any layout that checkpoints have.
type ExpertWant struct {
	Role    string
	Experts int
	Shape   [2]int // [out, in] of each
	Bias    bool   // each has a bias [out]

	Stacked []string // modules whose weight is [expert, out, in]: mlx-lm's, llama.cpp's
	Each    []string // modules of a single expert, %d standing for its number
	Fused   []Fused  // tensors that hold the stack, or it and others'
}

// Fused names a tensor [expert, Rows.Of·out, in], without the ending .weight, and which of its
// rows are wanted. Transposed, it is [expert, in, Rows.Of·out]. The bias is Tensor_bias, and what
// is packed as in OCP's MXFP4 stands in Tensor_blocks and Tensor_scales, as in gpt-oss.
type Fused struct {
	Tensor     string
	Rows       Portion
	Transposed bool
}

// Experts names the matrices of a layer's experts below its path. The modules are Qwen's, by the
// name that each matrix has there: gate_proj, up_proj or down_proj.
func (p Part) Experts(role string, experts, out, in int) ExpertWant {
	matrix := map[string]string{"expert_gate": "gate_proj", "expert_up": "up_proj", "expert_down": "down_proj"}[role]
	w := ExpertWant{Role: p.role + role, Experts: experts, Shape: [2]int{out, in}}
	for _, prefix := range p.prefixes {
		w.Stacked = append(w.Stacked, prefix+"mlp.switch_mlp."+matrix, prefix+"ffn_"+strings.TrimSuffix(matrix, "_proj")+"_exps")
		w.Each = append(w.Each, prefix+"mlp.experts.%d."+matrix)
		switch role {
		case "expert_gate":
			w.Fused = append(w.Fused, Fused{Tensor: prefix + "mlp.experts.gate_up_proj", Rows: Portion{0, 2, false}})
		case "expert_up":
			w.Fused = append(w.Fused, Fused{Tensor: prefix + "mlp.experts.gate_up_proj", Rows: Portion{1, 2, false}})
		default:
			w.Fused = append(w.Fused, Fused{Tensor: prefix + "mlp.experts.down_proj"})
		}
	}
	return w
}

// Below is w with paths of modules in place of mlp. and mlp.experts., for architectures that have
// their experts elsewhere.
func (w ExpertWant) Below(replace ...string) ExpertWant {
	r := strings.NewReplacer(replace...)
	for _, names := range []*[]string{&w.Stacked, &w.Each} {
		*names = slices.Clone(*names)
		for i, name := range *names {
			(*names)[i] = r.Replace(name)
		}
	}
	w.Fused = slices.Clone(w.Fused)
	for i, f := range w.Fused {
		w.Fused[i].Tensor = r.Replace(f.Tensor)
	}
	return w
}

// Experts takes the matrices of all experts as one stack.
func (l *Loader) Experts(w ExpertWant) *model.ExpertLinear {
	lin := &model.ExpertLinear{}
	to := packedArrays{&lin.Weight, &lin.Scales, &lin.Biases, &lin.Quant}
	l.roles, l.hasExperts = append(l.roles, w.Role), true
	if l.skips(w.Role) {
		return lin
	}
	want := Want{Role: w.Role, Shape: []int{w.Experts, w.Shape[0], w.Shape[1]}}
	if path, ok := l.own[w.Role]; ok {
		w.Stacked, w.Each, w.Fused = []string{path}, nil, nil
	}
	defer func() {
		if n := len(l.resolved); n > 0 && l.resolved[n-1].Role == w.Role {
			l.resolved[n-1].Experts = w.Experts
		}
	}()
	for i, path := range w.Stacked {
		if l.ck.Tensor(path+".weight") != nil {
			l.note(want, path, fmt.Sprintf("name %d of %d", i+1, len(w.Stacked)))
			l.stands(to, &lin.Factor, &lin.Bias)
			l.stackedExperts(w, want, path, lin, to)
			return lin
		}
	}
	for _, path := range w.Each {
		if l.ck.Tensor(fmt.Sprintf(path, 0)+".weight") != nil {
			l.note(want, strings.Replace(path, "%d", fmt.Sprintf("{0…%d}", w.Experts-1), 1), "one module for each expert")
			l.stands(to, &lin.Factor, &lin.Bias)
			l.singleExperts(w, want, path, lin, to)
			return lin
		}
	}
	for _, f := range w.Fused {
		if l.ck.Tensor(f.Tensor) != nil || l.ck.Tensor(f.Tensor+"_blocks") != nil {
			l.note(want, f.Tensor, f.rule())
			l.stands(to, &lin.Factor, &lin.Bias)
			l.fusedExperts(w, want, f, lin, to)
			return lin
		}
	}
	l.missing = append(l.missing, w.Stacked[0]+".weight")
	return lin
}

func (f Fused) rule() string {
	switch {
	case f.Rows.Of < 2:
		return "a tensor of all experts"
	case f.Rows.Interleaved:
		return fmt.Sprintf("each row %d of %d of a tensor of all experts", f.Rows.At+1, f.Rows.Of)
	}
	return fmt.Sprintf("part %d of %d of a tensor of all experts", f.Rows.At+1, f.Rows.Of)
}

// stackedExperts takes a module whose weight is the stack.
func (l *Loader) stackedExperts(w ExpertWant, want Want, path string, lin *model.ExpertLinear, to packedArrays) {
	l.matrix(want, path, l.denseExperts, to)
	if factor := l.ck.Tensor(path + ".global_scale"); factor != nil {
		l.floats(single(factor), Want{Shape: []int{w.Experts}}, &lin.Factor)
	}
	l.expertBias(w, single(l.ck.Tensor(path+".bias")), path+".bias", lin)
}

// singleExperts stacks the modules of single experts.
func (l *Loader) singleExperts(w ExpertWant, want Want, path string, lin *model.ExpertLinear, to packedArrays) {
	all := func(ending string) *stack {
		parts := make([]*checkpoint.Tensor, w.Experts)
		for e := range parts {
			name := fmt.Sprintf(path, e) + ending
			if parts[e] = l.ck.Tensor(name); parts[e] == nil && ending == ".weight" {
				l.missing = append(l.missing, name)
			}
		}
		return stacked(parts)
	}
	weight, scales := all(".weight"), all(".scales")
	if weight == nil {
		return
	}
	if q := l.quant.of(fmt.Sprintf(path, 0), scales != nil); q != nil {
		own := *q
		if !l.quant.lists(fmt.Sprintf(path, 0)) {
			own = inferred(want, weight, scales, own)
		}
		l.packed(&packed{q: own, weight: weight, scales: scales, biases: all(".biases"), shape: want.Shape}, want, path, l.denseExperts, to)
	} else {
		l.floats(weight, want, to.weight)
	}
	l.expertBias(w, all(".bias"), path+".bias", lin)
}

// fusedExperts takes the part of a tensor of all experts that w names.
func (l *Loader) fusedExperts(w ExpertWant, want Want, f Fused, lin *model.ExpertLinear, to packedArrays) {
	part := func(t *checkpoint.Tensor, rows int) *stack {
		switch {
		case t == nil || f.Rows.Of < 2:
			return single(t)
		case len(t.Shape) < 2 || t.Shape[0] != w.Experts || t.Shape[1] != f.Rows.Of*rows:
			l.wrong = append(l.wrong, fmt.Sprintf("tensor %q has shape %v, want [%d %d …]", t.Name, t.Shape, w.Experts, f.Rows.Of*rows))
			return single(t)
		}
		return chosen(t, f.Rows.rows(w.Experts, rows))
	}
	out, in := w.Shape[0], w.Shape[1]
	blocks, scales := l.ck.Tensor(f.Tensor+"_blocks"), l.ck.Tensor(f.Tensor+"_scales")
	switch t := l.ck.Tensor(f.Tensor); {
	case blocks != nil:
		// 16 bytes of two numbers each, and a scale, for 32 numbers
		weight := part(blocks, out)
		if stored := []int{w.Experts, out, in / 32, 16}; blocks.Type != checkpoint.U8 || !slices.Equal(weight.shape, stored) {
			l.wrong = append(l.wrong, fmt.Sprintf("tensor %q is %s%v, want U8%v", blocks.Name, blocks.Type, weight.shape, stored))
			return
		}
		weight.shape = []int{w.Experts, out, in / 8}
		p := &packed{q: mlx.Quantization{GroupSize: 32, Bits: 4, Mode: "mxfp4"}, weight: weight, scales: part(scales, out), shape: want.Shape, bytes: true}
		l.packed(p, want, f.Tensor, l.denseExperts, to)
	case f.Transposed:
		want.Transposed, want.Columns = true, f.Rows
		l.floats(single(t), want, to.weight)
	default:
		l.floats(part(t, out), want, to.weight)
	}
	l.expertBias(w, part(l.ck.Tensor(f.Tensor+"_bias"), out), f.Tensor+"_bias", lin)
}

// expertBias takes the biases of all experts, [expert, out].
func (l *Loader) expertBias(w ExpertWant, bias *stack, name string, lin *model.ExpertLinear) {
	switch {
	case !w.Bias: // one that is there is left over, and refused
	case bias == nil:
		l.missing = append(l.missing, name)
	default:
		l.floats(bias, Want{Shape: []int{w.Experts, w.Shape[0]}}, &lin.Bias)
	}
}
