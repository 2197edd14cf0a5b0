package auto

import (
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/model/load"
)

// parameters counts those of modules, and those that a position passes where it passes topK of
// some experts, 0 where it passes all.
func parameters(modules []load.Resolved, topK int) (all, active int64) {
	sparse := false
	for _, r := range modules {
		n := int64(1)
		for _, d := range r.Shape {
			n *= int64(d)
		}
		all += n
		if r.Experts > 0 {
			sparse = true
			n = n / int64(r.Experts) * int64(topK)
		}
		active += n
	}
	if !sparse {
		return all, 0
	}
	return all, active
}

// quantization describes how a checkpoint's matrices are stored; one that no block describes
// is told of by what the shapes are.
func quantization(ck *checkpoint.Checkpoint, q *load.Quantization, found []load.Resolved) string {
	if ck.Format != checkpoint.GGUF {
		text := q.String()
		for _, r := range found {
			if strings.Contains(r.Form, "-bit group ") && !strings.HasPrefix(text, r.Form) && !strings.HasSuffix(text, ", mixed") {
				text += ", mixed"
			}
		}
		return text
	}
	most, kinds := "none", map[string]int{}
	for _, name := range ck.Names() {
		if t := ck.Tensor(name); t.Type.Quantized() {
			kind := t.Type.String()
			if kinds[kind] += t.NumElements(); kinds[kind] > kinds[most] {
				most = kind
			}
		}
	}
	switch most {
	case "Q4_0", "Q4_1":
		most = "affine 4-bit group 32"
	case "Q8_0":
		most = "affine 8-bit group 32"
	}
	if len(kinds) > 1 {
		most += ", mixed"
	}
	return most
}
