package model

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Place is a site in a layer; the layer of a site outside the blocks is 0.
type Place struct {
	Site  Site
	Layer int
}

// String returns the text form: layers.3.resid_post, or embed.
func (p Place) String() string { return p.text(strconv.Itoa(p.Layer)) }

func (p Place) text(layer string) string {
	if !p.Site.PerLayer() {
		return string(p.Site)
	}
	return "layers." + layer + "." + string(p.Site)
}

// Blocks returns how many of a model's blocks a pass must go through to reach the place.
func (p Place) Blocks(layers int) int {
	switch {
	case p.Site.PerLayer():
		return min(p.Layer+1, layers)
	case p.AfterBlocks():
		return layers
	}
	return 0
}

// AfterBlocks reports whether the place is behind the last block: the final norm, or the logits.
func (p Place) AfterBlocks() bool { return p.Site == FinalNormOut || p.Site == Logits }

// InForwardOrder sorts places as a pass goes by them, and drops repeated ones.
func InForwardOrder(places []Place) []Place {
	part := func(p Place) int { // before, in, and after the blocks
		switch {
		case p.Site.PerLayer():
			return 1
		case p.AfterBlocks():
			return 2
		}
		return 0
	}
	order := Sites()
	out := slices.Clone(places)
	slices.SortFunc(out, func(a, b Place) int {
		return cmp.Or(cmp.Compare(part(a), part(b)), cmp.Compare(a.Layer, b.Layer), cmp.Compare(slices.Index(order, a.Site), slices.Index(order, b.Site)))
	})
	return slices.Compact(out)
}

// ParsePlace reads our text form, TransformerLens' hook names (blocks.3.hook_resid_post,
// blocks.3.attn.hook_q) and interp-engine's points (resid_post.3). It does not know how
// many layers there are.
func ParsePlace(text string) (Place, error) { return parsePlace(text, nil) }

// parsePlace is ParsePlace for an architecture in which some of TransformerLens' names mean
// another site than usual.
func parsePlace(text string, own map[string]Site) (Place, error) {
	name, number, dialect := text, "", Dialect("")
	for prefix, d := range map[string]Dialect{"layers.": Ours, "blocks.": TransformerLens} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			var inLayer bool
			if number, name, inLayer = strings.Cut(rest, "."); !inLayer {
				return Place{}, fmt.Errorf("model: site %q: want layers.N.SITE with N a layer", text)
			}
			dialect = d
		}
	}
	if dot := strings.LastIndexByte(text, '.'); dialect == "" && dot > 0 && strings.Trim(text[dot+1:], "0123456789") == "" {
		name, number, dialect = text[:dot], text[dot+1:], InterpEngine
	}
	layer, err := strconv.Atoi(number)
	if dialect != "" && (err != nil || layer < 0) {
		return Place{}, fmt.Errorf("model: site %q: want layers.N.SITE with N a layer", text)
	}
	site, err := parseSite(name, dialect, own)
	switch {
	case err != nil:
		return Place{}, fmt.Errorf("model: site %q %w", text, err)
	case dialect != "" && !site.PerLayer():
		return Place{}, fmt.Errorf("model: site %q: %s is not in a layer", text, site)
	case dialect == "" && site.PerLayer():
		return Place{}, fmt.Errorf("model: site %q needs a layer: layers.N.%s", text, site)
	}
	return Place{site, layer}, nil
}
