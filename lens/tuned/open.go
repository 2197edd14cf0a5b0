package tuned

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/model"
)

// want is what Open offers.
const want = "want NAME.safetensors, mlxterp's NAME (NAME.json and NAME.npz), or a folder with AlignmentResearch's config.json and params.pt"

// Open reads a tuned lens, in the form that path has: NAME.safetensors; mlxterp's, by
// the name that its save was given, by either of its two files, or by a folder that
// has one; or AlignmentResearch's, by its folder or params.pt.
func Open(path string) (*Lens, error) {
	l, err := open(path)
	if err != nil {
		return nil, err
	}
	l.Path = path
	if err := l.check(); err != nil {
		return nil, err
	}
	return l, nil
}

func open(path string) (*Lens, error) {
	switch ext := filepath.Ext(path); {
	case ext == ".safetensors":
		return openSafetensors(path)
	case filepath.Base(path) == "params.pt":
		return openAlignment(filepath.Dir(path))
	case ext == ".npz" || ext == ".json":
		return openMLXterp(strings.TrimSuffix(path, ext))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return openFolder(path)
	}
	for _, prefix := range []string{path, strings.TrimSuffix(path, filepath.Ext(path))} { // Python's with_suffix replaces one
		if exists(prefix+".npz") || exists(prefix+".json") {
			return openMLXterp(prefix)
		}
	}
	return nil, fmt.Errorf("tuned: %s: no such lens: %s", path, want)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Lenses returns the files in a folder, sorted, by whose names Open takes them for lenses, or for one of each pair.
func Lenses(folder string) ([]string, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("tuned: %w", err)
	}
	var lenses []string
	for _, f := range files {
		name := filepath.Join(folder, f.Name())
		switch prefix, isNPZ := strings.CutSuffix(name, ".npz"); {
		case isNPZ && exists(prefix+".json"), filepath.Ext(name) == ".safetensors", f.Name() == "params.pt":
			lenses = append(lenses, name)
		}
	}
	return lenses, nil
}

func openFolder(path string) (*Lens, error) {
	lenses, err := Lenses(path)
	if err != nil {
		return nil, err
	}
	switch len(lenses) {
	case 0:
		return nil, fmt.Errorf("tuned: %s: the folder has no lens: %s", path, want)
	case 1:
		return open(lenses[0])
	}
	return nil, fmt.Errorf("tuned: %s: the folder has %d lenses: give one of %s", path, len(lenses), strings.Join(lenses, ", "))
}

// maxLayers and maxDModel bound what a file may say: the largest models have 126 layers
// (Llama 3.1 405B) and a d_model of 20,480 (PaLM).
const (
	maxLayers = 4096
	maxDModel = 1 << 16
)

// sizes checks what a file says of itself.
func sizes(path, layersKey string, layers int, dModelKey string, dModel int) error {
	if layers < 1 || layers > maxLayers || dModel < 1 || dModel > maxDModel {
		return fmt.Errorf("tuned: %s: %s is %d and %s is %d, and no model has such sizes", path, layersKey, layers, dModelKey, dModel)
	}
	return nil
}

// maxConfig bounds a config, which has a line a key.
const maxConfig = 1 << 20

func readConfig(path string, into any) error {
	text, err := regular.Read(path, maxConfig)
	if err != nil {
		return fmt.Errorf("tuned: %s: %w", path, err)
	}
	for _, check := range []func([]byte) error{regular.CheckUTF8, exactjson.Repeated} {
		if err := check(text); err != nil {
			return fmt.Errorf("tuned: %s: %w", path, err)
		}
	}
	if err := exactjson.Unmarshal(text, into); err != nil {
		return fmt.Errorf("tuned: %s: is not the JSON of a lens: %w", path, err)
	}
	return nil
}

// translators reads n translators of a rank with a reader of arrays by their names.
func translators(n, d, rank int, read func(layer int, part string, shape []int) (checkpoint.Array, error)) ([]Affine, error) {
	out := make([]Affine, 0, min(n, 128)) // what the file has decides, not what it says
	for i := range n {
		var t Affine
		for _, name := range partNames(d, rank) {
			a, err := read(i, name, shapeOf(name, d, rank))
			if err != nil {
				return nil, err
			}
			if *t.part(name), err = a.Float32(); err != nil {
				return nil, err
			}
		}
		out = append(out, t)
	}
	return out, nil
}

// openMLXterp reads what mlxterp's TunedLens.save writes.
func openMLXterp(prefix string) (*Lens, error) {
	var config struct {
		Layers int `json:"num_layers"`
		DModel int `json:"hidden_dim"`
	}
	if err := readConfig(prefix+".json", &config); err != nil {
		return nil, err
	}
	if err := sizes(prefix+".json", "num_layers", config.Layers, "hidden_dim", config.DModel); err != nil {
		return nil, err
	}
	z, err := npz.Open(prefix + ".npz")
	if err != nil {
		return nil, fmt.Errorf("tuned: %w", err)
	}
	defer z.Close()
	if err := count(prefix+".npz", z.Names(), config.Layers, dense, mlxterpName); err != nil {
		return nil, err
	}
	l := &Lens{DModel: config.DModel, Site: model.ResidPost}
	l.Translators, err = translators(config.Layers, config.DModel, config.DModel, func(layer int, part string, shape []int) (checkpoint.Array, error) {
		a, err := z.Array(mlxterpName(layer, part), shape)
		if err != nil {
			err = fmt.Errorf("tuned: %w", err)
		}
		return a, err
	})
	return l, err
}

func mlxterpName(layer int, part string) string {
	return "translators_" + strconv.Itoa(layer) + "_" + part
}

// dense are the parts of translators that are not limited in rank.
var dense = []string{partWeight, partBias}

// count compares the names in a file with those of so many translators.
func count(path string, have []string, layers int, parts []string, name func(layer int, part string) string) error {
	wanted := map[string]bool{}
	var missing, more []string
	for i := range layers {
		for _, part := range parts {
			wanted[name(i, part)] = true
			if !slices.Contains(have, name(i, part)) {
				missing = append(missing, name(i, part))
			}
		}
	}
	for _, n := range have {
		if !wanted[n] {
			more = append(more, n)
		}
	}
	var errs []error
	if len(missing) > 0 {
		errs = append(errs, fmt.Errorf("tuned: %s: the config says %d layers, and the file lacks %s", path, layers, brief(missing)))
	}
	if len(more) > 0 {
		errs = append(errs, fmt.Errorf("tuned: %s: the config says %d layers, and the file also has %s", path, layers, brief(more)))
	}
	return errors.Join(errs...)
}

// brief lists some of many names.
func brief(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// The metadata of the own form.
const (
	format         = "mlxlens.tuned/1"
	keyFormat      = "format"
	keyModel       = "model"
	keySite        = "site"
	keyForm        = "form"
	keyUnembedding = "unembedding_sha256"
	keyRank        = "rank"   // of translators that are limited in it, 0 where there are only biases
	keyFitted      = "fitted" // JSON
	formAffine     = "W·h + b"
	formResidual   = "h + W·h + b"
)

// openSafetensors reads the own form.
func openSafetensors(path string) (*Lens, error) {
	c, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, fmt.Errorf("tuned: %w", err)
	}
	defer c.Close()
	text := func(key string) string {
		s, _ := c.Metadata[key].(string)
		return s
	}
	if text(keyFormat) != format {
		return nil, fmt.Errorf("tuned: %s: is no tuned lens: its metadata have the format %q, not %q", path, text(keyFormat), format)
	}
	l := &Lens{Model: text(keyModel), Unembedding: text(keyUnembedding)}
	switch text(keyForm) {
	case formAffine:
	case formResidual:
		l.Residual = true
	default:
		return nil, fmt.Errorf("tuned: %s: the form %q is unknown (have: %q, %q)", path, text(keyForm), formAffine, formResidual)
	}
	place, err := model.ParsePlace("layers.0." + text(keySite))
	if err != nil {
		return nil, fmt.Errorf("tuned: %s: %w", path, err)
	}
	l.Site = place.Site
	if given := text(keyFitted); given != "" {
		if err := exactjson.Unmarshal([]byte(given), &l.Fitted); err != nil {
			return nil, fmt.Errorf("tuned: %s: its metadata %q: %w", path, keyFitted, err)
		}
	}
	return l, l.readOwn(path, c, text(keyRank))
}

// readOwn reads the translators of the own form, of a rank as its metadata have it.
func (l *Lens) readOwn(path string, c *checkpoint.Checkpoint, rankText string) error {
	names := c.Names()
	if first := c.Tensor(l.name(0, partBias)); first != nil {
		l.DModel = first.NumElements()
	}
	rank := l.DModel
	if rankText != "" {
		var err error
		if rank, err = strconv.Atoi(rankText); err != nil || rank < 0 || rank >= max(l.DModel, 1) {
			return fmt.Errorf("tuned: %s: its metadata have the rank %q: want a number from 0 to below d_model, %d", path, rankText, l.DModel)
		}
	}
	parts := partNames(l.DModel, rank)
	layers := len(names) / len(parts)
	if layers > maxLayers {
		return fmt.Errorf("tuned: %s: has %d translators, and no model so many layers", path, layers)
	}
	if err := count(path, names, layers, parts, l.name); err != nil {
		return err
	}
	var err error
	l.Translators, err = translators(layers, l.DModel, rank, func(layer int, part string, shape []int) (checkpoint.Array, error) {
		t := c.Tensor(l.name(layer, part))
		if !slices.Equal(t.Shape, shape) {
			return checkpoint.Array{}, fmt.Errorf("tuned: %s: %s has the shape %v, not %v", path, t.Name, t.Shape, shape)
		}
		l.Half = t.Type == checkpoint.F16
		return t.Array()
	})
	return err
}

func (l *Lens) name(layer int, part string) string {
	return model.Place{Site: l.Site, Layer: layer}.String() + "." + part
}
