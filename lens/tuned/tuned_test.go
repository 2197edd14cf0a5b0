package tuned_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

var _ lens.Translator = (*tuned.Translator)(nil)

const (
	recorded = "../../testdata/tuned/"
	models   = "../../testdata/models/"
	tinyA    = "tiny-llama-a-llama3rope"
	tinyD    = "tiny-llama-d-linear-rope"
)

// expected is what a peer computed with a lens of testdata/tuned.
type expected struct {
	IDs     []int         `json:"ids"`
	Layers  []expectedRow `json:"layers"`
	States  [][]float64   `json:"states"`
	Decoded [][][]float64 `json:"decoded"` // [translator][state]
}

// expectedRow has the best candidates, [pos][top], and the logit after them.
type expectedRow struct {
	IDs    [][]int     `json:"ids"`
	Logits [][]float64 `json:"logits"`
}

func loadArrays[T any](t *testing.T, path string) T {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var x T
	require.NoError(t, json.Unmarshal(text, &x))
	return x
}

func open(t *testing.T, path string) *tuned.Lens {
	t.Helper()
	l, err := tuned.Open(path)
	require.NoError(t, err)
	return l
}

func openModel(t *testing.T, ref string) model.Model {
	t.Helper()
	m, err := auto.Open(ref, auto.Options{Weights: load.Dense, Float32: true})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m.Model
}

func on(t *testing.T, l *tuned.Lens, m model.Model) *tuned.Translator {
	t.Helper()
	d, err := l.On(m, tuned.Options{})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

func run(t *testing.T, m model.Model, ids []int, o lens.Options) *lens.Grid {
	t.Helper()
	g, err := lens.Run(context.Background(), m, edit.Input{IDs: ids}, o)
	require.NoError(t, err)
	return g
}

// tolerance is that of logits in docs/golden.md.
const tolerance = 1e-3

func compare(t *testing.T, want []expectedRow, g *lens.Grid) {
	t.Helper()
	require.Len(t, g.Cells, len(want))
	for r, row := range want {
		require.Len(t, g.Cells[r], len(row.IDs))
		for p, ids := range row.IDs {
			for k, id := range ids {
				require.Equal(t, id, g.Cells[r][p].Top[k].ID, "%s, position %d, candidate %d", g.Rows[r], p, k)
				require.InDelta(t, row.Logits[p][k], g.Cells[r][p].Top[k].Logit, tolerance)
			}
		}
	}
}

func TestMLXterpsLensGivesItsLogits(t *testing.T) {
	for _, name := range []string{tinyA, tinyD} {
		m := openModel(t, models+name)
		want := loadArrays[expected](t, recorded+name+".expected.json")
		d := on(t, open(t, recorded+name), m)
		g := run(t, m, want.IDs, lens.Options{Top: 5, Translator: d})
		require.Equal(t, "tuned: "+recorded+name, g.Lens)
		compare(t, want.Layers, g)
		plain := run(t, m, want.IDs, lens.Options{Top: 5})
		require.NotEqual(t, plain.Cells[0][0].Top[0].Logit, g.Cells[0][0].Top[0].Logit, "the lens changes something")
	}
}

// The recorded training of ../shared says what mlxterp's lens of stories260K gives; the
// lens in testdata is that training done again.
func TestTheLensThatMLXterpTrainedGivesTheRecordedLogits(t *testing.T) {
	const shared = "../../../shared/"
	if _, err := os.Stat(shared + "golden/stories260K/tuned_lens.json"); err != nil {
		t.Skip("../shared is not there")
	}
	golden := loadArrays[struct {
		WeightNorm []float64   `json:"weight_fro"`
		Corners    [][]float64 `json:"weight_00_04"`
		Results    []struct {
			IDs    []int         `json:"ids"`
			Layers []expectedRow `json:"layers"`
		} `json:"results"`
	}](t, shared+"golden/stories260K/tuned_lens.json")
	l := open(t, recorded+"stories260K.npz")
	for i, want := range golden.WeightNorm {
		sum := 0.0
		for _, w := range l.Translators[i].Weight {
			sum += float64(w) * float64(w)
		}
		require.InDelta(t, want, math.Sqrt(sum), 1e-5*want)
		for j, w := range golden.Corners[i] {
			require.InDelta(t, w, l.Translators[i].Weight[j], 1e-5)
		}
	}
	m := openModel(t, shared+"models/stories260K")
	d := on(t, l, m)
	for _, want := range golden.Results {
		compare(t, want.Layers, run(t, m, want.IDs, lens.Options{Top: 5, Translator: d}))
	}
}

func TestDecodeIsWhatThePeersCompute(t *testing.T) {
	for _, name := range []string{tinyA, tinyD} {
		m := openModel(t, models+name)
		for form, file := range map[model.Site]string{model.ResidPost: name + ".expected.json", model.ResidPre: "alignment/" + name + "/expected.json"} {
			path := recorded + name + ".json"
			if form == model.ResidPre {
				path = recorded + "alignment/" + name + "/params.pt"
			}
			l := open(t, path)
			require.Equal(t, form, l.Site)
			d := on(t, l, m)
			want := loadArrays[expected](t, recorded+file)
			require.Len(t, want.Decoded, l.Layers())
			for i, rows := range want.Decoded {
				got := decode(t, d, m, model.Place{Site: form, Layer: i}, want.States)
				for r := range rows {
					require.InDeltaSlice(t, rows[r], got[r], 1e-5, "%s, translator %d", path, i)
				}
			}
		}
	}
}

func decode(t *testing.T, d *tuned.Translator, m model.Model, at model.Place, states [][]float64) [][]float64 {
	t.Helper()
	ok, err := d.Has(at)
	require.NoError(t, err)
	require.True(t, ok)
	scope := mlx.NewScope(m.Device())
	defer scope.Close()
	var x []float32
	for _, row := range states {
		for _, v := range row {
			x = append(x, float32(v))
		}
	}
	width := len(states[0])
	data, err := mlx.Data[float32](d.Translate(at, mlx.FromSlice(scope, x, len(states), width)))
	require.NoError(t, err)
	out := make([][]float64, len(states))
	for i, v := range data {
		out[i/width] = append(out[i/width], float64(v))
	}
	return out
}

// AlignmentResearch's recorded lens was made of mlxterp's: W(mlxterp)[i] = I + W[i+1].
func TestBothFormsOfALensGiveTheSameLogits(t *testing.T) {
	for _, name := range []string{tinyA, tinyD} {
		m := openModel(t, models+name)
		want := loadArrays[expected](t, recorded+name+".expected.json")
		last := len(want.Layers) - 1
		alignment := open(t, recorded+"alignment/"+name)
		require.Equal(t, name, alignment.Model)
		for _, l := range []*tuned.Lens{alignment, alignment.OfPost(), alignment.OfPost().OfPre(), open(t, recorded+name+".npz").OfPre()} {
			g := run(t, m, want.IDs, lens.Options{Top: 5, Translator: on(t, l, m)})
			plain := run(t, m, want.IDs, lens.Options{Top: 5})
			compare(t, want.Layers[:last], &lens.Grid{Rows: g.Rows[:last], Cells: g.Cells[:last]})
			for p := range want.IDs { // after the last block the model decodes
				require.InDelta(t, plain.Cells[last][p].Top[0].Logit, g.Cells[last][p].Top[0].Logit, 1e-5)
			}
		}
	}
}

func TestTheEmbeddingHasATranslatorOnlyInALensOfResidPre(t *testing.T) {
	m := openModel(t, models+tinyD)
	ids := []int{1, 2, 3}
	plain := run(t, m, ids, lens.Options{Embed: true})
	g := run(t, m, ids, lens.Options{Embed: true, Translator: on(t, open(t, recorded+"alignment/"+tinyD), m)})
	require.Equal(t, "embed", g.Rows[0])
	require.NotEqual(t, plain.Cells[0][0].Top[0].Logit, g.Cells[0][0].Top[0].Logit)
	_, err := lens.Run(context.Background(), m, edit.Input{IDs: ids}, lens.Options{Embed: true, Translator: on(t, open(t, recorded+tinyD+".npz"), m)})
	require.ErrorContains(t, err, "has no translator of embed: it reads what blocks put out (resid_post)")
}

func TestBranchesHaveNoTranslator(t *testing.T) {
	m := openModel(t, models+tinyD)
	d := on(t, open(t, recorded+tinyD+".npz"), m)
	for _, o := range []lens.Options{{Mid: true}, {Attn: true}, {MLP: true}} {
		o.Translator = d
		_, err := lens.Run(context.Background(), m, edit.Input{IDs: []int{1}}, o)
		require.ErrorContains(t, err, "it reads the stream between blocks only; leave that row out")
	}
	ok, err := d.Has(model.Place{Site: model.ResidPre, Layer: 1})
	require.NoError(t, err)
	require.True(t, ok, "resid_pre of block 1 is resid_post of block 0")
}

func TestTheFirstStreamOfAModelWithPositionsIsNotItsEmbedding(t *testing.T) {
	m := openModel(t, models+tinyD)
	d := on(t, open(t, recorded+"alignment/"+tinyD), positioned{m})
	_, err := d.Has(model.Place{Site: model.Embed})
	require.ErrorContains(t, err, "has no translator of embed")
	ok, err := d.Has(model.Place{Site: model.ResidPre})
	require.NoError(t, err)
	require.True(t, ok)
}

// positioned is a model that embeds positions, as GPT-2 does.
type positioned struct{ model.Model }

func (p positioned) Check(model.Place) error { return nil }

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, write func(io.Writer) error) string {
		var b bytes.Buffer
		require.NoError(t, write(&b))
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
		return path
	}
	for _, from := range []string{tinyD + ".npz", "alignment/" + tinyD} {
		l := open(t, recorded+from)
		l.Model, l.Unembedding = "someone/something", "0123"
		own := open(t, file("own.safetensors", l.WriteSafetensors))
		own.Path = l.Path
		require.Equal(t, l, own)

		var arrays bytes.Buffer
		file("x.json", func(w io.Writer) error { return l.WriteMLXterp(w, &arrays) })
		file("x.npz", func(w io.Writer) error { _, err := w.Write(arrays.Bytes()); return err })
		back, want := open(t, filepath.Join(dir, "x")), l.OfPost()
		require.Equal(t, want.Translators, back.Translators)
	}
}

func TestALensOfAnotherModelIsAnError(t *testing.T) {
	m := openModel(t, models+tinyD)
	_, err := open(t, recorded+"alignment/"+tinyA).On(m, tuned.Options{})
	require.ErrorContains(t, err, "is a lens of 3 layers and d_model 64, of tiny-llama-a-llama3rope, and the model has 2 layers and d_model 64: use a lens that was trained for this model")

	l := open(t, recorded+tinyD)
	l.Unembedding, err = tuned.Unembedding(m)
	require.NoError(t, err)
	require.Len(t, l.Unembedding, 64)
	on(t, l, m)
	l.Unembedding, err = tuned.Unembedding(openModel(t, models+tinyA))
	require.NoError(t, err)
	_, err = l.On(m, tuned.Options{})
	require.ErrorContains(t, err, "another unembedding")
	d, err := l.On(m, tuned.Options{AnyUnembedding: true})
	require.NoError(t, err)
	d.Close()
}

func TestTheUnembeddingHashDoesNotDependOnHowWeightsAreHeld(t *testing.T) {
	const packed = models + "tiny-llama-b-4bit-mixed"
	var hashes []string
	for _, o := range []auto.Options{{Weights: load.Dense, Float32: true}, {Weights: load.Packed, Float32: true}, {Weights: load.Packed, AsStored: true}} {
		m, err := auto.Open(packed, o)
		require.NoError(t, err)
		defer m.Close()
		h, err := tuned.Unembedding(m.Model)
		require.NoError(t, err)
		hashes = append(hashes, h)
	}
	require.Equal(t, []string{hashes[0], hashes[0]}, hashes[1:])
}

func TestALensThatCannotBeWrittenIsAnError(t *testing.T) {
	l := open(t, recorded+tinyD)
	l.Translators[1].Weight[5] = float32(math.NaN())
	require.ErrorContains(t, l.WriteSafetensors(io.Discard), "the weight of translator 1 has NaN at 5")
	require.ErrorContains(t, l.WriteMLXterp(io.Discard, io.Discard), "has NaN")
	l = open(t, recorded+tinyD)
	require.Error(t, l.WriteMLXterp(broken{}, io.Discard))
	require.Error(t, l.WriteMLXterp(io.Discard, broken{}))
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// A lens in both forms has W for its linear part, and its tokens directions W·u, u the unembedding's row.
func TestTheDirectionOfATokenIsItsRowTimesTheWeight(t *testing.T) {
	m, l := openModel(t, models+tinyA), open(t, recorded+tinyA)
	at := model.Place{Site: model.ResidPost, Layer: 0}
	rows, err := lens.Directions(m, nil, at, []int{7, 300})
	require.NoError(t, err)
	d := l.DModel
	for _, form := range []*tuned.Lens{l, l.OfPre()} {
		got, err := lens.Directions(m, on(t, form, m), at, []int{7, 300})
		require.NoError(t, err)
		for i := range 2 {
			for c := range d {
				sum := float32(0)
				for r := range d {
					sum += rows.Data[i*d+r] * l.Translators[0].Weight[r*d+c]
				}
				require.InDelta(t, sum, got.Data[i*d+c], 1e-4)
			}
		}
	}
}
