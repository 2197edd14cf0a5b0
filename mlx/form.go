package mlx

import "github.com/mlxlens/mlxlens/mlx/internal/capi"

// chooseForms finds out how functions are called whose parameters a later mlx-c changed under the same
// name. The later form goes first: a library of the contract's answers it with an error, where the other
// way round a library would take what is no stream for one. The self-check then looks at the numbers.
// The caller is inside the gate.
func chooseForms() {
	p := &probe{s: DefaultStream(CPU).handle()}
	x, w, scales, biases, zero := p.gathered()
	loaded.scaledGather = true
	p.out(func(res *capi.Array) int32 {
		return gatherQMM(res, x, w, scales, biases, zero, zero, true, some(32), some(4), capi.Bytes("affine"), false, p.s)
	})
	if p.failed {
		capi.TakeError()
		loaded.scaledGather = false
	}
	p.free()
}

// gatherQMM calls mlx_gather_qmm in the library's form.
func gatherQMM(res *capi.Array, x, w, scales, biases, lhs, rhs capi.Array, transpose bool, groupSize, bits capi.OptionalInt, mode *byte, sorted bool, s capi.Stream) int32 {
	if loaded.scaledGather {
		return capi.GatherQmmScaled(res, x, w, scales, biases, lhs, rhs, transpose, groupSize, bits, mode, 0, sorted, s)
	}
	return capi.GatherQmm(res, x, w, scales, biases, lhs, rhs, transpose, groupSize, bits, mode, sorted, s)
}
