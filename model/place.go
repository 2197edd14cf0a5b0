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
	case p.afterBlocks():
		return layers
	}
	return 0
}

func (p Place) afterBlocks() bool { return p.Site == FinalNormOut || p.Site == Logits }

// InForwardOrder sorts places as a pass goes by them, and drops repeated ones.
func InForwardOrder(places []Place) []Place {
	part := func(p Place) int { // before, in, and after the blocks
		switch {
		case p.Site.PerLayer():
			return 1
		case p.afterBlocks():
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

// Paths translates between places and the module paths of mlx-lm, which mlxterp
// uses too.
type Paths struct {
	Modules map[Site]string // whose output a site is, with %d for the layer; a site may have none
	Lacks   map[Site]string // sites that the architecture does not have, each with the reason
	Layers  int

	// TransformerLens has those of its names, behind "blocks.N.", that mean another site here
	// than they usually do.
	TransformerLens map[string]Site
}

// Sites returns the sites that the model has, in forward order.
func (p Paths) Sites() []Site {
	return slices.DeleteFunc(Sites(), func(s Site) bool { return p.Lacks[s] != "" })
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

// Place reads any of the dialects: ours, TransformerLens', interp-engine's, or a module
// path with any number of leading "model.". It checks that the model has the place.
func (p Paths) Place(text string) (Place, error) {
	if at, ok := p.ofModule(text); ok {
		return at, p.check(at)
	}
	at, err := parsePlace(text, p.TransformerLens)
	if err != nil {
		return Place{}, err
	}
	// other tools name a module's output so, which is what it adds where no norm follows it
	if added, ok := map[Site]Site{AttnRaw: AttnOut, MLPRaw: MLPOut}[at.Site]; ok && p.Lacks[at.Site] != "" && !strings.HasSuffix(text, "_raw") {
		at.Site = added
	}
	return at, p.check(at)
}

// ofModule reads a module path.
func (p Paths) ofModule(text string) (at Place, ok bool) {
	name := withoutModel(text)
	for site, pattern := range p.Modules {
		pattern = withoutModel(pattern)
		if !site.PerLayer() {
			if name == pattern {
				return Place{Site: site}, true
			}
			continue
		}
		before, after, _ := strings.Cut(pattern, "%d")
		number, ok := strings.CutPrefix(name, before)
		if !ok || !strings.HasSuffix(number, after) {
			continue
		}
		if layer, err := strconv.Atoi(strings.TrimSuffix(number, after)); err == nil {
			return Place{site, layer}, true
		}
	}
	return Place{}, false
}

func withoutModel(path string) string {
	for strings.HasPrefix(path, "model.") {
		path = strings.TrimPrefix(path, "model.")
	}
	return path
}

// check returns nil when the model has the place, else why it has not.
func (p Paths) check(at Place) error {
	if len(at.Site.Axes()) == 0 {
		return fmt.Errorf("model: site %q is unknown (have: %s)", string(at.Site), names(Sites()))
	}
	if why := p.Lacks[at.Site]; why != "" {
		return fmt.Errorf("model: this architecture has no %s: %s", at.Site, why)
	}
	if at.Layer < 0 || at.Layer >= p.Layers {
		return fmt.Errorf("model: %s: the model has %d layers (0–%d)", at, p.Layers, p.Layers-1)
	}
	return nil
}

// Places reads places, comma-separated, each in any dialect. In place of a layer's number
// may stand *, -1 (the last), or a range as [ParseIndices] reads it: layers.*.resid_post,
// layers.0:4.mlp_out, blocks.-1.hook_resid_post, model.layers.::2.mlp. The result is in
// forward order, each once.
func (p Paths) Places(text string) ([]Place, error) {
	var all []Place
	for one := range strings.SplitSeq(text, ",") {
		places, err := p.selected(strings.TrimSpace(one))
		if err != nil {
			return nil, fmt.Errorf("place %q: %w", strings.TrimSpace(one), err)
		}
		all = append(all, places...)
	}
	return InForwardOrder(all), nil
}

// selected reads one of them.
func (p Paths) selected(text string) ([]Place, error) {
	parts := strings.Split(text, ".")
	at := slices.IndexFunc(parts, func(part string) bool {
		return part == "*" || strings.ContainsAny(part, "0123456789:-") && strings.Trim(part, "0123456789:-") == ""
	})
	if at < 0 {
		place, err := p.Place(text)
		return []Place{place}, err
	}
	chosen := parts[at]
	if chosen == "*" {
		chosen = ":"
	}
	numbers, err := ParseIndices(chosen, p.Layers, "layer")
	if err != nil {
		return nil, err
	}
	var places []Place
	for _, n := range numbers {
		parts[at] = fmt.Sprint(n)
		place, err := p.Place(strings.Join(parts, "."))
		if err != nil {
			return nil, err
		}
		places = append(places, place)
	}
	return places, nil
}
