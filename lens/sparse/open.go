package sparse

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/internal/regular"
)

// want is what Open offers.
const wants = "want SAELens' folder (cfg.json and sae_weights.safetensors), Gemma Scope's (params.npz, or config.json and params.safetensors), or one of their files"

// Open reads the config and the sizes of a dictionary: SAELens' folder, Gemma Scope's, or one of their
// files. Of an .npz file, which has no config, the layer and the site are those that its path says
// ("gemma-scope-2b-pt-res/layer_12/…"). Weights are read by [Autoencoder.On]; Close closes the file.
func Open(path string) (*Autoencoder, error) {
	a, err := open(path)
	if err == nil {
		a.Path = path
		err = a.check()
	}
	if err != nil {
		if a != nil {
			a.Close()
		}
		return nil, fmt.Errorf("sparse: %s: %w", path, err)
	}
	return a, nil
}

func open(path string) (*Autoencoder, error) {
	dir, base := filepath.Split(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		dir, base = path, ""
	}
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil && (base == "" || base == name)
	}
	switch {
	case has("cfg.json") || has("sae_weights.safetensors"):
		return openSAELens(dir)
	case has("params.safetensors") || has("config.json"):
		return openScope2(dir)
	case base == "" && has("params.npz"):
		return openNPZ(filepath.Join(dir, "params.npz"))
	case filepath.Ext(base) == ".npz":
		return openNPZ(path)
	}
	return nil, errors.New("no such dictionary: " + wants)
}

// Files are those of a dictionary that Open reads.
func Files(path string) (files []string) {
	dir := path
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		if filepath.Ext(path) == ".npz" {
			return []string{path}
		}
		dir = filepath.Dir(path)
	}
	for _, name := range []string{"cfg.json", "sae_weights.safetensors", "config.json", "params.safetensors", "params.npz"} {
		if file := filepath.Join(dir, name); exists(file) {
			files = append(files, file)
		}
	}
	return files
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// openNPZ reads Gemma Scope's params.npz, a JumpReLU autoencoder of float32.
func openNPZ(path string) (*Autoencoder, error) {
	z, err := npz.Open(path)
	if err != nil {
		return nil, err
	}
	a := &Autoencoder{Activation: JumpReLU, Norm: NoNorm, names: map[string]string{}, arrays: archive{z, map[string]checkpoint.Array{}}, closers: []func() error{z.Close}}
	for _, name := range z.Names() {
		a.names[name] = name
	}
	if !a.has(threshold) {
		a.Activation = ReLU
	}
	if absolute, err := filepath.Abs(path); err == nil {
		a.Hook, a.HookOut, a.Model = scopeHook(filepath.ToSlash(absolute))
		a.Transcoder = a.HookOut != ""
	}
	return a, a.sizes()
}

// sizes takes the sizes from the arrays.
func (a *Autoencoder) sizes() error {
	for _, name := range []string{wEnc, wDec} {
		if !a.has(name) {
			return fmt.Errorf("it has no array %s: is no dictionary", name)
		}
		shape, _, err := a.arrays.shape(a.names[name])
		if err != nil {
			return err
		}
		if len(shape) != 2 {
			return fmt.Errorf("%s has the shape %v: want two axes", a.names[name], shape)
		}
		if name == wEnc {
			a.DIn, a.Features = shape[0], shape[1]
		} else {
			a.DOut = shape[1]
		}
	}
	return nil
}

var (
	scopeLayer = regexp.MustCompile(`/layer_(\d+)(?:/|_)`)
	scopeKind  = regexp.MustCompile(`gemma-scope-([a-z0-9-]+?)-(res|mlp|att|transcoders)(?:/|$)`)
)

// scopeHook reads what the path of a file of Gemma Scope says: gemma-scope-MODEL-KIND/…/layer_N/….
func scopeHook(path string) (hook, hookOut, of string) {
	kind, layer := scopeKind.FindStringSubmatch(path), scopeLayer.FindStringSubmatch(path)
	if kind == nil {
		return "", "", ""
	}
	of = "gemma-2-" + strings.TrimSuffix(kind[1], "-pt")
	if strings.Contains(path, "/embedding/") && kind[2] == "res" {
		return "embed", "", of
	}
	if layer == nil {
		return "", "", of
	}
	block := "blocks." + layer[1] + "."
	switch kind[2] {
	case "res":
		return block + "hook_resid_post", "", of
	case "mlp":
		return block + "hook_mlp_out", "", of
	case "att":
		return block + "attn.hook_z", "", of
	}
	return block + "ln2.hook_normalized", block + "hook_mlp_out", of
}

// maxConfig bounds a config.
const maxConfig = 1 << 20

func readConfig(path string, into any) error {
	text, err := regular.Read(path, maxConfig)
	if err == nil {
		err = regular.CheckUTF8(text)
	}
	if err == nil {
		err = exactjson.Repeated(text)
	}
	if err == nil {
		if err = exactjson.Unmarshal(text, into); err != nil {
			err = fmt.Errorf("is not the JSON of a dictionary: %w", err)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}

// openTensors opens the weights.
func (a *Autoencoder) openTensors(path string, rename map[string]string) error {
	c, err := checkpoint.OpenFile(path)
	if err != nil {
		return err
	}
	a.arrays, a.closers, a.names = tensors{c}, append(a.closers, c.Close), map[string]string{}
	for _, name := range c.Names() {
		ours := name
		if other, ok := rename[name]; ok {
			ours = other
		}
		a.names[ours] = name
	}
	return nil
}

// openScope2 reads Gemma Scope 2's config.json and params.safetensors.
func openScope2(dir string) (*Autoencoder, error) {
	var c struct {
		Architecture string  `json:"architecture"`
		Model        string  `json:"model_name"`
		In           string  `json:"hf_hook_point_in"`
		Out          *string `json:"hf_hook_point_out"`
	}
	if err := readConfig(filepath.Join(dir, "config.json"), &c); err != nil {
		return nil, err
	}
	if c.Architecture != "jump_relu" {
		return nil, fmt.Errorf("the architecture %q of config.json is not read (have: jump_relu)", c.Architecture)
	}
	a := &Autoencoder{Activation: JumpReLU, Norm: NoNorm, Model: c.Model, Hook: hfHook(c.In)}
	if c.Out != nil {
		if out := hfHook(*c.Out); out != a.Hook {
			a.HookOut, a.Transcoder = out, true
		}
	}
	if err := a.openTensors(filepath.Join(dir, "params.safetensors"), map[string]string{"w_enc": wEnc, "w_dec": wDec}); err != nil {
		return a, err
	}
	return a, a.sizes()
}

// hfHook reads a place as Gemma Scope 2 writes it, by a module of transformers and its side.
func hfHook(text string) string {
	for ending, site := range map[string]string{
		".pre_feedforward_layernorm.output": ".mlp_norm", ".post_feedforward_layernorm.output": ".mlp_out", ".self_attn.o_proj.input": ".z",
	} {
		if module, ok := strings.CutSuffix(text, ending); ok {
			return strings.TrimPrefix(module, "model.") + site
		}
	}
	return strings.TrimSuffix(text, ".output")
}

// whole is a number of a config, or none.
func whole(raw json.RawMessage) (n int, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		return 0, nil
	}
	err = json.Unmarshal(raw, &n)
	return n, err
}
