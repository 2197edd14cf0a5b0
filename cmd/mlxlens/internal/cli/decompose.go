package cli

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

type decomposeOptions struct {
	modelOptions
	promptOptions
	spanFlag
	editFlags
	memoryFlags
	foundFlags
	lens      lensFlags
	site      string
	layers    string
	positions string
	k         int
	gradient  bool
}

func newDecomposeCmd(s *streams) *cobra.Command {
	o := &decomposeOptions{}
	cmd := &cobra.Command{
		Use:   "decompose [prompt]",
		Short: "Write a prompt's states as sums of few directions of tokens",
		Long: `Decompose writes a state h as a sum of few directions of tokens, in the coordinates of a
lens (Gurnee et al. 2026):

    h ≈ Σ c·v,  c ≥ 0

v is the row of unembedding·lens that scores a token: a row of the unembedding, or with
--lens of a Jacobian or a tuned lens. Each step takes in the token whose direction is most
in line with what is left of the state, and fits all coordinates anew, none negative
(nonnegative orthogonal matching pursuit). With --gradient they take a step along the
gradient instead, as in the paper (gradient pursuit: Blumensath and Davies 2008).

Shown is the length c·|v| of each token's part, and which part of |h|² lies in the span of
the tokens; JSON has the coordinates. A column is a layer; with several positions each layer
has a grid of its own.`,
		Example: `  mlxlens decompose "The capital of France is" --layers 20:30:3 --top 8
  mlxlens decompose "The capital of France is" --layers 24 --positions 1: --top 5 --gradient`,
		Args: cobra.ArbitraryArgs, // words of a prompt without quotes
		RunE: func(cmd *cobra.Command, args []string) error {
			o.arg(s, args)
			return runDecompose(cmd.Context(), s, o)
		},
	}
	for _, group := range []interface{ flags(*cobra.Command) }{&o.modelOptions, &o.promptOptions, &o.editFlags, &o.lens, &o.memoryFlags, &o.shared} {
		group.flags(cmd)
	}
	f := cmd.Flags()
	f.StringVar(&o.site, "site", string(model.ResidPost), "whose states: resid_post, or with the logit lens another of the stream, or what is added to it (see mlxlens help sites)")
	f.StringVar(&o.layers, "layers", "", "layers: 0,4,8:12,-1 (default all that the lens can read)")
	f.StringVar(&o.positions, "positions", "", "positions: 0,4,8:12,-1, or turns of a conversation such as user:0 (default the last)")
	o.spanFlag.flags(cmd, "the positions")
	f.IntVarP(&o.k, "top", "k", 25, "most tokens of a state")
	f.BoolVar(&o.gradient, "gradient", false, "fit by gradient pursuit")
	o.foundFlags.flags(cmd, experiment.DecomposeSchema)
	return cmd
}

// checkFlags finds what is wrong before a model is opened.
func (o *decomposeOptions) checkFlags() error {
	if o.k < 1 {
		return usagef("--top %d: want 1 or more", o.k)
	}
	return cmp.Or(o.lens.check(), o.spanFlag.check(o.positions), o.foundFlags.check(foundFormats...), o.limit(&o.modelOptions))
}

// runDecompose checks what can be checked before a model is opened, decomposes and prints.
func runDecompose(ctx context.Context, s *streams, o *decomposeOptions) error {
	if err := o.checkFlags(); err != nil {
		return err
	}
	file, err := o.create(s, o.quiet)
	if err != nil {
		return err
	}
	defer file.drop()
	text, ids, err := o.read(s)
	if err != nil {
		return err
	}
	opened, err := o.open(s, text != nil)
	if err != nil {
		return err
	}
	defer opened.Close()
	do := experiment.DecomposeOptions{K: min(o.k, opened.Model.Shape().DVocab), Gradient: o.gradient, Label: labels(opened.Tokenizer), Progress: s.progressOf("decomposing", o.quiet)}
	if do.MaxMemory, err = o.bound(s); err != nil {
		return err
	}
	var done func()
	if do.Lens, done, err = o.lens.reader(s, opened); err != nil {
		return err
	}
	defer done()
	if do.Places, err = o.places(opened.Model, do.Lens); err != nil {
		return err
	}
	in, at, err := o.input(ctx, s, opened, text, ids)
	if err != nil {
		return err
	}
	files := func(options map[string]string) error {
		return cmp.Or(originOfEdits(o.edits, options), originOfLenses("--lens", []string{o.lens.path}, options))
	}
	if err := s.sameInput(files, in.IDs); err != nil {
		return err
	}
	r, err := experiment.Decompose(ctx, opened.Model, in, do)
	if err != nil {
		return withLayers(err)
	}
	r.Prompt, r.BOSAdded = at.text, at.bos
	describeModel(&r.Model, opened)
	if r.Made, err = o.made(s, opened); err != nil {
		return err
	}
	o.edited = o.edits
	return o.show(s, file, r)
}

// input encodes the prompt.
func (o *decomposeOptions) input(ctx context.Context, s *streams, opened *auto.Opened, text *string, ids []int) (in edit.Input, at encoded, err error) {
	if at, err = o.encode(opened, text, ids); err != nil {
		return in, at, err
	}
	in.IDs, in.Positions = at.ids, []int{-1}
	if chosen := o.or(o.positions); chosen != "" {
		if in.Positions, err = at.turns.at(chosen, len(at.ids)); err != nil {
			return in, at, err
		}
	}
	o.note(s, opened, in.IDs)
	in.Edits, err = newEditor(ctx, s, opened, &o.promptOptions, &o.editFlags, o.quiet).parse(o.edits, at)
	return in, at, err
}

// places are the site's in the layers, by default those that the lens can read.
func (o *decomposeOptions) places(m model.Model, t lens.Translator) ([]model.Place, error) {
	chosen, err := sites(m, "site", o.site)
	if err != nil {
		return nil, err
	}
	if len(chosen) > 1 || !chosen[0].PerLayer() {
		return nil, usagef("--site %q: want one site of the layers", o.site)
	}
	layers, err := selection(o.layers, m.Shape().Layers, "layer")
	if err != nil {
		return nil, err
	}
	some := layers != nil
	if !some {
		layers, _ = model.Indices(nil, m.Shape().Layers, "layer")
	}
	var places []model.Place
	for _, layer := range layers {
		places = append(places, model.Place{Site: chosen[0], Layer: layer})
	}
	if some {
		return places, nil
	}
	readable := slices.DeleteFunc(slices.Clone(places), func(at model.Place) bool {
		_, err := lens.NewCoordinates(m, t, at)
		return err != nil
	})
	if len(readable) == 0 {
		return places, nil // what is wrong with them is said
	}
	return readable, nil
}
