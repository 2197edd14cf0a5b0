package lens

// hasVectors: every arm64 processor that Go runs on has NEON. A test takes it away.
var hasVectors = true

// sums2Vectors is sums2 of a multiple of 8 logits.
//
//go:noescape
func sums2Vectors(xs []float32, m float32) (sum, moment float32)

// countAboveVectors is countAbove of a multiple of 8 logits.
//
//go:noescape
func countAboveVectors(xs []float32, t float32) int
