//go:build !amd64 && !arm64

package lens

// On other processors the loops run as they stand in scan.go.

const hasVectors = false

func sums2Vectors([]float32, float32) (sum, moment float32) { return 0, 0 }

func countAboveVectors([]float32, float32) int { return 0 }
