package load

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"

	"github.com/mlxlens/mlxlens/internal/exactjson"
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

	partSaid  bool                              // Partial stands in the config
	outer     struct{ theta, partial *float64 } // outside rope_scaling and rope_parameters
	newer     bool                              // rope_parameters say the scaling, and rope_scaling says nothing
	magnitude float64                           // what turns is multiplied by it; 0: as the scaling has it
	perLayer  bool                              // sliding layers turn otherwise
	scaling   ropeScaling
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
	BetaFast      float64   `json:"beta_fast"`
	BetaSlow      float64   `json:"beta_slow"`
	MScale        float64   `json:"mscale"`
	MScaleAllDim  float64   `json:"mscale_all_dim"`
	Attention     *float64  `json:"attention_factor"`
	Truncate      *bool     `json:"truncate"`
	ShortFactor   []float64 `json:"short_factor"`
	LongFactor    []float64 `json:"long_factor"`
	ShortMScale   *float64  `json:"short_mscale"`
	LongMScale    *float64  `json:"long_mscale"`
	MRopeSections []int     `json:"mrope_section"`
	Alpha         *float64  `json:"alpha"`
	Llama4Beta    *float64  `json:"llama_4_scaling_beta"`
}

// ReadRope reads a config.json. theta is the architecture's own default; layerType
// chooses among rope_parameters by layer type ("full_attention"), where a config has
// them so. Two keys that say the same thing differently are refused: programs differ in
// which of them they read.
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
	if err := exactjson.Unmarshal(config, &j); err != nil {
		return nil, fmt.Errorf("model: config.json: rope: %w", err)
	}
	c := &RopeConfig{Theta: theta, Traditional: j.Traditional, Partial: 1, Context: j.Context}
	raw, err := c.chosen(j.Scaling, j.Parameters, layerType)
	if err != nil {
		return nil, err
	}
	s := &c.scaling
	if len(raw) > 0 {
		if err := exactjson.Unmarshal(raw, s); err != nil {
			return nil, fmt.Errorf("model: config.json: rope_scaling: %w", err)
		}
	}
	for _, key := range []struct {
		name         string
		outer, inner *float64
		dst          *float64
	}{
		{"rope_theta", j.Theta, s.Theta, &c.Theta},
		{"partial_rotary_factor", j.Partial, s.Partial, &c.Partial},
		{"original_max_position_embeddings", j.Original, s.Original, &c.Original},
	} {
		if key.outer != nil && key.inner != nil && *key.outer != *key.inner {
			return nil, fmt.Errorf("model: config.json: %s is %v, and %v in rope_scaling or rope_parameters: programs differ in which they read; remove the wrong one", key.name, *key.outer, *key.inner)
		}
		set(key.dst, key.outer)
		set(key.dst, key.inner)
	}
	c.partSaid = j.Partial != nil || s.Partial != nil
	c.outer.theta, c.outer.partial = j.Theta, j.Partial
	switch {
	case c.Theta <= 0:
		return nil, fmt.Errorf("model: config.json: rope_theta is %v, want a number above 0", c.Theta)
	case c.Partial <= 0 || c.Partial > 1:
		return nil, fmt.Errorf("model: config.json: partial_rotary_factor is %v, want one in (0, 1]", c.Partial)
	case s.Type != "" && s.RopeType != "" && kindOf(s.Type) != kindOf(s.RopeType) && !(s.Type == mrope && s.RopeType == "default"):
		return nil, fmt.Errorf("model: config.json: rope_scaling has type %q and rope_type %q: programs differ in which they read; remove the wrong one", s.Type, s.RopeType)
	}
	return c, nil
}

// WithRope returns a config.json with the rotation rope as its rope_parameters, where it says nothing
// of one: neither rope_scaling nor rope_parameters.
func WithRope(arch string, config []byte, rope string) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := exactjson.Unmarshal(config, &all); err != nil {
		return nil, fmt.Errorf("%s: config.json: %w", arch, err)
	}
	for _, key := range []string{"rope_scaling", "rope_parameters"} {
		if len(all[key]) > 0 && string(all[key]) != "null" {
			return config, nil
		}
	}
	all["rope_parameters"] = json.RawMessage(rope)
	return json.Marshal(all)
}

// SlidingRope reads how the layers that slide turn, where they turn otherwise than those that see
// all: by rope_parameters' sliding_attention, else by the base under thetaKey, else by theta.
// rope_scaling is not theirs.
func SlidingRope(arch string, config []byte, thetaKey string, theta float64) (*RopeConfig, error) {
	var j struct {
		Context    json.RawMessage            `json:"max_position_embeddings"`
		Parameters map[string]json.RawMessage `json:"rope_parameters"`
	}
	if err := exactjson.Unmarshal(config, &j); err != nil {
		return nil, fmt.Errorf("%s: config.json: rope_parameters: %w", arch, err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(config, &all); err != nil {
		return nil, fmt.Errorf("%s: config.json: %w", arch, err)
	}
	own := map[string]json.RawMessage{}
	for key, value := range map[string]json.RawMessage{
		"rope_theta": all[thetaKey], "max_position_embeddings": j.Context, "rope_parameters": j.Parameters["sliding_attention"],
	} {
		if len(value) > 0 {
			own[key] = value
		}
	}
	raw, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	c, err := ReadRope(raw, theta, "")
	if err != nil {
		return nil, err
	}
	return c, c.suits(arch, 0)
}

// Truncates reports whether yarn's ramp begins and ends at whole dimensions, as it does unless
// truncate is false.
func (c *RopeConfig) Truncates() bool { return c.scaling.Truncate == nil || *c.scaling.Truncate }

// chosen returns the one of rope_scaling and rope_parameters that says something: null and
// {} say nothing.
func (c *RopeConfig) chosen(scaling, parameters json.RawMessage, layerType string) (json.RawMessage, error) {
	old, err := ropeObject("rope_scaling", scaling)
	if err != nil {
		return nil, err
	}
	now, err := ropeObject("rope_parameters", parameters)
	if err != nil {
		return nil, err
	}
	if of, ok := now[layerType]; ok && layerType != "" {
		for other, value := range now {
			c.perLayer = c.perLayer || other != layerType && !reflect.DeepEqual(value, of)
		}
		if now, ok = of.(map[string]any); !ok && of != nil {
			return nil, fmt.Errorf("model: config.json: rope_parameters: %s is no object", layerType)
		}
		if parameters, err = json.Marshal(now); err != nil {
			return nil, err
		}
	}
	switch {
	case len(old) == 0 && len(now) == 0:
		return nil, nil
	case len(old) == 0:
		c.newer = true
		return parameters, nil
	case len(now) == 0:
		return scaling, nil
	}
	for key, value := range old {
		if other, ok := now[key]; ok && !reflect.DeepEqual(value, other) {
			return nil, fmt.Errorf("model: config.json: rope_scaling and rope_parameters have different %s, %v and %v: programs differ in which they read; remove the wrong one", key, value, other)
		}
		now[key] = value
	}
	return json.Marshal(now)
}

func ropeObject(key string, raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var object map[string]any
	if err := exactjson.Unmarshal(raw, &object); err != nil {
		return nil, fmt.Errorf("model: config.json: %s: %w", key, err)
	}
	return object, nil
}

// suits refuses a part of a head that turns where no program reads one for the architecture:
// part is 0 then. Else it is the part that turns where a config says none.
func (c *RopeConfig) suits(arch string, part float64) error {
	if part != 0 && !c.partSaid {
		c.Partial = part
	}
	switch {
	case c.Partial <= 0 || c.Partial > 1:
		return fmt.Errorf("%s: config.json: %v of each head turns, want a part in (0, 1]", arch, c.Partial)
	case part == 0 && c.Partial != 1:
		return fmt.Errorf("%s: config.json: partial_rotary_factor %v is not implemented: no program reads it for this model_type; remove it if all of a head turns", arch, c.Partial)
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

// QueryScale returns llama_4_scaling_beta and the length from which on it grows the queries; 0 where
// one is missing.
func (c *RopeConfig) QueryScale() (beta, original float64) {
	if c.scaling.Llama4Beta == nil {
		return 0, 0
	}
	return *c.scaling.Llama4Beta, c.Original
}

// mrope is the type of a rotation whose positions have several axes: those of images.
const mrope = "mrope"

// OneAxis lets positions be those of a text, which are alike on all axes of a rotation that has
// several (mrope_section): a plain one then.
func (c *RopeConfig) OneAxis() {
	c.scaling.MRopeSections = nil
	for _, kind := range []*string{&c.scaling.Type, &c.scaling.RopeType} {
		if *kind == mrope {
			*kind = "default"
		}
	}
}

// WholeYarn leaves the ends of yarn's ramp as they are computed, where others round them.
func (c *RopeConfig) WholeYarn() {
	whole := false
	c.scaling.Truncate = &whole
}

// Kind returns the type of the scaling.
func (c *RopeConfig) Kind() string {
	kind := kindOf(c.scaling.Type)
	if kind == "" {
		kind = kindOf(c.scaling.RopeType)
	}
	switch {
	case kind == "":
		return "default"
	case kind == "yarn" && c.scaling.ShortFactor != nil: // its name in the first long files of Phi-3
		return "longrope"
	}
	return kind
}

// kindOf returns the name that a type of scaling has now.
func kindOf(name string) string {
	if name == "su" { // its name in the first files of Phi-3
		return "longrope"
	}
	return name
}

// shortContext returns the length up to which longrope takes the short factors.
func (c *RopeConfig) shortContext() int {
	if c.Kind() == "longrope" {
		return int(c.original())
	}
	return 0
}

// Reach returns how many positions the model is made for: only the dynamic kind
// goes beyond max_position_embeddings.
func (c *RopeConfig) Reach() int {
	if c.Kind() == "dynamic" {
		return int(min(float64(c.Context)*c.scaling.Factor, math.MaxInt32))
	}
	return c.Context
}
