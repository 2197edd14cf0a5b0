package load

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/mlx"
)

// Quantization is the block "quantization" of a config.json (its twin for Hugging
// Face is "quantization_config"): defaults, and what single modules have instead.
type Quantization struct {
	Default mlx.Quantization
	// Modules holds overrides by module path; a nil one is not quantized, one
	// with Bits 0 takes the defaults.
	Modules map[string]*mlx.Quantization
}

type quantizationJSON struct {
	GroupSize *int    `json:"group_size"`
	Bits      *int    `json:"bits"`
	Mode      *string `json:"mode"`
}

// ParseQuantization reads the block; config holds the whole config.json. A config
// without one gives nil.
func ParseQuantization(config []byte) (*Quantization, error) {
	var outer struct {
		Quantization map[string]json.RawMessage `json:"quantization"`
		Twin         map[string]json.RawMessage `json:"quantization_config"`
	}
	if err := exactjson.Unmarshal(config, &outer); err != nil {
		return nil, fmt.Errorf("model: config.json: quantization: %w", err)
	}
	block := outer.Quantization
	if block == nil {
		block = outer.Twin
	}
	if block == nil {
		return nil, nil
	}
	if method, ok := block["quant_method"]; ok && string(method) == `"mxfp4"` {
		return nil, nil // of gpt-oss's own files, whose tensors say by their names that they are packed
	} else if ok {
		return nil, fmt.Errorf("model: config.json: quant_method %s is not implemented (have: MLX's group_size, bits and mode)", method)
	}
	for _, key := range []string{"quant_algo", "config_groups", "kv_cache_quant_algo"} { // NVIDIA's and compressed-tensors'
		if value, ok := block[key]; ok {
			return nil, fmt.Errorf("model: config.json: quantization: %s %s is not implemented (have: MLX's group_size, bits and mode)", key, short(value))
		}
	}
	q := &Quantization{Default: mlx.Quantization{GroupSize: 64, Bits: 4, Mode: "affine"}, Modules: map[string]*mlx.Quantization{}}
	for key, raw := range block {
		var err error
		switch key {
		case "group_size":
			err = exactjson.Unmarshal(raw, &q.Default.GroupSize)
		case "bits":
			err = exactjson.Unmarshal(raw, &q.Default.Bits)
		case "mode":
			err = exactjson.Unmarshal(raw, &q.Default.Mode)
		default:
			err = q.override(key, raw)
		}
		if err != nil {
			return nil, fmt.Errorf("model: config.json: quantization: %q: %w", key, err)
		}
	}
	if err := q.Default.Err(); err != nil {
		return nil, fmt.Errorf("model: config.json: quantization: %w", err)
	}
	return q, nil
}

// short is the beginning of a value.
func short(value json.RawMessage) string {
	const most = 40
	if len(value) > most {
		return string(value[:most]) + "…"
	}
	return string(value)
}

// override reads one module's entry. A dict replaces the defaults whole: what it
// leaves out has mlx's own default, not the model's.
func (q *Quantization) override(module string, raw json.RawMessage) error {
	switch raw = bytes.TrimSpace(raw); {
	case bytes.Equal(raw, []byte("false")):
		q.Modules[module] = nil
		return nil
	case bytes.Equal(raw, []byte("true")):
		q.Modules[module] = &mlx.Quantization{}
		return nil
	case len(raw) == 0 || raw[0] != '{':
		return nil // a plain key of the block, such as a version
	}
	var j quantizationJSON
	if err := exactjson.Unmarshal(raw, &j); err != nil {
		return err
	}
	own := mlx.Quantization{GroupSize: 64, Bits: 4, Mode: "affine"}
	if j.GroupSize != nil {
		own.GroupSize = *j.GroupSize
	}
	if j.Bits != nil {
		own.Bits = *j.Bits
	}
	if j.Mode != nil {
		own.Mode = *j.Mode
	}
	q.Modules[module] = &own
	return own.Err()
}

// lists reports whether the block says how a module is packed.
func (q *Quantization) lists(module string) bool {
	return q != nil && q.Modules[module] != nil && q.Modules[module].Bits != 0
}

// of returns how a module is packed, nil if it is not; hasScales says whether the
// checkpoint has scales for it.
func (q *Quantization) of(module string, hasScales bool) *mlx.Quantization {
	if q == nil {
		if hasScales {
			return &mlx.Quantization{GroupSize: 64, Bits: 4, Mode: "affine"}
		}
		return nil
	}
	own, listed := q.Modules[module]
	switch {
	case listed && own == nil:
		return nil
	case listed && own.Bits != 0:
		return own
	case listed || hasScales:
		usual := q.Default
		return &usual
	}
	return nil
}

// String describes the defaults: "affine 4-bit group 32".
func (q *Quantization) String() string {
	if q == nil {
		return "none"
	}
	s := describeQuantization(q.Default)
	if len(q.Modules) > 0 {
		s += ", mixed"
	}
	return s
}

func describeQuantization(q mlx.Quantization) string {
	return fmt.Sprintf("%s %d-bit group %d", q.Mode, q.Bits, q.GroupSize)
}
