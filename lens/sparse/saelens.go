package sparse

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// saeConfig is SAELens' cfg.json; before its version 6 what the metadata hold stood beside the rest.
type saeConfig struct {
	Architecture string `json:"architecture"`
	DIn          int    `json:"d_in"`
	DSAE         int    `json:"d_sae"`
	DOut         int    `json:"d_out"`
	saeHooks
	Metadata saeHooks `json:"metadata"`

	Centred    *bool           `json:"apply_b_dec_to_input"`
	Norm       json.RawMessage `json:"normalize_activations"`
	Activation string          `json:"activation_fn"`
	OldName    string          `json:"activation_fn_str"`
	Arguments  struct {
		K json.RawMessage `json:"k"`
	} `json:"activation_fn_kwargs"`
	K      json.RawMessage `json:"k"`
	ByNorm bool            `json:"rescale_acts_by_decoder_norm"`
}

// saeHooks is what a config says of the model.
type saeHooks struct {
	Model    string          `json:"model_name"`
	Hook     string          `json:"hook_name"`
	OldHook  string          `json:"hook_point"`
	HookOut  string          `json:"hook_name_out"`
	Head     json.RawMessage `json:"hook_head_index"`
	OldHead  json.RawMessage `json:"hook_point_head_index"`
	Reshaped string          `json:"reshape_activations"`
}

// openSAELens reads cfg.json and sae_weights.safetensors.
func openSAELens(dir string) (*Autoencoder, error) {
	var c saeConfig
	if err := readConfig(filepath.Join(dir, "cfg.json"), &c); err != nil {
		return nil, err
	}
	a := &Autoencoder{
		DIn: c.DIn, DOut: cmp.Or(c.DOut, c.DIn), Features: c.DSAE, ByNorm: c.ByNorm, Centred: c.Centred == nil || *c.Centred,
		Model: cmp.Or(c.Metadata.Model, c.Model), Hook: cmp.Or(c.Metadata.Hook, c.Hook, c.OldHook), HookOut: cmp.Or(c.Metadata.HookOut, c.HookOut),
	}
	for _, head := range []json.RawMessage{c.Head, c.OldHead, c.Metadata.Head} {
		if len(head) > 0 && string(head) != "null" {
			return nil, fmt.Errorf("it reads one head (hook_head_index %s): that is not read", head)
		}
	}
	if err := a.architecture(&c); err != nil {
		return nil, err
	}
	var err error
	if a.Norm, err = normalization(c.Norm); err != nil {
		return nil, err
	}
	if !a.Transcoder && a.DOut != a.DIn {
		return nil, fmt.Errorf("d_in is %d and d_out %d, and the architecture %q reconstructs what it reads", a.DIn, a.DOut, c.Architecture)
	}
	return a, a.openTensors(filepath.Join(dir, "sae_weights.safetensors"), nil)
}

// architecture reads the kind of dictionary.
func (a *Autoencoder) architecture(c *saeConfig) error {
	name := cmp.Or(c.Architecture, "standard")
	base := name
	if skipped, ok := strings.CutSuffix(name, "transcoder"); ok {
		a.Transcoder, a.Centred = true, false
		base = cmp.Or(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(skipped, "_"), "skip"), "_"), "standard")
	}
	kinds := map[string]Activation{"standard": ReLU, "gated": Gated, "jumprelu": JumpReLU, "topk": TopK, "batchtopk": Threshold}
	kind, ok := kinds[base]
	if !ok {
		return fmt.Errorf("the architecture %q is not read (have: standard, gated, jumprelu, topk, batchtopk, transcoder, jumprelu_transcoder, skip_transcoder)", name)
	}
	a.Activation = kind
	k, err := whole(c.K)
	if old, oldErr := whole(c.Arguments.K); err == nil && oldErr == nil {
		a.K = cmp.Or(old, k)
	} else {
		return errors.New("k is no whole number")
	}
	switch fn := cmp.Or(c.Activation, c.OldName, "relu"); {
	case fn == "relu":
	case fn == "topk" && slices.Contains([]Activation{ReLU, TopK}, kind):
		a.Activation = TopK
	default:
		return fmt.Errorf("the activation_fn %q is not read (have: relu, topk)", fn)
	}
	return nil
}

// normalization reads normalize_activations. The factor of expected_average_only_in is folded into the
// weights of a dictionary that is saved, and before version 6 a boolean meant it.
func normalization(raw json.RawMessage) (Normalization, error) {
	var name string
	switch text := string(raw); text {
	case "", "null", "false", "true":
		return NoNorm, nil
	default:
		if err := json.Unmarshal(raw, &name); err != nil {
			return "", fmt.Errorf("normalize_activations is %s: want a name", text)
		}
	}
	switch n := Normalization(name); n {
	case NoNorm, LayerNorm, ConstantNorm:
		return n, nil
	case "expected_average_only_in", "covariance_whitening": // folded into the weights that are saved
		return NoNorm, nil
	}
	return "", fmt.Errorf("normalize_activations %q is not read (have: none, expected_average_only_in, layer_norm, constant_norm_rescale, covariance_whitening)", name)
}
