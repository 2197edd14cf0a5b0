package load

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// RopeConfig is what a config.json says of rotary positions: rope_theta,
// rope_traditional, partial_rotary_factor, and rope_scaling or its newer form
// rope_parameters.
type RopeConfig struct {
	Theta       float64
	Traditional bool
	Partial     float64 // the part of each head that turns
	Context     int     // max_position_embeddings
	Original    float64 // original_max_position_embeddings, before the scaling; 0: not said

	scaling ropeScaling
}

type ropeScaling struct {
	Type          string    `json:"type"`
	RopeType      string    `json:"rope_type"`
	Theta         *float64  `json:"rope_theta"`
	Partial       *float64  `json:"partial_rotary_factor"`
	Factor        float64   `json:"factor"`
	LowFreq       *float64  `json:"low_freq_factor"`
	HighFreq      *float64  `json:"high_freq_factor"`
	Original      *float64  `json:"original_max_position_embeddings"`
	BetaFast      *float64  `json:"beta_fast"`
	BetaSlow      *float64  `json:"beta_slow"`
	MScale        *float64  `json:"mscale"`
	MScaleAllDim  float64   `json:"mscale_all_dim"`
	Attention     *float64  `json:"attention_factor"`
	Truncate      *bool     `json:"truncate"`
	ShortFactor   []float64 `json:"short_factor"`
	LongFactor    []float64 `json:"long_factor"`
	ShortMScale   *float64  `json:"short_mscale"`
	LongMScale    *float64  `json:"long_mscale"`
	MRopeSections []int     `json:"mrope_section"`
}

// ropeKinds are the types that Rotation knows.
const ropeKinds = "default, linear, dynamic, llama3, yarn, longrope"

// ReadRope reads a config.json. theta is the architecture's own default; layerType
// chooses among rope_parameters by layer type ("full_attention"), where a config has
// them so.
func ReadRope(config []byte, theta float64, layerType string) (*RopeConfig, error) {
	var j struct {
		Theta       *float64        `json:"rope_theta"`
		Traditional bool            `json:"rope_traditional"`
		Partial     *float64        `json:"partial_rotary_factor"`
		Context     int             `json:"max_position_embeddings"`
		Original    *float64        `json:"original_max_position_embeddings"`
		Scaling     json.RawMessage `json:"rope_scaling"`
		Parameters  json.RawMessage `json:"rope_parameters"`
	}
	if err := json.Unmarshal(config, &j); err != nil {
		return nil, fmt.Errorf("model: config.json: rope: %w", err)
	}
	c := &RopeConfig{Theta: theta, Traditional: j.Traditional, Partial: 1, Context: j.Context}
	raw := j.Scaling
	if len(raw) == 0 || string(raw) == "null" {
		raw = j.Parameters
		var byType map[string]json.RawMessage
		if len(raw) > 0 && json.Unmarshal(raw, &byType) == nil && byType[layerType] != nil {
			raw = byType[layerType]
		}
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &c.scaling); err != nil {
			return nil, fmt.Errorf("model: config.json: rope_scaling: %w", err)
		}
	}
	set(&c.Theta, c.scaling.Theta)
	set(&c.Theta, j.Theta)
	set(&c.Partial, c.scaling.Partial)
	set(&c.Partial, j.Partial)
	set(&c.Original, j.Original)
	set(&c.Original, c.scaling.Original)
	switch {
	case c.Theta <= 0:
		return nil, fmt.Errorf("model: config.json: rope_theta is %v, want a number above 0", c.Theta)
	case c.Partial <= 0 || c.Partial > 1:
		return nil, fmt.Errorf("model: config.json: partial_rotary_factor is %v, want one in (0, 1]", c.Partial)
	}
	return c, nil
}

// partialOr sets the part of each head that turns where the rotation itself does not say.
func (c *RopeConfig) partialOr(arch string, part float64) error {
	if c.scaling.Partial == nil {
		c.Partial = part
	}
	if c.Partial <= 0 || c.Partial > 1 {
		return fmt.Errorf("%s: config.json: %v of each head turns, want a part in (0, 1]", arch, c.Partial)
	}
	return nil
}

func set(dst, value *float64) {
	if value != nil {
		*dst = *value
	}
}

func orElse(value *float64, missing float64) float64 {
	if value != nil {
		return *value
	}
	return missing
}

// LinearRope returns the config of positions divided by factor, 1 for none.
func LinearRope(theta, factor float64) *RopeConfig {
	c := &RopeConfig{Theta: theta, Partial: 1}
	if factor != 1 {
		c.scaling = ropeScaling{Type: "linear", Factor: factor}
	}
	return c
}

// Kind returns the type of the scaling.
func (c *RopeConfig) Kind() string {
	switch kind := c.scaling.Type; {
	case kind == "su": // its name in the first files of Phi-3
		return "longrope"
	case kind != "":
		return kind
	case c.scaling.RopeType != "":
		return c.scaling.RopeType
	}
	return "default"
}

// Reach returns how many positions the model is made for: only the dynamic kind
// goes beyond max_position_embeddings.
func (c *RopeConfig) Reach() int {
	if c.Kind() == "dynamic" {
		return int(min(float64(c.Context)*c.scaling.Factor, math.MaxInt32))
	}
	return c.Context
}

// Rotation returns the rotation of heads of headDim dimensions. Frequencies are computed
// in float64; an array of the loader's holds them where they are not plain powers of
// the base. Numbers that a config leaves out are mlx-lm's.
func (c *RopeConfig) Rotation(l *Loader, headDim int) (*model.Rope, error) {
	dims := int(float64(headDim) * c.Partial)
	if dims < 2 || dims%2 != 0 {
		return nil, fmt.Errorf("model: partial_rotary_factor %v of head_dim %d turns %d dimensions, want an even number", c.Partial, headDim, dims)
	}
	r := &model.Rope{Rotary: mlx.Rotary{Dims: dims, Traditional: c.Traditional, Base: c.Theta, Scale: 1}, Magnitude: 1}
	s := &c.scaling
	kind := c.Kind()
	if kind != "default" && kind != "longrope" && s.Factor <= 0 {
		if _, known := frequencies[kind]; known || kind == "linear" || kind == "dynamic" {
			return nil, fmt.Errorf("model: rope_scaling type %q has factor %v, want one above 0", kind, s.Factor)
		}
	}
	if s.ShortMScale != nil || s.LongMScale != nil || len(s.MRopeSections) > 0 || s.Truncate != nil && !*s.Truncate {
		return nil, fmt.Errorf("model: rope_scaling type %q: short_mscale, long_mscale, mrope_section and truncate are not implemented", kind)
	}
	switch kind {
	case "default":
		return r, nil
	case "linear":
		r.Scale = 1 / s.Factor // positions are divided (Chen et al. 2023, arXiv:2306.15595)
		return r, nil
	case "dynamic":
		if c.Context <= 0 || dims == 2 {
			return nil, fmt.Errorf("model: rope_scaling type %q needs max_position_embeddings above 0 and more than 2 dimensions that turn", kind)
		}
		r.Factor, r.Trained = s.Factor, float64(c.Context)
		return r, nil
	}
	compute, ok := frequencies[kind]
	if !ok {
		return nil, fmt.Errorf("model: rope_scaling type %q is not implemented (have: %s)", kind, ropeKinds)
	}
	periods := make([]float64, dims/2) // 1/frequency
	for i := range periods {
		periods[i] = math.Pow(c.Theta, 2*float64(i)/float64(dims))
	}
	if err := compute(c, periods, r); err != nil {
		return nil, err
	}
	if m := float32(r.Magnitude); !(m > 0) || math.IsInf(float64(m), 0) {
		return nil, fmt.Errorf("model: rope_scaling type %q scales what turns by %v, want a number above 0", kind, r.Magnitude)
	}
	return r, setFreqs(r, l, periods)
}

func setFreqs(r *model.Rope, l *Loader, periods []float64) error {
	narrow := make([]float32, len(periods))
	for i, p := range periods {
		if narrow[i] = float32(p); !(narrow[i] > 0) || math.IsInf(float64(narrow[i]), 0) {
			return fmt.Errorf("model: rope: dimension %d turns once in %v·2π positions, want a number above 0 that float32 holds", i, p)
		}
	}
	r.Freqs = l.Hold(mlx.FromSlice(mlx.On(l.device), narrow))
	return r.Freqs.Err()
}

// Stretch multiplies each period of a rotation by a factor, as llama.cpp's files hold
// llama3's and longrope's scaling.
func (l *Loader) Stretch(r *model.Rope, factors []float32) error {
	periods := make([]float64, r.Dims/2)
	if len(factors) != len(periods) {
		return fmt.Errorf("model: %d rope factors for %d frequencies", len(factors), len(periods))
	}
	for i, f := range factors {
		periods[i] = float64(f) * math.Pow(r.Base, 2*float64(i)/float64(r.Dims))
	}
	return setFreqs(r, l, periods)
}

// frequencies has the kinds that change each period in its own way.
var frequencies = map[string]func(c *RopeConfig, periods []float64, r *model.Rope) error{
	"llama3": llama3, "yarn": yarn, "longrope": longrope,
}

// llama3: wavelengths longer than original/low are stretched by factor, those shorter
// than original/high stay, those between go over smoothly (Llama 3.1's reference code,
// apply_scaling).
func llama3(c *RopeConfig, periods []float64, _ *model.Rope) error {
	low, high, old := orElse(c.scaling.LowFreq, 1), orElse(c.scaling.HighFreq, 4), c.Original
	if old == 0 {
		old = 8192
	}
	if low <= 0 || high <= low || old < 0 {
		return fmt.Errorf("model: rope_scaling type \"llama3\" needs 0 < low_freq_factor < high_freq_factor and original_max_position_embeddings above 0; found %v, %v and %v", low, high, old)
	}
	factor := c.scaling.Factor
	for i, period := range periods {
		switch wavelength := 2 * math.Pi * period; {
		case wavelength > old/low:
			periods[i] = period * factor
		case wavelength > old/high:
			smooth := (old/wavelength - low) / (high - low)
			periods[i] = period / ((1-smooth)/factor + smooth)
		}
	}
	return nil
}

// yarn stretches dimensions that turn less than beta_slow times within the original
// length, leaves those that turn more than beta_fast times, and ramps between; what
// turns is scaled by 0.1·ln(factor) + 1 (Peng et al. 2023, arXiv:2309.00071).
func yarn(c *RopeConfig, periods []float64, r *model.Rope) error {
	s, old := &c.scaling, c.Original
	if s.Original == nil {
		old = 4096
	}
	fast, slow := orElse(s.BetaFast, 32), orElse(s.BetaSlow, 1)
	if old <= 0 || fast <= 0 || slow <= 0 {
		return fmt.Errorf("model: rope_scaling type \"yarn\" needs original_max_position_embeddings, beta_fast and beta_slow above 0; found %v, %v and %v", old, fast, slow)
	}
	dims := float64(r.Dims)
	turning := func(times float64) float64 { // the dimension that turns so often
		return dims * math.Log(old/(times*2*math.Pi)) / (2 * math.Log(c.Theta))
	}
	from, to := max(math.Floor(turning(fast)), 0), min(math.Ceil(turning(slow)), dims-1)
	if from == to {
		to += 0.001
	}
	for i, period := range periods {
		ramp := min(max((float64(i)-from)/(to-from), 0), 1)
		slowed := period * s.Factor
		periods[i] = slowed * period / (slowed*(1-ramp) + period*ramp)
	}
	mscale := func(m float64) float64 {
		if s.Factor <= 1 {
			return 1
		}
		return 0.1*m*math.Log(s.Factor) + 1
	}
	r.Magnitude = orElse(s.Attention, mscale(orElse(s.MScale, 1))/mscale(s.MScaleAllDim))
	return nil
}

// longrope multiplies each period by a factor of its own, found by search (Ding et al.
// 2024, arXiv:2402.13753). As in mlx-lm the long factors hold at every length: keys that
// were turned by the short ones would not fit a sequence that grows beyond.
func longrope(c *RopeConfig, periods []float64, r *model.Rope) error {
	s, old := &c.scaling, c.Original
	if old == 0 {
		old = 4096
	}
	if len(s.LongFactor) != len(periods) {
		return fmt.Errorf("model: rope_scaling type \"longrope\" has %d long factors (long_factor), want %d", len(s.LongFactor), len(periods))
	}
	for i, f := range s.LongFactor {
		if f <= 0 {
			return fmt.Errorf("model: rope_scaling: long_factor %d is %v, want one above 0", i, f)
		}
		periods[i] *= f
	}
	if old <= 1 || c.Context <= 0 {
		return fmt.Errorf("model: rope_scaling type \"longrope\" needs max_position_embeddings and original_max_position_embeddings; found %d and %v", c.Context, old)
	}
	magnitude := 1.0
	if stretch := float64(c.Context) / old; stretch > 1 {
		magnitude = math.Sqrt(1 + math.Log(stretch)/math.Log(old))
	}
	r.Magnitude = orElse(s.Attention, magnitude)
	return nil
}
