package golden

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// counting is a float32 tensor of 0, 1, 2, …
func counting(name string, shape ...int) tensor {
	t := tensor{name: name, kind: "float32", shape: shape}
	for i := range product(shape) {
		t.data = binary.LittleEndian.AppendUint32(t.data, math.Float32bits(float32(i)))
	}
	return t
}

func numbers(t tensor) (out []float32) {
	for at := 0; at < len(t.data); at += 4 {
		out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(t.data[at:])))
	}
	return out
}

func TestRulesMakeTheTensorsOfAFile(t *testing.T) {
	stack := counting("stack", 2, 3, 2) // [expert, out, in]
	other := counting("other", 2, 3, 2)
	for i := range other.data[:len(other.data)/4] {
		other.data[4*i+3] |= 0x80 // 0, -1, -2, …
	}
	named := map[string]tensor{"stack": stack, "other": other}
	for rule, want := range map[string]struct {
		shape []int
		data  []float32
	}{
		`{"parts": [{"of": "stack", "index": 1}]}`:                                              {[]int{3, 2}, []float32{6, 7, 8, 9, 10, 11}},
		`{"parts": [{"of": "stack", "index": 1, "rows": [1, 3]}], "plus": -1}`:                  {[]int{2, 2}, []float32{7, 8, 9, 10}},
		`{"parts": [{"of": "stack", "rows": [0, 1], "permute": [0, 2, 1]}]}`:                    {[]int{1, 2, 3}, []float32{0, 2, 4, 1, 3, 5}},
		`{"parts": [{"of": "stack", "rows": [1, 2]}], "shape": [6, 1]}`:                         {[]int{6, 1}, []float32{6, 7, 8, 9, 10, 11}},
		`{"parts": [{"of": "stack", "index": 0}, {"of": "other", "index": 1, "rows": [0, 1]}]}`: {[]int{4, 2}, []float32{0, 1, 2, 3, 4, 5, -6, -7}},
		`{"parts": [{"of": "stack"}, {"of": "other"}], "axis": 1}`: {[]int{2, 6, 2}, []float32{
			0, 1, 2, 3, 4, 5, 0, -1, -2, -3, -4, -5, 6, 7, 8, 9, 10, 11, -6, -7, -8, -9, -10, -11}},
		`{"parts": [{"of": "stack", "index": 0}, {"of": "other", "index": 0}], "axis": 0, "interleaved": true}`: {[]int{6, 2}, []float32{
			0, 1, 0, -1, 2, 3, -2, -3, 4, 5, -4, -5}},
		`{"parts": [{"of": "stack", "index": 0}, {"of": "other", "index": 0}], "axis": 1, "interleaved": true}`: {[]int{3, 4}, []float32{
			0, 0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5}},
		`{"parts": [], "type": "float32", "shape": [2]}`: {[]int{2}, []float32{0, 0}},
	} {
		var r Rule
		require.NoError(t, json.Unmarshal([]byte(rule), &r))
		got, err := r.made(named)
		require.NoError(t, err, rule)
		require.Equal(t, want.shape, got.shape, rule)
		require.InDeltaSlice(t, want.data, numbers(got), 0, rule)
	}
	r := Rule{Name: "bytes", Parts: []Taken{{Of: "stack"}}, Type: "uint8"}
	got, err := r.made(named)
	require.NoError(t, err)
	require.Equal(t, tensor{"bytes", "uint8", []int{2, 3, 8}, stack.data}, got)
	require.Equal(t, []int{2, 3, 2}, stack.shape, "what it is made of stays as it is")
	_, err = Rule{Name: "x", Parts: []Taken{{Of: "y"}}}.made(named)
	require.ErrorContains(t, err, `"x" is made of "y"`)
}

func TestALayoutHasAConfigOfItsOwn(t *testing.T) {
	a := &Architecture{
		Config: []byte(`{"a": 1}`), HFConfig: []byte(`{"a": 2}`),
		Tensors: []Drawn{{Name: "w", Type: "float32", Shape: []int{2, 1}, Amplitude: 1}}, HF: []Rule{{Name: "v", Parts: []Taken{{Of: "w"}}}},
	}
	dir := t.TempDir()
	require.NoError(t, a.WriteHF(dir))
	config, err := os.ReadFile(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	require.JSONEq(t, `{"a": 2}`, string(config))
	raw, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	require.Contains(t, string(raw), `"v":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}`)
}
