package model

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// RopeConfig is rope_scaling, or rope_parameters in newer configs: how a model's
// rotary frequencies differ from Base^(−2i/d).
type RopeConfig struct {
	Type                          string   `json:"type"`
	RopeType                      string   `json:"rope_type"`
	Theta                         *float64 `json:"rope_theta"` // rope_parameters only
	Factor                        float64  `json:"factor"`
	LowFreqFactor                 float64  `json:"low_freq_factor"`
	HighFreqFactor                float64  `json:"high_freq_factor"`
	OriginalMaxPositionEmbeddings float64  `json:"original_max_position_embeddings"`
	PartialRotaryFactor           *float64 `json:"partial_rotary_factor"`
}

// ParseRope reads rope_scaling or rope_parameters; null gives the default.
func ParseRope(raw json.RawMessage) (*RopeConfig, error) {
	c := &RopeConfig{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, c); err != nil {
			return nil, fmt.Errorf("model: rope_scaling: %w", err)
		}
	}
	return c, nil
}

// kind returns the type under either key.
func (c *RopeConfig) kind() string {
	switch {
	case c.RopeType != "":
		return c.RopeType
	case c.Type != "":
		return c.Type
	}
	return "default"
}

// Rotary returns the rotation of heads of dims dimensions. Frequencies are computed
// in float64; they are an array in scope when they are not plain powers of base.
func (c *RopeConfig) Rotary(scope *mlx.Scope, dims int, base float64, traditional bool) (mlx.Rotary, error) {
	r := mlx.Rotary{Dims: dims, Traditional: traditional, Base: base, Scale: 1}
	if c.PartialRotaryFactor != nil && *c.PartialRotaryFactor != 1 {
		return r, fmt.Errorf("model: partial_rotary_factor %v is not implemented (have: 1)", *c.PartialRotaryFactor)
	}
	switch kind := c.kind(); kind {
	case "default":
	case "linear":
		if c.Factor <= 0 {
			return r, fmt.Errorf("model: rope_scaling type %q has factor %v, want one above 0", kind, c.Factor)
		}
		r.Scale = 1 / c.Factor // positions are divided (Chen et al. 2023, arXiv:2306.15595)
	case "llama3":
		if c.Factor <= 0 || c.LowFreqFactor <= 0 || c.HighFreqFactor <= c.LowFreqFactor || c.OriginalMaxPositionEmbeddings <= 0 {
			return r, fmt.Errorf("model: rope_scaling type %q needs factor, low_freq_factor < high_freq_factor and original_max_position_embeddings, all above 0; found %v, %v, %v, %v",
				kind, c.Factor, c.LowFreqFactor, c.HighFreqFactor, c.OriginalMaxPositionEmbeddings)
		}
		r.Freqs = mlx.FromSlice(scope, c.llama3(dims, base))
	default:
		return r, fmt.Errorf("model: rope_scaling type %q is not implemented (have: default, linear, llama3)", kind)
	}
	return r, freqsError(r.Freqs)
}

func freqsError(a *mlx.Array) error {
	if a == nil {
		return nil
	}
	return a.Err()
}

// llama3 returns 1/frequency for each pair of dimensions: wavelengths longer than
// original/low_freq_factor are stretched by factor, those shorter than
// original/high_freq_factor stay, those between go over smoothly (Llama 3.1's
// reference code, apply_scaling).
func (c *RopeConfig) llama3(dims int, base float64) []float32 {
	out := make([]float32, dims/2)
	old := c.OriginalMaxPositionEmbeddings
	for i := range out {
		period := math.Pow(base, 2*float64(i)/float64(dims))
		wavelength := 2 * math.Pi * period
		switch {
		case wavelength > old/c.LowFreqFactor:
			period *= c.Factor
		case wavelength > old/c.HighFreqFactor:
			smooth := (old/wavelength - c.LowFreqFactor) / (c.HighFreqFactor - c.LowFreqFactor)
			period = 1 / ((1-smooth)/(period*c.Factor) + smooth/period)
		}
		out[i] = float32(period)
	}
	return out
}
