package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
)

// Site is a place in a transformer's computation. The words are TransformerLens'
// (Nanda and Bloom 2022) without "hook_".
type Site uint8

// The sites in forward order. b batch, p pos; FinalNormOut and those before the
// first block exist once, the others in each layer.
const (
	Embed        Site = iota // token embedding                       [b, p, d_model]
	PosEmbed                 // position embedding (GPT-2)             [b, p, d_model]
	ResidPre                 // stream entering the block              [b, p, d_model]
	AttnNorm                 // first norm, after its gain             [b, p, d_model]
	Q                        // queries before RoPE                    [b, p, head, d_head]
	K                        // keys before RoPE                       [b, p, kv_head, d_head]
	V                        // values                                 [b, p, kv_head, d_head]
	RotQ                     // queries after RoPE                     [b, p, head, d_head]
	RotK                     // keys after RoPE                        [b, p, kv_head, d_head]
	AttnScores               // scaled and masked, before softmax      [b, head, q, k]
	Pattern                  // after softmax                          [b, head, q, k]
	Z                        // pattern·v, before the output matrix    [b, p, head, d_head]
	AttnOut                  // what attention adds                    [b, p, d_model]
	ResidMid                 // resid_pre + attn_out                   [b, p, d_model]
	MLPNorm                  // second norm, after its gain            [b, p, d_model]
	MLPPre                   // before the nonlinearity                [b, p, d_mlp]
	MLPPreLinear             // the linear branch of a gated MLP       [b, p, d_mlp]
	MLPPost                  // input of the down matrix               [b, p, d_mlp]
	MLPOut                   // what the MLP adds                      [b, p, d_model]
	ResidPost                // resid_mid + mlp_out                    [b, p, d_model]
	FinalNormOut             // after the last norm                    [b, p, d_model]
	Logits                   // unembedded                             [b, p, d_vocab]
	numSites
)

var siteNames = [numSites]string{
	Embed: "embed", PosEmbed: "pos_embed", ResidPre: "resid_pre", AttnNorm: "attn_norm", Q: "q", K: "k", V: "v",
	RotQ: "rot_q", RotK: "rot_k", AttnScores: "attn_scores", Pattern: "pattern", Z: "z", AttnOut: "attn_out",
	ResidMid: "resid_mid", MLPNorm: "mlp_norm", MLPPre: "mlp_pre", MLPPreLinear: "mlp_pre_linear", MLPPost: "mlp_post",
	MLPOut: "mlp_out", ResidPost: "resid_post", FinalNormOut: "final_norm", Logits: "logits",
}

// String returns the site's name without its layer.
func (s Site) String() string {
	if s >= numSites {
		return fmt.Sprintf("site(%d)", uint8(s))
	}
	return siteNames[s]
}

// PerLayer reports whether each layer has the site.
func (s Site) PerLayer() bool { return s >= ResidPre && s <= ResidPost }

// Sites returns every site in forward order.
func Sites() []Site {
	all := make([]Site, numSites)
	for i := range all {
		all[i] = Site(i)
	}
	return all
}

// Place is a site in a layer; the layer of a site outside the blocks is 0.
type Place struct {
	Site  Site
	Layer int
}

// String returns the text form: layers.3.resid_post, or embed.
func (p Place) String() string {
	if !p.Site.PerLayer() {
		return p.Site.String()
	}
	return "layers." + strconv.Itoa(p.Layer) + "." + p.Site.String()
}

// ParsePlace reads the text form, and TransformerLens' hook names
// (blocks.3.hook_resid_post, blocks.3.attn.hook_q). It does not know how many
// layers there are.
func ParsePlace(text string) (Place, error) {
	name := strings.ReplaceAll(text, "hook_", "")
	layer := 0
	perLayer := false
	for _, prefix := range []string{"layers.", "blocks."} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			number, site, ok := strings.Cut(rest, ".")
			n, err := strconv.Atoi(number)
			if !ok || err != nil || n < 0 {
				return Place{}, fmt.Errorf("model: site %q: want layers.N.SITE with N a layer", text)
			}
			name, layer, perLayer = site, n, true
		}
	}
	if perLayer { // TransformerLens puts a module's name before its hooks
		inAttn, attn := strings.CutPrefix(name, "attn.")
		inMLP, mlp := strings.CutPrefix(name, "mlp.")
		switch {
		case attn:
			name = inAttn
		case mlp:
			name = "mlp_" + inMLP
		}
	}
	for s, known := range siteNames {
		if known != name {
			continue
		}
		site := Site(s)
		if site.PerLayer() != perLayer {
			if perLayer {
				return Place{}, fmt.Errorf("model: site %q: %s is not in a layer", text, site)
			}
			return Place{}, fmt.Errorf("model: site %q needs a layer: layers.N.%s", text, site)
		}
		return Place{site, layer}, nil
	}
	return Place{}, fmt.Errorf("model: site %q is unknown (have: %s)", text, strings.Join(siteNames[:], ", "))
}

// Tap sees what passes the sites of a forward pass, and may replace it: capture
// and edit are one function, so that what is captured after an edit is what flowed
// on. A nil Tap is the identity.
type Tap struct {
	// Wanted reports whether the tap wants a site. A model may skip computing a
	// value that no one wants: fused attention never forms the pattern.
	Wanted func(site Site, layer int) bool

	// Visit gets each wanted value and returns what goes on. A value that is kept
	// must be held by a scope that outlives the pass (mlx.Scope.Hold).
	Visit func(site Site, layer int, x *mlx.Array) *mlx.Array

	// Until is the last place that is wanted; nil: all are. What comes after its layer is
	// not built, and Forward returns the stream there, [batch, pos, d_model], and not
	// logits. A cache then holds the layers that ran, and goes on with the same Until only.
	Until *Place
}

// blocks returns how many of n blocks a pass goes through. Of a pass with a cache that is
// at least the first, which counts the positions.
func (t *Tap) blocks(n int, cached bool) int {
	switch {
	case t.whole():
		return n
	case t.Until.Site.PerLayer():
		return min(t.Until.Layer+1, n)
	case cached:
		return min(1, n)
	}
	return 0
}

// whole reports whether a pass goes through all blocks, and the norm after them.
func (t *Tap) whole() bool {
	return t == nil || t.Until == nil || t.Until.Site == FinalNormOut || t.Until.Site == Logits
}

// Wants reports whether the tap wants a site.
func (t *Tap) Wants(site Site, layer int) bool { return t != nil && t.Wanted(site, layer) }

// At passes x through the tap.
func (t *Tap) At(site Site, layer int, x *mlx.Array) *mlx.Array {
	if t == nil || !t.Wanted(site, layer) {
		return x
	}
	return t.Visit(site, layer, x)
}

// Paths translates between places and the module paths of mlx-lm, which mlxterp
// uses too. Modules lists, per site, the path with %d for the layer; sites without
// a module of their own are absent.
type Paths struct {
	Modules map[Site]string
	Lacking []Site // that the architecture does not have
	Layers  int
}

// Sites returns the sites that the model has, in forward order.
func (p Paths) Sites() []Site {
	return slices.DeleteFunc(Sites(), func(s Site) bool { return slices.Contains(p.Lacking, s) })
}

// Module returns the module whose output a place is, "" if none.
func (p Paths) Module(at Place) string {
	pattern, ok := p.Modules[at.Site]
	if !ok {
		return ""
	}
	if at.Site.PerLayer() {
		return fmt.Sprintf(pattern, at.Layer)
	}
	return pattern
}

// Place reads any of the three dialects: ours, TransformerLens', or a module path
// with any number of leading "model.". It checks that the layer exists.
func (p Paths) Place(text string) (Place, error) {
	name := text
	for strings.HasPrefix(name, "model.") {
		name = strings.TrimPrefix(name, "model.")
	}
	for site, pattern := range p.Modules {
		for strings.HasPrefix(pattern, "model.") {
			pattern = strings.TrimPrefix(pattern, "model.")
		}
		if !site.PerLayer() {
			if name == pattern {
				return Place{Site: site}, nil
			}
			continue
		}
		before, after, _ := strings.Cut(pattern, "%d")
		number, ok := strings.CutPrefix(name, before)
		if !ok || !strings.HasSuffix(number, after) {
			continue
		}
		if layer, err := strconv.Atoi(strings.TrimSuffix(number, after)); err == nil {
			return p.checked(Place{site, layer})
		}
	}
	at, err := ParsePlace(text)
	if err != nil {
		return Place{}, err
	}
	return p.checked(at)
}

func (p Paths) checked(at Place) (Place, error) {
	if slices.Contains(p.Lacking, at.Site) {
		var have []string
		for _, s := range p.Sites() {
			have = append(have, s.String())
		}
		return Place{}, fmt.Errorf("model: %s: the architecture has no such site (have: %s)", at, strings.Join(have, ", "))
	}
	if at.Layer < 0 || at.Layer >= p.Layers {
		return Place{}, fmt.Errorf("model: %s: the model has %d layers (0–%d)", at, p.Layers, p.Layers-1)
	}
	return at, nil
}
