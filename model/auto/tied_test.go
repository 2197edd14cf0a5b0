package auto_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

// A config that ties, beside a file that has a head of its own: transformers 5.23 takes the head
// where it is another matrix, and says so.
func TestAHeadThatIsNotTheEmbeddingIsTakenThoughTheConfigTies(t *testing.T) {
	untied := modeltest.Recorded(t, "llama-untied-biases")
	m := modeltest.Architecture(t, "llama-untied-biases", func(a *golden.Architecture) { change(t, a, "tie_word_embeddings", true) })
	for _, run := range untied.Runs {
		require.Empty(t, firstDifference(t, m, run, relative))
	}
	require.Contains(t, strings.Join(m.Notes(1), "\n"), "the file has a head that is not the embedding")

	same := modeltest.Architecture(t, "llama", func(a *golden.Architecture) {
		embedding := a.Tensors[0]
		require.Equal(t, "model.embed_tokens.weight", embedding.Name)
		a.Tensors = append(a.Tensors, golden.Drawn{Name: "lm_head.weight", Type: embedding.Type, Shape: embedding.Shape})
		for i := range a.Tensors { // both zero: the same bytes
			if strings.Contains(a.Tensors[i].Name, "embed_tokens") {
				a.Tensors[i].Amplitude = 0
			}
		}
	})
	require.Nil(t, same.(*model.Transformer).Head)
	require.Empty(t, same.Notes(1))
}
