package auto_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/model/auto"
)

const packedTiny = "../../testdata/models/tiny-llama-b-4bit-mixed"

// withBytes copies the packed tiny Llama with other bytes in some tensors, all of them.
func withBytes(t *testing.T, pattern map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	config, err := os.ReadFile(filepath.Join(packedTiny, "config.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600))
	f, err := os.Open(filepath.Join(packedTiny, "model.safetensors"))
	require.NoError(t, err)
	defer f.Close()
	arrays, metadata, err := checkpoint.ReadSafetensors(f)
	require.NoError(t, err)
	for _, a := range arrays {
		if put := pattern[a.Name]; put != nil {
			copy(a.Bytes[len(a.Bytes)-len(put):], put)
			delete(pattern, a.Name)
		}
	}
	require.Empty(t, pattern, "every tensor is there")
	var out bytes.Buffer
	require.NoError(t, checkpoint.WriteSafetensors(&out, metadata, arrays))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), out.Bytes(), 0o600))
	return dir
}

func TestNaNInAWeightIsNamedAtTheFirstLayer(t *testing.T) {
	bad := []byte{0xff, 0xff, 0xff, 0xff} // NaN in bfloat16, float16 and float32
	dir := withBytes(t, map[string][]byte{
		"model.layers.1.self_attn.k_proj.scales": bad, "model.layers.0.mlp.down_proj.scales": bad, "model.norm.weight": bad,
	})
	_, err := auto.Open(dir, auto.Options{NoTokenizer: true})
	require.ErrorContains(t, err, `NaN or an infinity in tensor "model.layers.0.mlp.down_proj.scales" (element `)
	require.ErrorContains(t, err, "the first of 3 such tensors")
}

// A number of layers or dimensions that the file only claims takes no memory.
func TestSizesThatNoModelHasAreRefusedBeforeTheyAreBelieved(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(packedTiny, "config.json"))
	require.NoError(t, err)
	for key, c := range map[string]struct {
		value any
		want  string
	}{
		"num_hidden_layers":   {1 << 62, "num_hidden_layers is 4611686018427387904, and no model has more than 4096"},
		"num_attention_heads": {1 << 40, "num_attention_heads is 1099511627776, and no model has more than"},
		"head_dim":            {1 << 40, "head_dim is 1099511627776, and no model has more than 65536"},
		"vocab_size":          {1 << 40, "vocab_size is 1099511627776, and no model has more than"},
		"rope_theta":          {1e300, "rope_theta has the number 1e+300"},
		"rms_norm_eps":        {1e39, "rms_norm_eps has the number 1e+39"},
	} {
		var config map[string]any
		require.NoError(t, json.Unmarshal(raw, &config))
		config[key] = c.value
		dir := t.TempDir()
		text, err := json.Marshal(config)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600))
		require.NoError(t, os.Symlink(abs(t, filepath.Join(packedTiny, "model.safetensors")), filepath.Join(dir, "model.safetensors")))
		_, err = auto.Open(dir, auto.Options{NoTokenizer: true})
		require.ErrorContains(t, err, c.want, key)
	}
}

func abs(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(path)
	require.NoError(t, err)
	return full
}
