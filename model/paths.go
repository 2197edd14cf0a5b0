package model

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/internal/spelling"
)

// Paths translates between places and the module paths of mlx-lm, which mlxterp
// uses too.
type Paths struct {
	Modules map[Site]string // whose output a site is, with %d for the layer; a site may have none
	Lacks   map[Site]string // sites that the architecture does not have, each with the reason
	Layers  int

	// LayerLacks has those that some layers lack and others have, by the layer; nil: none.
	LayerLacks []map[Site]string

	// LayerModules has the modules of sites that are the output of another one in some layers, by the
	// layer; nil: none.
	LayerModules []map[Site]string

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
	pattern := p.module(at)
	if pattern == "" || !at.Site.PerLayer() {
		return pattern
	}
	return fmt.Sprintf(pattern, at.Layer)
}

// module is Module with %d for the layer.
func (p Paths) module(at Place) string {
	if at.Layer < len(p.LayerModules) {
		if pattern, ok := p.LayerModules[at.Layer][at.Site]; ok {
			return pattern
		}
	}
	return p.Modules[at.Site]
}

// Place reads any of the dialects: ours, TransformerLens', interp-engine's, or a module
// path with any number of leading "model.". It checks that the model has the place.
func (p Paths) Place(text string) (Place, error) {
	if at, module, ok := p.ofModule(text); ok {
		if own := p.module(at); own != module {
			return at, &elsewhere{fmt.Errorf("model: layer %d has no module %s: its %s is the output of %s", at.Layer, text, at.Site, p.Module(at))}
		}
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

// elsewhere is the error of a place that other layers have.
type elsewhere struct{ error }

// ofModule reads a module path, and returns which module it names, with %d for the layer. The layer
// need not have it where others do.
func (p Paths) ofModule(text string) (at Place, module string, ok bool) {
	name := withoutModel(text)
	read := func(modules map[Site]string) bool {
		for site, pattern := range modules {
			if layer, same := matches(name, withoutModel(pattern), site.PerLayer()); same {
				at, module = Place{site, layer}, pattern
				if p.module(at) == pattern {
					return true
				}
				ok = true
			}
		}
		return false
	}
	found := read(p.Modules)
	for layer := 0; layer < len(p.LayerModules) && !found; layer++ {
		found = read(p.LayerModules[layer])
	}
	return at, module, ok || found
}

// matches reports whether a name is a pattern's, and for which layer.
func matches(name, pattern string, perLayer bool) (layer int, ok bool) {
	if !perLayer {
		return 0, name == pattern
	}
	before, after, _ := strings.Cut(pattern, "%d")
	number, ok := strings.CutPrefix(name, before)
	if !ok || !strings.HasSuffix(number, after) {
		return 0, false
	}
	layer, err := strconv.Atoi(strings.TrimSuffix(number, after))
	return layer, err == nil
}

// withoutModel leaves out what stands before the modules of a text model.
func withoutModel(path string) string {
	for {
		short := strings.TrimPrefix(strings.TrimPrefix(path, "model."), "language_model.")
		if short == path {
			return path
		}
		path = short
	}
}

// check returns nil when the model has the place, else why it has not.
func (p Paths) check(at Place) error {
	if len(at.Site.Axes()) == 0 {
		return fmt.Errorf("model: site %q is unknown%s (have: %s)", string(at.Site), spelling.DidYouMean(string(at.Site), Sites()), names(Sites()))
	}
	if why := p.Lacks[at.Site]; why != "" {
		return fmt.Errorf("model: this architecture has no %s: %s", at.Site, why)
	}
	if at.Layer < 0 || at.Layer >= p.Layers {
		return fmt.Errorf("model: %s: the model has %d layers (0–%d)", at, p.Layers, p.Layers-1)
	}
	if why := p.layerLacks(at); why != "" {
		return &elsewhere{fmt.Errorf("model: layer %d has no %s: %s (%s)", at.Layer, at.Site, why, p.having(at.Site))}
	}
	return nil
}

// layerLacks says why a layer lacks a site that others have, "" where it has it.
func (p Paths) layerLacks(at Place) string {
	if at.Layer >= len(p.LayerLacks) {
		return ""
	}
	return p.LayerLacks[at.Layer][at.Site]
}

// LayersWith returns the layers that have a site.
func (p Paths) LayersWith(site Site) []int {
	var layers []int
	for layer := range p.Layers {
		if p.Lacks[site] == "" && p.layerLacks(Place{site, layer}) == "" {
			layers = append(layers, layer)
		}
	}
	return layers
}

// having lists the layers that have a site, in words.
func (p Paths) having(site Site) string {
	const most = 12
	layers := p.LayersWith(site)
	text := strings.Trim(fmt.Sprint(layers[:min(most, len(layers))]), "[]")
	text = strings.ReplaceAll(text, " ", ", ")
	if len(layers) > most {
		text += fmt.Sprintf(", … %d", layers[len(layers)-1])
	}
	return "it is in layers " + text
}

// Places reads places, comma-separated, each in any dialect. In place of a layer's number
// may stand *, -1 (the last), or a range as [ParseIndices] reads it: layers.*.resid_post,
// layers.0:4.mlp_out, blocks.-1.hook_resid_post, model.layers.::2.mlp. The result is in
// forward order, each once. Of a * or a range the layers count that have the site, where at least
// one has it.
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
	var failed error
	for _, n := range numbers {
		parts[at] = fmt.Sprint(n)
		place, err := p.Place(strings.Join(parts, "."))
		if lacks := (*elsewhere)(nil); err != nil && (len(numbers) == 1 || !errors.As(err, &lacks)) {
			return nil, err
		}
		if failed = cmp.Or(failed, err); err == nil {
			places = append(places, place)
		}
	}
	if len(places) == 0 {
		return nil, failed
	}
	return places, nil
}
