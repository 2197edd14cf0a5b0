//go:build race

package mlx_test

const raceDetector = true
