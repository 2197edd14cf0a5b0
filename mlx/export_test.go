package mlx

import (
	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// HeldFunctions is how many Go functions the library holds.
func HeldFunctions() int { return capi.NumFunctions() }

// ScaledGather is whether the library's mlx_gather_qmm is of the later form.
func ScaledGather() bool { return loaded.scaledGather }

// LiveArrays is how many handles the library has made for this package and not freed: those
// that scopes and the collector still hold.
func LiveArrays() int { return int(live.Load()) }

// OwnerOf is the scope that owns an array, nil when the collector does.
func OwnerOf(a *Array) *Scope { return a.scope.Load() }

// RoomOf is how many arrays a scope has room for.
func RoomOf(s *Scope) int { return cap(s.owner().arrays) }

// ForLAPACK is the stream on which linear algebra of a stream's arrays is computed.
func ForLAPACK(s Stream) Stream { return forLAPACK(s) }

// SetForLAPACK replaces ForLAPACK until restore is called.
func SetForLAPACK(f func(Stream) Stream) (restore func()) {
	before := forLAPACK
	forLAPACK = f
	return func() { forLAPACK = before }
}

// FirstWork is the elements that the first part of an evaluation goes through.
const FirstWork = firstWork

// PlanOf is at how many places the evaluation of a could be cut, and whether the plan sees all of it.
func PlanOf(a *Array) (places int, whole bool) {
	_ = inGate("plan", func() error {
		var p plan
		p.look([]*Array{a})
		places, whole = len(p.nodes), !p.unknown
		p.end()
		return nil
	})
	return places, whole
}

// Aloft is how many parts of evaluations are under way.
func Aloft() int { return gate.Aloft() }

// BesideAGPU makes Compile do what it does at first where there is a GPU, until restore is called.
func BesideAGPU() (restore func()) {
	set := func(mode CompileMode, compiles bool) {
		_ = inGate("compile", func() error {
			capi.SetCompileMode(capi.CompileMode(mode))
			loaded.compiles, loaded.compilesCPU = compiles, false
			return nil
		})
	}
	set(CompileEnabled, true)
	return func() { set(CompileDisabled, false) }
}
