// Package auto opens a model by what its checkpoint says that it is.
package auto

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/llama"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// Options say how to open a model; the zero value is what most callers want.
type Options struct {
	Device      *mlx.Device       // nil: the GPU if there is one
	Weights     model.Form        // "" is auto
	Modules     map[string]string // module paths by role, where the usual names do not hold
	NoTokenizer bool              // do not look for one
}

// Opened is a model with what belongs to it.
type Opened struct {
	Model model.Model

	// Tokenizer is nil when the checkpoint has none (TokenizerErr says so) or none
	// was asked for.
	Tokenizer    *tokenizer.Tokenizer
	TokenizerErr error

	Info Info
}

// Info describes an opened model.
type Info struct {
	Ref          string           `json:"ref"`
	Type         string           `json:"type"`
	Format       string           `json:"format"`
	Files        []string         `json:"files"`
	DiskBytes    int64            `json:"disk_bytes"`
	Shape        model.Shape      `json:"shape"`
	Quantization string           `json:"quantization"`
	Weights      model.Form       `json:"weights"` // dense or packed
	WeightBytes  int              `json:"weight_bytes"`
	Device       string           `json:"device"`
	Modules      []model.Resolved `json:"modules"`
	LoadSeconds  float64          `json:"load_s"`
}

// Close frees the weights.
func (o *Opened) Close() { o.Model.Close() }

// ErrNoTokenizer is what TokenizerErr wraps when the checkpoint simply has none.
var ErrNoTokenizer = errors.New("the model has no tokenizer")

// Open opens a directory in the Hugging Face layout or a GGUF file. Weights and
// tokenizer are read at the same time.
func Open(ref string, o Options) (*Opened, error) {
	start := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() { mlx.Load() }) // its error comes back where the library is used
	ck, err := checkpoint.Open(ref)
	if err != nil {
		return nil, err
	}
	defer ck.Close()

	opened := &Opened{}
	if !o.NoTokenizer {
		wg.Go(func() { opened.Tokenizer, opened.TokenizerErr = openTokenizer(ck) })
	}
	err = opened.open(ck, o)
	wg.Wait()
	if err != nil {
		return nil, err
	}
	opened.Info.Ref = ref
	opened.Info.LoadSeconds = time.Since(start).Seconds()
	return opened, nil
}

func openTokenizer(ck *checkpoint.Checkpoint) (*tokenizer.Tokenizer, error) {
	if ck.Format == checkpoint.GGUF {
		if _, ok := ck.Metadata["tokenizer.ggml.tokens"]; !ok {
			return nil, fmt.Errorf("%w: %s has no tokenizer.ggml.tokens", ErrNoTokenizer, ck.Path)
		}
		return tokenizer.FromGGUF(ck.Metadata)
	}
	if _, err := os.Stat(filepath.Join(ck.Path, "tokenizer.json")); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has no tokenizer.json", ErrNoTokenizer, ck.Path)
	}
	return tokenizer.Open(ck.Path)
}

func (opened *Opened) open(ck *checkpoint.Checkpoint, o Options) error {
	if err := mlx.Load(); err != nil {
		return err
	}
	device := mlx.DefaultDevice()
	if o.Device != nil {
		device = *o.Device
	}
	if !device.Available() {
		return fmt.Errorf("auto: this library has no %s", device)
	}
	quant, err := model.ParseQuantization(configOf(ck))
	if err != nil {
		return err
	}
	loader, err := model.NewLoader(ck, quant, device, o.Weights, o.Modules)
	if err != nil {
		return err
	}
	kind, err := construct(ck, loader, device, &opened.Model)
	if err != nil {
		return err
	}
	if err := loader.Load(); err != nil {
		opened.Model.Close()
		return err
	}
	opened.Info = Info{
		Type: kind, Format: ck.Format.String(), Files: ck.Files(), DiskBytes: ck.Size(), Shape: opened.Model.Shape(),
		Quantization: quantization(ck, quant), Weights: model.Packed, Device: device.String(), Modules: loader.Resolved(),
	}
	if loader.Dense() {
		opened.Info.Weights = model.Dense
	}
	for _, r := range opened.Info.Modules {
		opened.Info.WeightBytes += r.Bytes
	}
	return nil
}

func configOf(ck *checkpoint.Checkpoint) []byte {
	if ck.Format == checkpoint.GGUF {
		return []byte("{}")
	}
	return ck.Config
}

// construct makes the model that the checkpoint's model_type names.
func construct(ck *checkpoint.Checkpoint, l *model.Loader, device mlx.Device, dst *model.Model) (kind string, err error) {
	if ck.Format == checkpoint.GGUF {
		kind, _ = ck.Metadata["general.architecture"].(string)
		if kind != "llama" {
			return kind, fmt.Errorf("auto: %s: general.architecture %q is not supported (have: llama)", ck.Path, kind)
		}
		embedding := ck.Tensor("token_embd.weight")
		if embedding == nil || len(embedding.Shape) != 2 {
			return kind, fmt.Errorf("auto: %s has no embedding (token_embd.weight)", ck.Path)
		}
		config, err := llama.ConfigFromGGUF(ck.Metadata, embedding.Shape[0])
		if err != nil {
			return kind, fmt.Errorf("%s: %w", ck.Path, err)
		}
		*dst, err = llama.New(config, l, device)
		return kind, err
	}
	var head struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(ck.Config, &head); err != nil {
		return "", fmt.Errorf("auto: %s: config.json is no JSON object: %w", ck.Path, err)
	}
	switch kind = head.ModelType; kind {
	case "llama", "mistral":
		config, err := llama.ParseConfig(ck.Config)
		if err != nil {
			return kind, fmt.Errorf("%s: %w", ck.Path, err)
		}
		*dst, err = llama.New(config, l, device)
		return kind, err
	case "":
		return kind, fmt.Errorf("auto: %s: config.json has no model_type", ck.Path)
	}
	return kind, fmt.Errorf("auto: %s: model_type %q is not supported (have: llama, mistral)", ck.Path, kind)
}

// quantization describes how a checkpoint's matrices are stored.
func quantization(ck *checkpoint.Checkpoint, q *model.Quantization) string {
	if ck.Format != checkpoint.GGUF {
		return q.String()
	}
	most, kinds := "none", map[string]int{}
	for _, name := range ck.Names() {
		if t := ck.Tensor(name); t.Type.Quantized() {
			kind := t.Type.String()
			if kinds[kind] += t.NumElements(); kinds[kind] > kinds[most] {
				most = kind
			}
		}
	}
	switch most {
	case "Q4_0", "Q4_1":
		most = "affine 4-bit group 32"
	case "Q8_0":
		most = "affine 8-bit group 32"
	}
	if len(kinds) > 1 {
		most += ", mixed"
	}
	return most
}
