package auto_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/model/auto"
)

// kinMeta is the metadata of the recorded models of Llama's kin.
func kinMeta(arch string, context uint32, more map[string]any) map[string]any {
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
		{"llama", kinMeta("llama", 256, nil), interleaved},
		{"llama-rope-linear", kinMeta("llama", 256, map[string]any{"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": float32(4)}), interleaved},
		{"qwen2", kinMeta("qwen2", 256, map[string]any{"qwen2.rope.freq_base": float32(1e6)}), asIs},
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

func TestGGUFThatIsNotImplementedIsRefused(t *testing.T) {
	a := architecture(t, "qwen2")
	layout := func(name string) (string, []int) { return golden.GGUFName(name), nil }
	for want, meta := range map[string]map[string]any{
		`general.architecture "mamba" is not supported (have: gpt2, llama, qwen2)`: kinMeta("mamba", 256, nil),
		`qwen2.rope.scaling.type "yarn" is not implemented (have: none, linear)`:   kinMeta("qwen2", 256, map[string]any{"qwen2.rope.scaling.type": "yarn"}),
		"qwen2: config.json: hidden_size is 0":                                     kinMeta("qwen2", 256, map[string]any{"qwen2.embedding_length": uint32(0)}),
		"GGUF: qwen2.block_count is string, want a number":                         kinMeta("qwen2", 256, map[string]any{"qwen2.block_count": "three"}),
	} {
		path := filepath.Join(t.TempDir(), "m.gguf")
		require.NoError(t, a.WriteGGUF(path, meta, layout))
		_, err := auto.Open(path, auto.Options{})
		require.ErrorContains(t, err, want)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	require.NoError(t, a.WriteGGUF(path, kinMeta("qwen2", 256, nil), func(name string) (string, []int) {
		if strings.Contains(name, "layers.1.self_attn.q_proj.bias") {
			return "", nil
		}
		return golden.GGUFName(name), nil
	}))
	_, err := auto.Open(path, auto.Options{})
	require.ErrorContains(t, err, "1 missing: ")
	require.ErrorContains(t, err, "blk.1.attn_q.bias")
}
