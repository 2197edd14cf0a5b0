package tuned_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/tuned"
)

// The lens that examples/lenses has is of the SmolLM2 that `make model` fetches, and comes nearer to its answer than the
// logit lens in every layer but the last, on text that it was not trained on.
func TestTheLensOfSmolLM2LowersHeldOutKL(t *testing.T) {
	const examples = "../../examples/lenses/"
	l := open(t, examples+"smollm2-135m-instruct-q4_1.safetensors")
	require.Equal(t, 8, l.Rank())
	o := modeltest.SmolLM2(t)
	d, err := l.On(o.Model, tuned.Options{})
	require.NoError(t, err)
	defer d.Close()
	f, err := os.Open(examples + "held-out.jsonl")
	require.NoError(t, err)
	defer f.Close()
	var sequences [][]int
	for lines := bufio.NewScanner(f); lines.Scan() && len(sequences) < 3; {
		var line struct{ Text string }
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
		ids, err := o.Tokenizer.Encode(line.Text, true)
		require.NoError(t, err)
		sequences = append(sequences, ids[:16])
	}
	e, err := experiment.Evaluate(context.Background(), o.Model, sequences, experiment.EvaluateOptions{Lenses: []lens.Translator{d}})
	require.NoError(t, err)
	last := l.Layers() - 1
	for i := range last {
		require.Less(t, e.Lenses[1].KL[i], e.Lenses[0].KL[i], "layer %d", i)
	}
	require.Zero(t, e.Lenses[1].KL[last])
}
