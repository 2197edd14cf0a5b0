package model

import (
	"sync"

	"github.com/mlxlens/mlxlens/mlx"
)

// Weights are a model's arrays. Any goroutine may use them.
type Weights struct {
	device mlx.Device
	mu     sync.Mutex
	arrays []*mlx.Array

	// Modules hold the arrays, in the order that the model asked for them. The loader sets them.
	Modules []*Module
}

// NewWeights returns what will hold the arrays of a model on a device.
func NewWeights(d mlx.Device) *Weights { return &Weights{device: d} }

// Device returns where the arrays are.
func (w *Weights) Device() mlx.Device { return w.device }

// Hold makes an array one of the weights, so that it is freed with them.
func (w *Weights) Hold(a *mlx.Array) *mlx.Array {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrays = append(w.arrays, a)
	return a
}

// Free frees the arrays.
func (w *Weights) Free() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.arrays {
		a.Free()
	}
	w.arrays, w.Modules = nil, nil
}
