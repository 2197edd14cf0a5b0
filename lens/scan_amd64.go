package lens

import "golang.org/x/sys/cpu"

// hasVectors reports whether the processor has what scan_amd64.s is written for.
var hasVectors = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// sums2Vectors is sums2 of a multiple of 8 logits.
//
//go:noescape
func sums2Vectors(xs []float32, m float32) (sum, moment float32)

// countAboveVectors is countAbove of a multiple of 8 logits.
//
//go:noescape
func countAboveVectors(xs []float32, t float32) int
