package auto_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
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

func TestGGUFFilesGiveTheSameNumbers(t *testing.T) {
	interleaved := func(name string) (string, []int) {
		switch {
		case strings.HasSuffix(name, "q_proj.weight"):
			return golden.GGUFName(name), golden.Interleaved(4, 16)
		case strings.HasSuffix(name, "k_proj.weight"):
			return golden.GGUFName(name), golden.Interleaved(2, 16)
		}
		return golden.GGUFName(name), nil
	}
	asIs := func(name string) (string, []int) { return golden.GGUFName(name), nil }
	for _, c := range []struct {
		name   string
		meta   map[string]any
		layout func(string) (string, []int)
	}{
		{"llama", llamaMeta("llama", 256, nil), interleaved},
		{"llama-rope-linear", llamaMeta("llama", 256, map[string]any{"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": float32(4)}), interleaved},
		{"qwen2", llamaMeta("qwen2", 256, map[string]any{"qwen2.rope.freq_base": float32(1e6)}), asIs},
		{"gpt2", map[string]any{
			"general.architecture": "gpt2", "gpt2.embedding_length": uint32(64), "gpt2.feed_forward_length": uint32(256), "gpt2.block_count": uint32(3),
			"gpt2.attention.head_count": uint32(4), "gpt2.context_length": uint32(128), "gpt2.attention.layer_norm_epsilon": float32(1e-5),
		}, asIs},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := architecture(t, c.name)
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
		"Q8_0": 1e-3, "Q4_0": 8e-3, "Q5_1": 4e-3, "Q3_K": 1e-3, "Q4_K": 4e-4, "Q5_K": 2e-4, "Q6_K": 3e-5, "IQ4_XS": 2e-5,
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
				o, err := auto.Open(path, auto.Options{Weights: form})
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
				require.InDeltaSlice(t, all[0][p], all[1][p], 1e-4*float64(largest))
			}
		})
	}
}

func TestGGUFThatIsNotImplementedIsRefused(t *testing.T) {
	a := architecture(t, "qwen2")
	layout := func(name string) (string, []int) { return golden.GGUFName(name), nil }
	for want, meta := range map[string]map[string]any{
		`general.architecture "mamba" is not supported (have: gpt2, llama, qwen2)`: llamaMeta("mamba", 256, nil),
		`qwen2.rope.scaling.type "yarn" is not implemented (have: none, linear)`:   llamaMeta("qwen2", 256, map[string]any{"qwen2.rope.scaling.type": "yarn"}),
		"qwen2: config.json: hidden_size is 0":                                     llamaMeta("qwen2", 256, map[string]any{"qwen2.embedding_length": uint32(0)}),
		"GGUF: qwen2.attention.sliding_window 4096 is not implemented":             llamaMeta("qwen2", 256, map[string]any{"qwen2.attention.sliding_window": uint32(4096)}),
		"GGUF: qwen2.block_count is string, want a number":                         llamaMeta("qwen2", 256, map[string]any{"qwen2.block_count": "three"}),
	} {
		path := filepath.Join(t.TempDir(), "m.gguf")
		require.NoError(t, a.WriteGGUF(path, meta, layout))
		_, err := auto.Open(path, auto.Options{})
		require.ErrorContains(t, err, want)
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
