package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/model"
)

// rowFlags are the flags of every command that reads a lens: which rows and columns.
type rowFlags struct {
	layers    string
	positions string
	spanFlag
	last  bool
	embed bool
	mid   bool
	attn  bool
	mlp   bool
}

func (o *rowFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.layers, "layers", "", "rows: 0,4,8:12,-1 (default all)")
	f.StringVar(&o.positions, "positions", "", "columns: 0,4,8:12,-1, or turns of a conversation such as user:0 (default all)")
	o.spanFlag.flags(cmd, "the columns")
	f.BoolVar(&o.last, "last", false, "the last position only, each layer's candidates side by side")
	f.BoolVar(&o.embed, "embed", false, "a row for the token embedding")
	f.BoolVar(&o.mid, "mid", false, "a row after each layer's attention")
	f.BoolVar(&o.attn, "attn", false, "a row for what each layer's attention adds, read alone")
	f.BoolVar(&o.mlp, "mlp", false, "a row for what each layer's MLP adds, read alone")
}

func (o *rowFlags) check() error {
	switch {
	case o.last && o.positions != "":
		return usagef("--last and --positions exclude each other")
	case len(o.spans) > 0 && (o.last || o.positions != ""):
		return usagef("--span excludes --positions and --last: name turns among the positions instead, as in --positions user:0,-1")
	}
	return o.spanFlag.check(o.positions)
}

// checkModel refuses rows of what no layer of the model has.
func (o *rowFlags) checkModel(m model.Model) error {
	for _, row := range []struct {
		asked bool
		flag  string
		site  model.Site
	}{{o.mid, "--mid", model.ResidMid}, {o.attn, "--attn", model.AttnOut}, {o.mlp, "--mlp", model.MLPOut}} {
		if row.asked && len(m.Paths().LayersWith(row.site)) == 0 {
			return usagef("%s: %w", row.flag, m.Check(model.Place{Site: row.site}))
		}
	}
	return nil
}

// columns returns the positions of a prompt of so many tokens, nil for all.
func (o *rowFlags) columns(t turns, tokens int) ([]int, error) {
	if o.last {
		return []int{-1}, nil
	}
	return t.at(o.or(o.positions), tokens)
}

// layersWith reads a selection of layers that have a site, nil for an empty one. Of a range it takes those that
// have it; a layer that is named is left for what reads it to refuse.
func layersWith(m model.Model, text string, site model.Site) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	var chosen []int
	var lacks error
	for part := range strings.SplitSeq(text, ",") {
		layers, err := selection(part, m.Shape().Layers, "layer")
		if err != nil {
			return nil, err
		}
		for _, layer := range layers {
			if err := m.Check(model.Place{Site: site, Layer: layer}); err == nil || !strings.Contains(part, ":") {
				chosen = append(chosen, layer)
			} else {
				lacks = err
			}
		}
	}
	if len(chosen) == 0 {
		return nil, usagef("--layers %s: %w", text, lacks)
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), nil
}

// selection reads a selection of n things, nil for an empty one.
func selection(text string, n int, what string) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	chosen, err := model.ParseIndices(text, n, what)
	if err != nil {
		return nil, usageError{err}
	}
	return chosen, nil
}
