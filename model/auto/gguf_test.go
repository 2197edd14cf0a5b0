package auto_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

// llamaMeta is the metadata of the recorded models that have the keys of a Llama.
func llamaMeta(arch string, context uint32, more map[string]any) map[string]any {
	meta := map[string]any{
		"general.architecture": arch, arch + ".embedding_length": uint32(64), arch + ".feed_forward_length": uint32(112),
		arch + ".block_count": uint32(3), arch + ".attention.head_count": uint32(4), arch + ".attention.head_count_kv": uint32(2),
		arch + ".context_length": context, arch + ".attention.layer_norm_rms_epsilon": float32(1e-5),
	}
	for key, value := range more {
		meta[key] = value
	}
	return meta
}

// mixtureMeta is that of the recorded mixtures of experts.
func mixtureMeta(arch string, experts, used, hidden uint32, more map[string]any) map[string]any {
	meta := llamaMeta(arch, 256, map[string]any{arch + ".expert_count": experts, arch + ".expert_used_count": used, arch + ".expert_feed_forward_length": hidden})
	for key, value := range more {
		meta[key] = value
	}
	return meta
}

// gemmaMeta is that of the recorded Gemmas.
func gemmaMeta(arch string, more map[string]any) map[string]any {
	meta := llamaMeta(arch, 256, map[string]any{
		arch + ".block_count": uint32(4), arch + ".attention.layer_norm_rms_epsilon": float32(1e-6), arch + ".attention.key_length": uint32(32),
		arch + ".attention.value_length": uint32(32), arch + ".attention.sliding_window": uint32(16),
	})
	for key, value := range more {
		meta[key] = value
	}
	return meta
}

// How llama.cpp's converter lays out weights: Llama's queries and keys interleaved, the biases
// too; the others as they are.
func interleaved(name string) (string, []int) {
	switch {
	case strings.Contains(name, "q_proj."):
		return golden.GGUFName(name), golden.Interleaved(4, 16)
	case strings.Contains(name, "k_proj."):
		return golden.GGUFName(name), golden.Interleaved(2, 16)
	}
	return golden.GGUFName(name), nil
}

func asIs(name string) (string, []int) { return golden.GGUFName(name), nil }

func gemmaLayout(name string) (string, []int) { return golden.GemmaGGUFName(name), nil }

func TestGGUFFilesGiveTheSameNumbers(t *testing.T) {
	for _, c := range []struct {
		name   string
		meta   map[string]any
		layout func(string) (string, []int)
	}{
		{"llama", llamaMeta("llama", 256, nil), interleaved},
		{"llama-rope-linear", llamaMeta("llama", 256, map[string]any{"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": float32(4)}), interleaved},
		{"llama-rope-linear", llamaMeta("llama", 256, map[string]any{"llama.rope.scaling.factor": float32(4)}), interleaved},
		{"llama-rope-linear", llamaMeta("llama", 256, map[string]any{"llama.rope.scale_linear": float32(4)}), interleaved},
		{"llama-rope-yarn", llamaMeta("llama", 256, map[string]any{"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": float32(4),
			"llama.rope.scaling.original_context_length": uint32(32)}), interleaved},
		{"llama", llamaMeta("llama", 256, map[string]any{"llama.attention.head_count": []uint32{4, 4, 4}, "llama.attention.head_count_kv": []uint32{2, 2, 2},
			"llama.feed_forward_length": []uint32{112, 112, 112}, "llama.attention.causal": true, "llama.expert_count": uint32(0), "llama.vocab_size": uint32(96)}), interleaved},
		{"llama-untied-biases", llamaMeta("llama", 256, nil), interleaved},
		{"qwen2", llamaMeta("qwen2", 256, map[string]any{"qwen2.rope.freq_base": float32(1e6)}), asIs},
		{"qwen3", llamaMeta("qwen3", 256, map[string]any{"qwen3.rope.freq_base": float32(1e4), "qwen3.attention.key_length": uint32(32), "qwen3.attention.value_length": uint32(32)}), asIs},
		{"qwen3-untied", llamaMeta("qwen3", 256, map[string]any{"qwen3.rope.freq_base": float32(1e4)}), asIs},
		{"qwen3-moe", mixtureMeta("qwen3moe", 8, 3, 48, map[string]any{"qwen3moe.rope.freq_base": float32(1e4), "qwen3moe.attention.key_length": uint32(16)}), asIs},
		{"mixtral", mixtureMeta("llama", 6, 2, 0, map[string]any{"llama.rope.freq_base": float32(1e6), "llama.feed_forward_length": uint32(48)}), interleaved},
		{"gpt-oss-default-rope", mixtureMeta("gpt-oss", 6, 2, 32, map[string]any{"gpt-oss.attention.key_length": uint32(16), "gpt-oss.attention.value_length": uint32(16),
			"gpt-oss.block_count": uint32(4), "gpt-oss.attention.sliding_window": uint32(16), "gpt-oss.rope.freq_base": float32(150000), "gpt-oss.rope.scaling.type": "yarn",
			"gpt-oss.rope.scaling.factor": float32(32), "gpt-oss.rope.scaling.original_context_length": uint32(4096)}),
			func(name string) (string, []int) { return golden.PostNormGGUFName(name), nil }},
		{"phi3", llamaMeta("phi3", 256, map[string]any{"phi3.attention.sliding_window": uint32(0), "phi3.rope.dimension_count": uint32(16)}), asIs},
		{"phi3-sliding", llamaMeta("phi3", 256, map[string]any{"phi3.attention.sliding_window": uint32(16)}), asIs},
		{"gemma", gemmaMeta("gemma", map[string]any{"gemma.block_count": uint32(3), "gemma.attention.head_count_kv": uint32(1), "gemma.attention.sliding_window": uint32(0)}), asIs},
		{"gemma2-query-as-head", gemmaMeta("gemma2", map[string]any{"gemma2.attn_logit_softcapping": float32(50), "gemma2.final_logit_softcapping": float32(30)}), gemmaLayout},
		{"gemma3-untied-linear", gemmaMeta("gemma3", map[string]any{"gemma3.attention.sliding_window_pattern": uint32(2), "gemma3.rope.scaling.type": "linear",
			"gemma3.rope.scaling.factor": float32(8)}), gemmaLayout},
		{"gpt2", map[string]any{
			"general.architecture": "gpt2", "gpt2.embedding_length": uint32(64), "gpt2.feed_forward_length": uint32(256), "gpt2.block_count": uint32(3),
			"gpt2.attention.head_count": uint32(4), "gpt2.context_length": uint32(128), "gpt2.attention.layer_norm_epsilon": float32(1e-5),
		}, asIs},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := architecture(t, c.name)
			if strings.HasPrefix(c.name, "gemma") { // the converter adds 1 to the gains of norms
				for i := range a.Tensors {
					if strings.HasSuffix(a.Tensors[i].Name, "norm.weight") {
						a.Tensors[i].Center++
					}
				}
			}
			path := filepath.Join(t.TempDir(), "m.gguf")
			require.NoError(t, a.WriteGGUF(path, c.meta, c.layout))
			o, err := auto.Open(path, auto.Options{})
			require.NoError(t, err)
			defer o.Close()
			for _, run := range a.Runs {
				require.Empty(t, firstDifference(t, o.Model, run, relative))
			}
		})
	}
}

// Every quantized type gives the same logits packed, where MLX has a form for it, and
// unpacked; which weights a block stands for is tested in checkpoint.
func TestQuantizedGGUFTypesGiveTheSameLogitsPackedAndUnpacked(t *testing.T) {
	for typ, size := range map[string]float64{
		"Q8_0": 1e-3, "Q4_0": 8e-3, "Q5_1": 4e-3, "Q3_K": 1e-3, "Q4_K": 4e-4, "Q5_K": 2e-4, "Q6_K": 3e-5, "IQ4_XS": 2e-5, "MXFP4": 1,
	} {
		t.Run(typ, func(t *testing.T) {
			a := &golden.Architecture{}
			matrix := func(name string, out, in int) {
				a.Tensors = append(a.Tensors, golden.Drawn{Name: name, Type: typ, Shape: []int{out, in}, Center: size})
			}
			gain := func(name string) {
				a.Tensors = append(a.Tensors, golden.Drawn{Name: name, Type: "float32", Shape: []int{256}, Center: 1, Amplitude: 0.2})
			}
			matrix("token_embd.weight", 96, 256)
			gain("output_norm.weight")
			gain("blk.0.attn_norm.weight")
			gain("blk.0.ffn_norm.weight")
			for _, name := range []string{"attn_q", "attn_output", "ffn_gate", "ffn_up", "ffn_down"} {
				matrix("blk.0."+name+".weight", 256, 256)
			}
			matrix("blk.0.attn_k.weight", 128, 256)
			matrix("blk.0.attn_v.weight", 128, 256)
			path := filepath.Join(t.TempDir(), "m.gguf")
			meta := llamaMeta("llama", 256, map[string]any{
				"llama.embedding_length": uint32(256), "llama.feed_forward_length": uint32(256), "llama.block_count": uint32(1),
			})
			require.NoError(t, a.WriteGGUF(path, meta, func(name string) (string, []int) { return name, nil }))
			var all [][][]float32
			for _, form := range []load.Form{load.Dense, load.Packed} {
				o, err := auto.Open(path, auto.Options{Weights: form, Float32: true})
				require.NoError(t, err)
				defer o.Close()
				logits, _ := pass(t, o.Model, []int32{3, 95, 40, 41}, nil)
				all = append(all, logits)
				require.Equal(t, typ, o.Info.Modules[0].Form)
			}
			largest := float32(0)
			for _, x := range all[0][3] {
				largest = max(largest, x, -x)
			}
			require.Greater(t, largest, float32(0.1))
			for p := range all[0] {
				requireNear(t, all[0][p], all[1][p], 1e-4*float64(largest))
			}
		})
	}
}

func TestGGUFThatIsNotImplementedIsRefused(t *testing.T) {
	a := architecture(t, "qwen2")
	layout := func(name string) (string, []int) { return golden.GGUFName(name), nil }
	with := func(key string, value any) map[string]any {
		return llamaMeta("qwen2", 256, map[string]any{"qwen2." + key: value})
	}
	for want, meta := range map[string]map[string]any{
		`general.architecture "mamba" is not supported (have: gemma, gemma2, `:                 llamaMeta("mamba", 256, nil),
		`qwen2.rope.scaling.type "ntk" is not implemented (have: none, linear, yarn)`:          with("rope.scaling.type", "ntk"),
		"qwen2: GGUF: qwen2.embedding_length is 0, want a number above 0":                      with("embedding_length", uint32(0)),
		"GGUF: qwen2.block_count is 5000, and no model has more than 4096":                     with("block_count", uint32(5000)),
		"GGUF: qwen2.attention.layer_norm_rms_epsilon is 0, want a number above 0":             with("attention.layer_norm_rms_epsilon", float32(0)),
		"GGUF: qwen2.attention.head_count 4 is no multiple of qwen2.attention.head_count_kv 3": with("attention.head_count_kv", uint32(3)),
		"GGUF: qwen2.vocab_size is 97, and token_embd.weight has 96 rows":                      with("vocab_size", uint32(97)),
		"GGUF: qwen2.vocab_size is string, want a number":                                      with("vocab_size", "96"),
		"tokenizer.ggml.tokens has 97 tokens, and token_embd.weight 96 rows":                   llamaMeta("qwen2", 256, map[string]any{"tokenizer.ggml.tokens": make([]string, 97)}),
		"GGUF: qwen2.attention.sliding_window 4096 is not implemented":                         with("attention.sliding_window", uint32(4096)),
		"GGUF: qwen2.block_count is string, want a number":                                     with("block_count", "three"),
		"qwen2.attention.causal false is not implemented":                                      with("attention.causal", false),
		"qwen2.attention.head_count_kv [2 2 1] differs by layer":                               with("attention.head_count_kv", []uint32{2, 2, 1}),
		"GGUF: qwen2.expert_count 8 is not implemented":                                        with("expert_count", uint32(8)),
		"GGUF: qwen2.attention.max_alibi_bias 8 is not implemented":                            with("attention.max_alibi_bias", float32(8)),
		"GGUF: qwen2.residual_scale 0.5 is not implemented":                                    with("residual_scale", float32(0.5)),
		"GGUF: qwen2.use_parallel_residual true is not implemented":                            with("use_parallel_residual", true),
		"GGUF: qwen2.rope.dimension_sections [1 2] is not implemented":                         with("rope.dimension_sections", []uint32{1, 2}),
		"GGUF: qwen2.rope.scaling.yarn_log_multiplier 0.1":                                     with("rope.scaling.yarn_log_multiplier", float32(0.1)),
		"rope.scaling.attn_factor -1, want all above 0":                                        with("rope.scaling.attn_factor", float32(-1)),
	} {
		path := filepath.Join(t.TempDir(), "m.gguf")
		require.NoError(t, a.WriteGGUF(path, meta, layout))
		_, err := auto.Open(path, auto.Options{})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, path)
		require.NotContains(t, err.Error(), "config.json")
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	require.NoError(t, a.WriteGGUF(path, llamaMeta("qwen2", 256, nil), func(name string) (string, []int) {
		if strings.Contains(name, "layers.1.self_attn.q_proj.bias") {
			return "", nil
		}
		return golden.GGUFName(name), nil
	}))
	_, err := auto.Open(path, auto.Options{})
	require.ErrorContains(t, err, "1 missing: ")
	require.ErrorContains(t, err, "blk.1.attn_q.bias")
}

// llama.cpp keeps longrope's factors as tensors, and computes with the long ones in a context
// that is long; the authors' code goes by the sequence.
func TestLongropeOfAGGUFFileIsThatOfTheConfig(t *testing.T) {
	a := architecture(t, "phi3-longrope-partial")
	twice := []float64{2, 2, 2, 2, 2, 2}
	change(t, a, "rope_scaling.long_factor", twice)
	m := openArchitecture(t, a, auto.Options{})
	for name, factor := range map[string]float64{"rope_factors_short.weight": 1, "rope_factors_long.weight": 2} {
		a.Tensors = append(a.Tensors, golden.Drawn{Name: name, Type: "float32", Shape: []int{6}, Center: factor})
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	meta := llamaMeta("phi3", 256, map[string]any{"phi3.rope.dimension_count": uint32(12), "phi3.rope.scaling.original_context_length": uint32(32)})
	require.NoError(t, a.WriteGGUF(path, meta, func(name string) (string, []int) { return golden.GGUFName(name), nil }))
	o, err := auto.Open(path, auto.Options{})
	require.NoError(t, err)
	defer o.Close()
	require.Equal(t, 32, o.Model.Shape().ShortContext)
	for _, run := range a.Runs {
		want, _ := pass(t, m, run.IDs, nil)
		got, _ := pass(t, o.Model, run.IDs, nil)
		for p := range want {
			requireNear(t, want[p], got[p], 1e-4)
		}
	}
}

// rope.scaling.attn_factor multiplies what turns; Q and K are what turns, and their product
// grows with its square.
func TestAttnFactorMultipliesWhatTurns(t *testing.T) {
	a := architecture(t, "qwen2")
	path := filepath.Join(t.TempDir(), "m.gguf")
	meta := llamaMeta("qwen2", 256, map[string]any{"qwen2.rope.freq_base": float32(1e6), "qwen2.rope.scaling.attn_factor": float32(2)})
	require.NoError(t, a.WriteGGUF(path, meta, func(name string) (string, []int) { return golden.GGUFName(name), nil }))
	o, err := auto.Open(path, auto.Options{})
	require.NoError(t, err)
	defer o.Close()
	plain := openArchitecture(t, a, auto.Options{})
	for _, site := range []model.Site{model.RotQ, model.RotK} {
		want, got := kept(t, plain, a.Runs[1].IDs, site), kept(t, o.Model, a.Runs[1].IDs, site)
		for i := range want {
			require.InDelta(t, 2*want[i], got[i], 1e-4)
		}
	}
}

// kept returns what passes a site of layer 0.
func kept(t *testing.T, m model.Model, ids []int32, site model.Site) []float32 {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	places := []model.Place{{Site: site}}
	tap, arrays := model.Keep(s, places)
	require.NoError(t, model.Reach(m, mlx.FromSlice(s, ids, 1, len(ids)), nil, tap, places).Err())
	data, err := mlx.Data[float32](arrays[0])
	require.NoError(t, err)
	return data
}
