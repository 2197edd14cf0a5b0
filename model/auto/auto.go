// Package auto opens a model by what its checkpoint says that it is.
package auto

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/cohere"
	"github.com/mlxlens/mlxlens/model/deepseek"
	"github.com/mlxlens/mlxlens/model/gemma2"
	"github.com/mlxlens/mlxlens/model/gemma3"
	"github.com/mlxlens/mlxlens/model/gemma4"
	"github.com/mlxlens/mlxlens/model/glm"
	"github.com/mlxlens/mlxlens/model/glm4moe"
	"github.com/mlxlens/mlxlens/model/gpt2"
	"github.com/mlxlens/mlxlens/model/gptj"
	"github.com/mlxlens/mlxlens/model/gptneox"
	"github.com/mlxlens/mlxlens/model/gptoss"
	"github.com/mlxlens/mlxlens/model/granite"
	"github.com/mlxlens/mlxlens/model/granite4"
	"github.com/mlxlens/mlxlens/model/lfm2"
	"github.com/mlxlens/mlxlens/model/llama"
	"github.com/mlxlens/mlxlens/model/llama4"
	"github.com/mlxlens/mlxlens/model/load"
	"github.com/mlxlens/mlxlens/model/nemotronh"
	"github.com/mlxlens/mlxlens/model/olmo2"
	"github.com/mlxlens/mlxlens/model/olmoe"
	"github.com/mlxlens/mlxlens/model/phi"
	"github.com/mlxlens/mlxlens/model/phi3"
	"github.com/mlxlens/mlxlens/model/qwen3"
	"github.com/mlxlens/mlxlens/model/qwen3next"
	"github.com/mlxlens/mlxlens/model/stablelm"
	"github.com/mlxlens/mlxlens/model/starcoder2"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// Options say how to open a model; the zero value is what most callers want.
type Options struct {
	Device      *mlx.Device       // nil: the GPU if there is one
	Weights     load.Form         // "" is auto
	Modules     map[string]string // module paths by role, where the usual names do not hold
	NoTokenizer bool              // do not look for one

	// Context is how many positions a sequence may have; 0: as many as the model was made for.
	// What a model says beyond those may be nonsense, and learned positions cannot go beyond.
	Context int

	// AsStored computes in the checkpoint's own types on a CPU too, where 16-bit weights
	// otherwise become float32. It is slow there.
	AsStored bool

	// Float32 computes in float32 on a GPU too, where 16-bit weights otherwise stay as they are.
	Float32 bool

	// MaxMemory bounds the bytes that the process takes once the weights are there; 0: what
	// the machine gives. Weights that Auto would unpack stay packed where they fit only so,
	// and where they do not fit nothing is read and Open fails.
	MaxMemory int64

	// Ranks are the processes that hold the model together, each calling Open; nil: this one holds all.
	// Each reads what it holds alone, and shards of an index that only others need may be absent.
	Ranks *model.Ranks

	// PerRank deals so many layers to each rank; nil: by the bytes of their weights, balanced.
	PerRank []int
}

// Opened is a model with what belongs to it.
type Opened struct {
	Model model.Model

	// Tokenizer is nil when the checkpoint has none (TokenizerErr says so) or none
	// was asked for.
	Tokenizer    *tokenizer.Tokenizer
	TokenizerErr error

	Info Info

	kept bool // by another, who closes it
}

// Info describes an opened model.
type Info struct {
	Ref          string          `json:"ref"`
	Type         string          `json:"type"`
	Format       string          `json:"format"`
	Files        []string        `json:"files"`
	DiskBytes    int64           `json:"disk_bytes"`
	Shape        model.Shape     `json:"shape"`
	Quantization string          `json:"quantization"`
	Weights      load.Form       `json:"weights"` // dense, packed, or dense with packed experts
	WeightBytes  int             `json:"weight_bytes"`
	Parameters   int64           `json:"parameters"`                  // of matrices and gains, not biases
	Active       int64           `json:"active_parameters,omitempty"` // of which a position passes so many, where it passes some experts
	Device       string          `json:"device"`
	Modules      []load.Resolved `json:"modules"`
	LoadSeconds  float64         `json:"load_s"`
	Notes        []string        `json:"notes,omitempty"` // what is odd about the files, though they could be opened
}

// Open opens a directory in the Hugging Face layout or a GGUF file. Weights and
// tokenizer are read at the same time.
func Open(ref string, o Options) (*Opened, error) {
	start := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() { mlx.Load() }) // its error comes back where the library is used
	ck, err := o.checkpoint(ref)
	if err != nil {
		return nil, err
	}
	defer ck.Close()

	opened := &Opened{}
	if !o.NoTokenizer {
		wg.Go(func() { opened.Tokenizer, opened.TokenizerErr = openTokenizer(ck) })
	}
	if o.MaxMemory > 0 {
		wg.Wait() // what the tokenizer takes counts
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

func (opened *Opened) open(ck *checkpoint.Checkpoint, o Options) error {
	if err := mlx.Load(); err != nil {
		return err
	}
	device := mlx.DefaultDevice()
	if o.Device != nil {
		device = *o.Device
	}
	if !device.Available() {
		return fmt.Errorf("auto: this library has no %s: %s", device, otherDevices())
	}
	quant, err := load.ParseQuantization(configOf(ck))
	if err != nil {
		return fmt.Errorf("%s: %w", ck.Path, err)
	}
	part, err := o.part(ck, quant, device)
	if err != nil {
		return err
	}
	m, kind, loader, err := fitting(ck, quant, device, o, held(part))
	if err != nil {
		return err
	}
	m.Held = part
	m.Remarks = append(m.Remarks, loader.Notes()...)
	err = loader.Load()
	if err == nil && o.Context != 0 {
		err = m.Allow(o.Context)
	}
	if err != nil {
		loader.Weights().Free()
		return err
	}
	opened.Model = m
	opened.Info = Info{
		Type: kind, Format: ck.Format.String(), Files: ck.Files(), Notes: ck.Notes, DiskBytes: ck.Size(), Shape: opened.Model.Shape(),
		Quantization: quantization(ck, quant, loader.Resolved()), Weights: loader.Form(), Device: device.String(), Modules: loader.Resolved(),
	}
	for _, r := range opened.Info.Modules {
		opened.Info.WeightBytes += r.Bytes
	}
	opened.Info.Parameters, opened.Info.Active = parameters(opened.Info.Modules, opened.Info.Shape.TopK)
	return nil
}

// Check opens all but the weights: it fails where Open would fail before it reads them.
func Check(ref string, o Options) error {
	return planned(ref, o, func(*model.Transformer) {})
}

// Sites are those that a model has, in the order of [model.Sites]. Its weights are not read.
func Sites(ref string) (have []model.Site, err error) {
	err = planned(ref, Options{NoTokenizer: true}, func(m *model.Transformer) {
		for _, site := range model.Sites() {
			if site.PerLayer() && len(m.Paths().LayersWith(site)) > 0 || !site.PerLayer() && m.Check(model.Place{Site: site}) == nil {
				have = append(have, site)
			}
		}
	})
	return have, err
}

// planned shows what Open would open, before weights are read.
func planned(ref string, o Options, show func(m *model.Transformer)) error {
	if err := mlx.Load(); err != nil {
		return err
	}
	ck, err := checkpoint.Open(ref)
	if err != nil {
		return err
	}
	defer ck.Close()
	if !o.NoTokenizer {
		if _, err := openTokenizer(ck); err != nil {
			return err
		}
	}
	quant, err := load.ParseQuantization(configOf(ck))
	if err != nil {
		return fmt.Errorf("%s: %w", ck.Path, err)
	}
	device := mlx.DefaultDevice()
	if o.Device != nil {
		device = *o.Device
	}
	m, _, loader, err := fitting(ck, quant, device, o, nil)
	if err != nil {
		return err
	}
	show(m)
	loader.Weights().Free()
	return nil
}

func configOf(ck *checkpoint.Checkpoint) []byte {
	if ck.Format == checkpoint.GGUF {
		return []byte("{}")
	}
	return ck.Config
}

// builder makes a model whose config was read.
type builder func(l *load.Loader) (*model.Transformer, error)

// from makes an architecture's reader of its ParseConfig and its New.
func from[C any](parse func(config []byte) (*C, error), build func(*C, *load.Loader) (*model.Transformer, error)) func(config []byte) (builder, error) {
	return func(config []byte) (builder, error) {
		c, err := parse(config)
		if err != nil {
			return nil, err
		}
		return func(l *load.Loader) (*model.Transformer, error) { return build(c, l) }, nil
	}
}

// architectures has a reader for each model_type.
var architectures = map[string]func(config []byte) (builder, error){
	"cohere":           from(cohere.ParseConfig, cohere.New),
	"cohere2":          from(cohere.ParseCohere2, cohere.New),
	"deepseek_v2":      from(deepseek.ParseV2, deepseek.New),
	"deepseek_v3":      from(deepseek.ParseV3, deepseek.New),
	"gemma":            from(llama.ParseGemma, llama.New),
	"gemma2":           from(gemma2.ParseConfig, gemma2.New),
	"gemma3":           from(gemma3.ParseConfig, gemma3.New),
	"gemma3_text":      from(gemma3.ParseConfig, gemma3.New),
	"gemma4":           from(gemma4.ParseConfig, gemma4.New),
	"gemma4_text":      from(gemma4.ParseConfig, gemma4.New),
	"gemma4_unified":   from(gemma4.ParseUnified, gemma4.New),
	"glm":              from(glm.ParseConfig, glm.New),
	"glm4":             from(glm.ParseGLM4, glm.New),
	"glm4_moe":         from(glm4moe.ParseConfig, glm4moe.New),
	"glm4_moe_lite":    from(deepseek.ParseGLM, deepseek.New),
	"gpt2":             from(gpt2.ParseConfig, gpt2.New),
	"gpt_neox":         from(gptneox.ParseConfig, gptneox.New),
	"gpt_oss":          from(gptoss.ParseConfig, gptoss.New),
	"gptj":             from(gptj.ParseConfig, gptj.New),
	"granite":          from(granite.ParseConfig, granite.New),
	"granitemoehybrid": from(granite4.ParseConfig, granite4.New),
	"lfm2":             from(lfm2.ParseConfig, lfm2.New),
	"lfm2_moe":         from(lfm2.ParseMixture, lfm2.New),
	"llama":            from(llama.ParseConfig, llama.New),
	"llama4":           from(llama4.ParseConfig, llama4.New),
	"llama4_text":      from(llama4.ParseText, llama4.New),
	"ministral3":       from(llama.ParseMinistral3, llama.New),
	"mistral":          from(llama.ParseMistral, llama.New),
	"mistral3":         from(llama.ParseMistral3, llama.New),
	"mixtral":          from(llama.ParseMixtral, llama.New),
	"nemotron_h":       from(nemotronh.ParseConfig, nemotronh.New),
	"olmo2":            from(olmo2.ParseConfig, olmo2.New),
	"olmo3":            from(olmo2.ParseOLMo3, olmo2.New),
	"olmoe":            from(olmoe.ParseConfig, olmoe.New),
	"phi":              from(phi.ParseConfig, phi.New),
	"phi3":             from(phi3.ParseConfig, phi3.New),
	"qwen2":            from(llama.ParseQwen2, llama.New),
	"qwen2_5_vl":       from(llama.ParseQwen25VL, llama.New),
	"qwen2_vl":         from(llama.ParseQwen2VL, llama.New),
	"qwen3":            from(qwen3.ParseConfig, qwen3.New),
	"qwen3_5":          from(qwen3next.Parse35, qwen3next.New),
	"qwen3_5_moe":      from(qwen3next.Parse35Mixture, qwen3next.New),
	"qwen3_5_moe_text": from(qwen3next.Parse35Mixture, qwen3next.New),
	"qwen3_5_text":     from(qwen3next.Parse35, qwen3next.New),
	"qwen3_moe":        from(qwen3.ParseMixture, qwen3.New),
	"qwen3_next":       from(qwen3next.ParseNext, qwen3next.New),
	"qwen3_vl":         from(qwen3.ParseVL, qwen3.New),
	"qwen3_vl_moe":     from(qwen3.ParseVLMixture, qwen3.New),
	"smollm3":          from(llama.ParseSmolLM3, llama.New),
	"stablelm":         from(stablelm.ParseConfig, stablelm.New),
	"starcoder2":       from(starcoder2.ParseConfig, starcoder2.New),
}

// fromGGUF is from for the metadata of a GGUF file.
func fromGGUF[C any](read func(meta map[string]any, vocab int) (*C, error), build func(*C, *load.Loader) (*model.Transformer, error)) func(map[string]any, int, *load.Loader) (*model.Transformer, error) {
	return func(meta map[string]any, vocab int, l *load.Loader) (*model.Transformer, error) {
		arch, _ := meta["general.architecture"].(string)
		if err := load.CheckVocabulary(arch, meta, vocab); err != nil {
			return nil, err
		}
		c, err := read(meta, vocab)
		if err != nil {
			return nil, load.InGGUF(arch, err)
		}
		return build(c, l)
	}
}

// ggufArchitectures has a constructor for each general.architecture.
var ggufArchitectures = map[string]func(meta map[string]any, vocab int, l *load.Loader) (*model.Transformer, error){
	"gemma":    fromGGUF(llama.GemmaFromGGUF, llama.New),
	"gemma2":   fromGGUF(gemma2.ConfigFromGGUF, gemma2.New),
	"gemma3":   fromGGUF(gemma3.ConfigFromGGUF, gemma3.New),
	"gpt-oss":  fromGGUF(gptoss.ConfigFromGGUF, gptoss.New),
	"gpt2":     fromGGUF(gpt2.ConfigFromGGUF, gpt2.New),
	"llama":    fromGGUF(llama.ConfigFromGGUF, llama.New),
	"phi3":     fromGGUF(phi3.ConfigFromGGUF, phi3.New),
	"qwen2":    fromGGUF(llama.Qwen2FromGGUF, llama.New),
	"qwen3":    fromGGUF(qwen3.ConfigFromGGUF, qwen3.New),
	"qwen3moe": fromGGUF(qwen3.MixtureFromGGUF, qwen3.New),
}

// readerOf returns a config.json's model_type, and what reads it.
func readerOf(config []byte) (kind string, read func(config []byte) (builder, error), err error) {
	var head struct {
		ModelType string `json:"model_type"`
	}
	if err := exactjson.Unmarshal(config, &head); err != nil {
		return "", nil, fmt.Errorf("config.json: %w", err)
	}
	read, ok := architectures[head.ModelType]
	switch {
	case head.ModelType == "":
		return "", nil, errors.New("config.json has no model_type")
	case whyLeftOut(head.ModelType) != "":
		return head.ModelType, nil, fmt.Errorf("model_type %q is not supported: %s", head.ModelType, whyLeftOut(head.ModelType))
	case !ok:
		return head.ModelType, nil, fmt.Errorf("model_type %q is not supported (have: %s)", head.ModelType, listed(architectures))
	}
	return head.ModelType, read, nil
}

// CheckConfig fails where Open would fail on a config.json alone, whatever the weights are.
func CheckConfig(config []byte) error {
	_, read, err := readerOf(config)
	if err != nil {
		return fmt.Errorf("auto: %w", err)
	}
	if _, err = read(config); err == nil {
		_, err = load.ParseQuantization(config)
	}
	return err
}

// construct makes the model that the checkpoint's model_type names.
func construct(ck *checkpoint.Checkpoint, l *load.Loader) (d *model.Transformer, kind string, err error) {
	if ck.Format == checkpoint.GGUF {
		kind, _ = ck.Metadata["general.architecture"].(string)
		build, ok := ggufArchitectures[kind]
		if !ok {
			return nil, kind, fmt.Errorf("auto: %s: general.architecture %q is not supported (have: %s)", ck.Path, kind, listed(ggufArchitectures))
		}
		embedding := ck.Tensor("token_embd.weight")
		if embedding == nil || len(embedding.Shape) != 2 {
			return nil, kind, fmt.Errorf("auto: %s has no embedding (token_embd.weight)", ck.Path)
		}
		d, err = build(ck.Metadata, embedding.Shape[0], l)
	} else {
		var read func(config []byte) (builder, error)
		if kind, read, err = readerOf(ck.Config); err != nil {
			return nil, kind, fmt.Errorf("auto: %s: %w", ck.Path, err)
		}
		var build builder
		if build, err = read(ck.Config); err == nil {
			d, err = build(l)
		}
	}
	if err != nil {
		return nil, kind, fmt.Errorf("%s: %w", ck.Path, err)
	}
	return d, kind, nil
}
