package lens_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("../docs/schema/" + name + ".schema.json")
	require.NoError(t, err)
	return s
}

func document(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	return doc
}

func TestJSONFollowsThePublishedSchema(t *testing.T) {
	t.Parallel()
	s, m, ids := schema(t, "trace-1"), tiny(t), sixty
	if emulated.Processor() {
		ids = sixty[:12]
	}
	for _, o := range []lens.Options{
		{},
		{Embed: true, Mid: true, Check: true, Targets: []int{7, 9}, Contrasts: [][2]int{{7, 8}}, Label: func(int) string { return "\xff" }},
		{Layers: []int{0}, Top: 512},
		{TopOnly: true},
		{Attn: true, MLP: true, Track: 4},
	} {
		require.NoError(t, s.Validate(document(t, traceIn(t, m, edit.Input{IDs: ids, Positions: []int{2, -1}}, o))))
		require.NoError(t, s.Validate(document(t, trace(t, m, ids, o))))
	}
}

// called is the logit lens by the name of a fitted one.
type called string

func (c called) Name() string { return string(c) }

func (called) Has(model.Place) (bool, error) { return true, nil }

func (called) Translate(_ model.Place, h *mlx.Array) *mlx.Array { return h }

func TestLensesOfEveryKindFollowThePublishedSchema(t *testing.T) {
	t.Parallel()
	s, m := schema(t, "trace-1"), tiny(t)
	tuned, jacobian, dictionary, feature := called("tuned: a, b"), called("jacobian: j.pt"), called("sparse: dir"), called("sparse #7: dir")
	for _, o := range []lens.Options{
		{Translator: jacobian},
		{Beside: []lens.Translator{jacobian, tuned, dictionary, feature}},
		{Translator: jacobian, Beside: []lens.Translator{called("jacobian: k.pt"), feature, called("sparse #7: other"), nil}},
		{Translator: lens.Negated()},
	} {
		require.NoError(t, s.Validate(document(t, trace(t, m, sixty[:3], o))))
	}
	require.Error(t, s.Validate(document(t, trace(t, m, sixty[:3], lens.Options{Translator: called("other: x")}))))
	side := lens.Side{Model: m, Input: edit.Input{IDs: sixty[:3]}, Translator: jacobian}
	require.NoError(t, schema(t, "compare-1").Validate(document(t, compareSides(t, side, side, lens.CompareOptions{}))))
}

func TestSchemaNoticesWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := schema(t, "trace-1")
	raw, err := json.Marshal(trace(t, tiny(t), sixty[:3], lens.Options{Top: 2, Targets: []int{7}}))
	require.NoError(t, err)
	for _, broken := range [][2]string{
		{`"mlxlens.trace/1"`, `"mlxlens.trace/2"`}, {`"rows":["layers.0.resid_post"`, `"rows":["layers.00.resid_post"`}, {`"positions":[0`, `"positions":[-1`},
		{`"logsumexp":`, `"lse":`}, {`"rank":`, `"ranks":`}, {`"prob":`, `"prob":2,"p":`}, {`"kl":`, `"kl":"0","k":`}, {`"bos_added":false`, `"bos_added":0`},
	} {
		text := strings.Replace(string(raw), broken[0], broken[1], 1)
		require.NotEqual(t, string(raw), text, broken[0])
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		require.NoError(t, err)
		require.Error(t, s.Validate(doc), broken[1])
	}
}

func TestComparisonsFollowThePublishedSchema(t *testing.T) {
	t.Parallel()
	s, m := schema(t, "compare-1"), tiny(t)
	a := lens.Side{Model: m, Input: edit.Input{IDs: sixty[:9]}}
	for _, b := range []lens.Side{a, {Model: m, Input: edit.Input{IDs: sixty[1:10]}}, {Model: m, Input: edit.Input{IDs: sixty[:9], Edits: []edit.Edit{parsed(t, m, "layers.1.z=zero")}}}} {
		c := compareSides(t, a, b, lens.CompareOptions{Mid: true, Targets: []int{7, 9}, Contrasts: [][2]int{{7, 8}}})
		require.NoError(t, s.Validate(document(t, c)))
		raw, err := json.Marshal(c)
		require.NoError(t, err)
		for _, broken := range [][2]string{{`"js":`, `"j":`}, {`"positions":[[0,0]`, `"positions":[[0]`}, {`"agree":`, `"agree":1,"a_":`}, {`"threshold":0.1`, `"threshold":0`}} {
			text := strings.Replace(string(raw), broken[0], broken[1], 1)
			require.NotEqual(t, string(raw), text, broken[0])
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			require.NoError(t, err)
			require.Error(t, s.Validate(doc), broken[1])
		}
		var back lens.Comparison
		require.NoError(t, json.Unmarshal(raw, &back))
		require.Equal(t, *c, back)
	}
}
