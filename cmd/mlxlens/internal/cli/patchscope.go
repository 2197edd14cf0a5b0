package cli

import (
	"cmp"
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// mapFlag names the lens that maps states.
const mapFlag theFlag = "map"

type patchscopeOptions struct {
	modelOptions
	promptOptions
	editFlags
	memoryFlags
	foundFlags
	lens     lensFlags
	into     string
	intoIDs  string
	site     string
	layers   string
	toLayers string
	position int
	to       int
	target   string
	top      int
	n        int
}

func newPatchscopeCmd(s *streams) *cobra.Command {
	o := &patchscopeOptions{lens: lensFlags{flag: mapFlag}}
	cmd := &cobra.Command{
		Use:   "patchscope [prompt] --into PROMPT",
		Short: "Put a prompt's states into another prompt, and let the model say what they are",
		Long: `Patchscope puts the state of a position of a prompt, after each layer, in the place of one
in another prompt, and reads what the model says there (Ghandeharioun et al. 2024,
arXiv:2401.06102). The prompt that the state is put into (--into) is made to draw out what
is in it: to repeat a token, to describe an entity.

Rows are the layers that states are read after, columns (--to-layers) those they are put
after; by default each goes to its own layer. A cell has the likeliest token and the
probability of a target, by default what the source prompt itself goes on with. -n lets each
prompt go on, greedily.

--map LENS maps the states on their way, as an affine map or a matrix does: a lens of
--lens. What a fitted lens maps belongs after the last layer, and is put there without --to-layers.`,
		Example: `  mlxlens patchscope "The capital of France is" --into "cat -> cat; 1135 -> 1135; hello -> hello; ?" --layers 20:
  mlxlens patchscope "The capital of France" --into "Syria: a country in the Middle East, Samsung: a company in South Korea, x" -n 8 --layers 5:30:5
  mlxlens patchscope "The capital of France is" --into "cat -> cat; 1135 -> 1135; hello -> hello; ?" --layers 10:30:5 --to-layers 0:30:5 -o scope.html`,
		Args: cobra.ArbitraryArgs, // words of a prompt without quotes
		RunE: func(cmd *cobra.Command, args []string) error {
			o.arg(s, args)
			return runPatchscope(cmd.Context(), s, o)
		},
	}
	for _, group := range []interface{ flags(*cobra.Command) }{&o.modelOptions, &o.promptOptions, &o.editFlags, &o.memoryFlags, &o.shared} {
		group.flags(cmd)
	}
	f := cmd.Flags()
	f.StringVar(&o.into, "into", "", "the prompt that states are put into")
	f.StringVar(&o.intoIDs, "into-ids", "", "its token ids instead")
	f.StringVar(&o.site, "site", string(model.ResidPost), "what is read and put: resid_post, resid_pre, resid_mid, or what a component adds (see mlxlens help sites)")
	f.StringVar(&o.layers, "layers", "", "rows, whose states are read: 0,4,8:12,-1 (default all)")
	f.StringVar(&o.toLayers, "to-layers", "", "columns, where states are put: 0,4,8:12,-1 (default each layer's to itself; with the file of a lens the last)")
	f.IntVar(&o.position, "position", -1, "the prompt's position whose states are read")
	f.IntVar(&o.to, "to-position", -1, "the position of --into where they are put")
	f.StringVar(&o.target, "target", "", "the token whose probability is shown, such as \" Paris\" (default what the prompt itself goes on with)")
	f.IntVarP(&o.top, "top", "k", 5, "candidates of each cell in JSON")
	f.IntVarP(&o.n, "tokens", "n", 0, "let each prompt go on by so many tokens, the likeliest")
	f.StringVar(&o.lens.path, string(mapFlag), "", "a lens that maps states on their way")
	f.BoolVar(&o.lens.any, "any-unembedding", false, "accept a lens of a model with another unembedding")
	o.foundFlags.flags(cmd, experiment.PatchscopeSchema)
	return cmd
}

// checkFlags finds what is wrong before a model is opened.
func (o *patchscopeOptions) checkFlags() error {
	switch {
	case o.into == "" && o.intoIDs == "":
		return usagef("there is no prompt to put states into: give --into, such as --into \"cat -> cat; 1135 -> 1135; hello -> hello; ?\", or --into-ids")
	case o.into != "" && o.intoIDs != "":
		return usagef("--into and --into-ids exclude each other")
	case o.top < 1:
		return usagef("--top %d: want 1 or more", o.top)
	case o.n < 0:
		return usagef("--tokens %d: want 0 or more", o.n)
	case o.lens.path == embeddingLens || o.lens.path == logitLens:
		return usagef("--map %s is no map of states to states: give the file of a lens, or leave it out", o.lens.path)
	case o.lens.any && o.lens.path == "":
		return usagef("--any-unembedding needs --map")
	}
	return cmp.Or(o.lens.checkNamed(), o.foundFlags.check(foundFormats...), o.limit(&o.modelOptions))
}

// runPatchscope checks what can be checked before a model is opened, patches and prints.
func runPatchscope(ctx context.Context, s *streams, o *patchscopeOptions) error {
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
	into := &promptOptions{ids: o.intoIDs, noBOS: o.noBOS && o.intoIDs == ""}
	if o.into != "" {
		into.prompt = &o.into
	}
	intoText, intoIDs, err := into.read(s)
	if err != nil {
		return err
	}
	opened, err := o.open(s, text != nil || intoText != nil)
	if err != nil {
		return err
	}
	defer opened.Close()
	source, err := o.encode(opened, text, ids)
	if err != nil {
		return err
	}
	target, err := into.encode(opened, intoText, intoIDs)
	if err != nil {
		return err
	}
	if err := s.sameInput(o.originOfFiles, source.ids, target.ids); err != nil {
		return err
	}
	so, done, err := o.options(s, opened)
	if err != nil {
		return err
	}
	defer done()
	o.note(s, opened, source.ids)
	o.note(s, opened, target.ids)
	edits, err := newEditor(ctx, s, opened, &o.promptOptions, &o.editFlags, o.quiet).parse(o.edits, source)
	if err != nil {
		return err
	}
	r, err := experiment.Patchscope(ctx, opened.Model, edit.Input{IDs: source.ids, Positions: []int{o.position}, Edits: edits}, edit.Input{IDs: target.ids, Positions: []int{o.to}}, so)
	if err != nil {
		return withLayers(err)
	}
	describeRun(&r.Source, source)
	describeRun(&r.Into, target)
	describeModel(&r.Model, opened)
	if r.Made, err = o.made(s, opened); err != nil {
		return err
	}
	return o.show(s, file, r)
}

// originOfFiles adds the options that name files, with the digests of these.
func (o *patchscopeOptions) originOfFiles(options map[string]string) error {
	return cmp.Or(originOfEdits(o.edits, options), originOfLenses("--map", []string{o.lens.path}, options))
}

// options resolves what depends on the model.
func (o *patchscopeOptions) options(s *streams, opened *auto.Opened) (experiment.PatchscopeOptions, func(), error) {
	shape := opened.Model.Shape()
	so := experiment.PatchscopeOptions{Top: min(o.top, shape.DVocab), Continue: o.n, Label: labels(opened.Tokenizer), Progress: s.progressOf("patching", o.quiet)}
	chosen, err := sites(opened.Model, "site", o.site)
	if err != nil {
		return so, nil, err
	}
	if so.Site = chosen[0]; len(chosen) > 1 {
		return so, nil, usagef("--site %q: want one site", strings.TrimSpace(o.site))
	}
	if so.Layers, err = layersWith(opened.Model, o.layers, cmp.Or(so.Site, model.ResidPost)); err != nil {
		return so, nil, err
	}
	if so.ToLayers, err = o.columns(opened.Model, so.Site); err != nil {
		return so, nil, err
	}
	if so.MaxMemory, err = o.bound(s); err != nil {
		return so, nil, err
	}
	if o.target != "" {
		id, err := target(s, opened, "target", o.target, o.quiet)
		if err != nil {
			return so, nil, err
		}
		so.Target = &id
	}
	if opened.Tokenizer != nil {
		so.Stop = opened.Tokenizer.EOS()
	}
	var done func()
	so.Map, done, err = o.lens.reader(s, opened)
	return so, done, err
}

// columns are the layers that states are put after, nil where each goes to its own. What a fitted lens maps is a
// state of the last layer.
func (o *patchscopeOptions) columns(m model.Model, site model.Site) ([]int, error) {
	if o.lens.path == "" || o.lens.named() || o.toLayers != "" {
		return layersWith(m, o.toLayers, cmp.Or(site, model.ResidPost))
	}
	if site != model.ResidPost {
		return nil, usagef("--map %s maps to what the last block puts out (resid_post), and --site is %s: say with --to-layers where the states are put", o.lens.path, site)
	}
	return []int{m.Shape().Layers - 1}, nil
}
