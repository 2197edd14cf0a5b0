package checkpoint

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSafetensorsHeaderIsRead(t *testing.T) {
	t.Parallel()
	header := `{"__metadata__":{"format":"mlx","n":"1"},` +
		stTensor("b", "U32", []int{2, 1}, 6, 14) + "," +
		stTensor("a", "F16", []int{3}, 0, 6) + "," +
		stTensor("empty", "F32", []int{0, 5}, 14, 14) + "," +
		`"scalar":{"shape":[],"later":{"x":[1,{}]},"data_offsets":[14,18],"dtype":"I32"}}   `
	entries, metadata, err := parseSafetensors(safetensorsFile(header, 18))
	require.NoError(t, err)
	data := 8 + len(header)
	assert.Equal(t, []headerTensor{
		{"a", F16, []int{3}, data, data + 6},
		{"b", U32, []int{2, 1}, data + 6, data + 14},
		{"empty", F32, []int{0, 5}, data + 14, data + 14},
		{"scalar", I32, []int{}, data + 14, data + 18},
	}, entries)
	assert.Equal(t, map[string]any{"format": "mlx", "n": "1"}, metadata)
}

func TestSafetensorsMetadataMayBeNull(t *testing.T) {
	t.Parallel()
	_, metadata, err := parseSafetensors(safetensorsFile(`{"__metadata__":null,`+stTensor("a", "U8", []int{1}, 0, 1)+`}`, 1))
	require.NoError(t, err)
	assert.Empty(t, metadata)
}

// checkEntries holds what every accepted header must fulfil.
func checkEntries(t *testing.T, entries []headerTensor, size int) {
	t.Helper()
	at := 0
	seen := map[string]bool{}
	for _, e := range entries {
		require.NoError(t, checkName(e.name))
		require.False(t, seen[e.name], "twice: %q", e.name)
		seen[e.name] = true
		require.LessOrEqual(t, at, e.start)
		require.LessOrEqual(t, e.start, e.end)
		require.LessOrEqual(t, e.end, size)
		at = e.end
		elements, bytes := e.typ.Block()
		count := 1
		for _, d := range e.shape {
			require.GreaterOrEqual(t, d, 0)
			count *= d
		}
		require.Equal(t, count/elements*bytes, e.end-e.start)
	}
}

func FuzzSafetensorsHeader(f *testing.F) {
	f.Add(floats("a", "model.layers.0.self_attn.q_proj.weight"))
	f.Add(safetensorsFile(`{"__metadata__":{"format":"pt"},`+stTensor("a", "BF16", []int{2, 0, 3}, 0, 0)+`}`, 0))
	f.Add(safetensorsFile(`{`+stTensor("a", "I64", []int{}, 0, 8)+`}`, 8))
	f.Add(safetensorsFile(`{`+stTensor("a", "F8", []int{1 << 40}, 4, 2)+`,"b":{"x":[[{}]]}}`, 8))
	f.Fuzz(func(t *testing.T, file []byte) {
		if entries, _, err := parseSafetensors(file); err == nil {
			checkEntries(t, entries, len(file))
		}
	})
}
