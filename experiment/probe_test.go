package experiment_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// labelled are prompts that end in a token of their class.
func labelled(n, vocab, classes, seed int) []experiment.Labelled {
	var prompts []experiment.Labelled
	for i := range n {
		in := edit.Input{IDs: append(ids(3+i%3, vocab, seed+i), 10+i%classes)}
		prompts = append(prompts, experiment.Labelled{Input: in, Label: string(rune('a' + i%classes))})
	}
	return prompts
}

// The last token is linear in its embedding: every prompt is told right; and classes are as the log-odds
// of the directions say.
func TestProbesTellTheLastTokenFromTheState(t *testing.T) {
	t.Parallel()
	for _, classes := range []int{2, 3} {
		for _, name := range []string{"llama", "qwen3-next", "gpt2"} {
			m := modeltest.Architecture(t, name, nil)
			train, held := labelled(24, m.Shape().DVocab, classes, 1), labelled(9, m.Shape().DVocab, classes, 60)
			got, err := experiment.Probe(context.Background(), m, train, held, experiment.ProbeOptions{Site: model.ResidPre, Layers: []int{0, 1}})
			require.NoError(t, err, name)
			require.Equal(t, 1.0, float64(got.Layers[0].Accuracy), name)
			require.Equal(t, 1.0, float64(got.Layers[0].Training), name)
			for l, about := range got.Layers {
				right := 0.0
				for _, p := range held {
					x := state(t, m, p.Input, model.Place{Site: model.ResidPre, Layer: about.Layer})
					best, most := 0, math.Inf(-1)
					if classes == 2 {
						most = 0
					}
					for c, v := range got.Directions[l] {
						odds := float64(about.Gain[c])*inner(x, float64s(v)) + float64(about.Bias[c])
						if odds > most {
							best, most = c+boolInt(classes == 2), odds
						}
					}
					if string(rune('a'+best)) == p.Label {
						right++
					}
				}
				require.InDelta(t, float64(about.Accuracy), right/9, 1e-9)
			}
			doc := document(t, got)
			require.NoError(t, published(t, "probe-1").Validate(doc))
			doc.(map[string]any)["classes"] = []any{}
			require.Error(t, published(t, "probe-1").Validate(doc))
		}
	}
}

// A direction has the length by which its class differs along it: added to the first class it gives
// the second's mean; projected out, nothing of it is left.
func TestDirectionsOfProbesAreEdits(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	for classes, names := range map[int][]string{2: {"layers.1.resid_post"}, 3: {"layers.1.resid_post/a", "layers.1.resid_post/b", "layers.1.resid_post/c", "all/layers.1.resid_post"}} {
		train := labelled(12, 512, classes, 1)
		got, err := experiment.Probe(context.Background(), m, train, nil, experiment.ProbeOptions{Layers: []int{1}})
		require.NoError(t, err)
		require.True(t, math.IsNaN(float64(got.Majority)))
		require.True(t, math.IsNaN(float64(got.Layers[0].Accuracy)))
		var b bytes.Buffer
		require.NoError(t, got.File().WriteSafetensors(&b))
		file := filepath.Join(t.TempDir(), "p.safetensors")
		require.NoError(t, os.WriteFile(file, b.Bytes(), 0o600))
		at := model.Place{Site: model.ResidPost, Layer: 1}
		var means [2][]float64 // of class a, and of the others
		for _, p := range train {
			x := state(t, m, p.Input, at)
			side := boolInt(p.Label != "a")
			if means[side] == nil {
				means[side] = make([]float64, len(x))
			}
			for i := range x {
				means[side][i] += x[i]
			}
		}
		count := float64(12 / classes)
		for i := range means[0] {
			means[0][i] /= count
			means[1][i] /= 12 - count
		}
		v := float64s(got.Directions[0][0])
		require.InEpsilon(t, inner(v, v), math.Abs(inner(less(means[1], means[0]), v)), 1e-4)
		for i, name := range names {
			value, err := states.ReadValue(file+":"+name, at)
			require.NoError(t, err)
			require.Equal(t, i == 3, len(value.Shape) == 2)
			out := edit.Edit{Place: at, Op: edit.ProjectOut, Value: value}
			require.NoError(t, out.Check(m))
			in := train[0].Input
			in.Edits = []edit.Edit{out}
			x := state(t, m, in, at)
			for row := 0; row+len(x) <= len(value.Data); row += len(x) {
				along := float64s(value.Data[row : row+len(x)])
				require.InDelta(t, 0, inner(x, along)/math.Sqrt(inner(along, along)), 1e-5)
			}
		}
		_, err = states.ReadValue(file, at)
		if classes == 2 {
			require.NoError(t, err)
			_, err = states.ReadValue(file, model.Place{Site: model.ResidPost, Layer: 2})
			require.ErrorContains(t, err, "has a vector of layers.1.resid_post, and the edit is at layers.2.resid_post: if that is meant, name it behind a colon")
			_, err = states.ReadValue(file+":layers.1.resid_post", model.Place{Site: model.ResidPost, Layer: 2})
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, "name one of its arrays behind a colon (have: all/layers.1.resid_post, layers.1.resid_post/a")
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestProbesThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	at := func(label string) experiment.Labelled {
		return experiment.Labelled{Input: edit.Input{IDs: []int{len(label), 2}}, Label: label}
	}
	many := make([]experiment.Labelled, 0, 4)
	for i := range 4 {
		many = append(many, at(fmt.Sprint(i%2)))
	}
	for want, c := range map[string]struct {
		train, held []experiment.Labelled
		o           experiment.ProbeOptions
	}{
		"the prompts have one label":                   {[]experiment.Labelled{at("x"), at("x")}, nil, experiment.ProbeOptions{}},
		`the label "z" is of held-out prompts alone`:   {many, []experiment.Labelled{at("z")}, experiment.ProbeOptions{}},
		`prompt 2 has the label "a/b": want 1 to 100`:  {[]experiment.Labelled{at("x"), at("a/b")}, nil, experiment.ProbeOptions{}},
		`prompt 1 has the label ""`:                    {[]experiment.Labelled{at("")}, nil, experiment.ProbeOptions{}},
		"a penalty of -1: want more than 0":            {many, nil, experiment.ProbeOptions{L2: -1}},
		"embed\" is no site of a layer":                {many, nil, experiment.ProbeOptions{Site: model.Embed}},
		"the states of 4 prompts at one layer take":    {many, nil, experiment.ProbeOptions{MaxMemory: 1}},
		"prompt 1: states: id 600 (number 1) is outsi": {append([]experiment.Labelled{{Input: edit.Input{IDs: []int{600}}, Label: "1"}}, many...), nil, experiment.ProbeOptions{}},
	} {
		_, err := experiment.Probe(context.Background(), m, c.train, c.held, c.o)
		require.ErrorContains(t, err, want)
	}
}

func TestOfEveryClassTheSamePartIsHeldOut(t *testing.T) {
	t.Parallel()
	labels := []string{"a", "b", "a", "a", "b", "a", "c", "a", "b", "b", "b", "a"}
	train, held := experiment.Split{Fraction: 0.4, Seed: 3}.Divide(labels)
	count := map[string]int{}
	for _, i := range held {
		count[labels[i]]++
	}
	require.Equal(t, map[string]int{"a": 2, "b": 2}, count)
	require.ElementsMatch(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, append(held, train...))
	_, again := experiment.Split{Fraction: 0.4, Seed: 3}.Divide(labels)
	require.Equal(t, held, again)
	_, other := experiment.Split{Fraction: 0.4, Seed: 4}.Divide(labels)
	require.NotEqual(t, held, other)
	train, held = experiment.Split{}.Divide(labels)
	require.Len(t, train, 12)
	require.Empty(t, held)
}
