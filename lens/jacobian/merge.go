package jacobian

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// The keys of what tells the prompts of two fits apart: a digest of all, and a list of one of each that was fitted to,
// in which a prompt that a corpus has more than once has another each time.
const (
	Digest  = "corpus_digest"
	Digests = "prompt_digests"
)

// Errors is the key of a list of each layer's relative standard error, nil where it is not known ([Fit.Errors]).
const Errors = "standard_error"

// Origin is the key of what tells a fit that is gone on with from others.
const Origin = "origin"

// keyDigests are those of a lens that was merged, one of each part.
const keyDigests = "corpus_digests"

// ofShard are the keys in which the shards of one fit may differ.
var ofShard = []string{keyPrompts, keyCorpus, Digest, keyDigests, Digests, keyDimBatch, Errors, Origin}

// keyShard is the key of a .pt under which the metadata stand that only our merge reads: TransformerLens' merge refuses
// lenses whose metadata differ in any key but n_prompts, and reads no other keys beside them.
const keyShard = "shard"

// besideMetadata are the keys that stand there.
var besideMetadata = []string{Digest, keyDigests, Digests, Errors, Origin}

// Merge returns the lens of all prompts that lenses were fitted to: the mean of their matrices, each weighted by its number of
// prompts. They must agree in what they are of and how they were fitted, and differ in their prompts, as far as they say which they
// have: the same part given twice is refused, and parts that share a prompt, also where a lens was merged of them before. The lenses'
// files stay open until the result's Close.
func Merge(lenses ...*Lens) (*Lens, error) {
	if len(lenses) < 2 {
		return nil, fmt.Errorf("jacobian: %d lenses cannot be merged: give two or more", len(lenses))
	}
	first := lenses[0]
	all := &Lens{DModel: first.DModel, Layers: first.Layers, Target: first.Target, Metadata: maps.Clone(first.Metadata), file: together(lenses)}
	digests, of := map[string]*Lens{}, map[string]*Lens{}
	var parts, prompts, corpora []any
	for _, l := range lenses {
		if err := first.differs(l); err != nil {
			return nil, err
		}
		for _, digest := range l.parts() {
			if same := digests[digest]; same != nil && !(same.namesAll() && l.namesAll()) {
				return nil, fmt.Errorf("jacobian: %s and %s were fitted to the same prompts, which would count twice", same.name(), l.name())
			}
			digests[digest], parts = l, append(parts, digest)
		}
		if err := l.shares(of); err != nil {
			return nil, err
		}
		for _, digest := range l.texts(Digests) {
			of[digest], prompts = l, append(prompts, digest)
		}
		if c := l.Corpus(); c != "" && !slices.Contains(corpora, any(c)) {
			corpora = append(corpora, c)
		}
		all.Prompts += l.Prompts
	}
	all.mergeMetadata(first, parts, prompts, corpora)
	errors, err := errorsOf(lenses)
	if err != nil {
		return nil, err
	}
	if errors != nil {
		all.Metadata[Errors] = errors
	}
	all.matrix = func(layer int) (checkpoint.Array, float32, error) {
		x, err := meanOf(lenses, layer)
		if err != nil {
			return checkpoint.Array{}, 0, err
		}
		return checkpoint.Float32Array(tensorName(layer), x, all.DModel, all.DModel), 1, nil
	}
	return all, nil
}

// meanOf is a layer's matrix, averaged over all prompts.
func meanOf(lenses []*Lens, layer int) ([]float32, error) {
	var sum []float64
	prompts := 0
	for _, l := range lenses {
		x, err := l.Matrix(layer)
		if err != nil {
			return nil, err
		}
		if sum == nil {
			sum = make([]float64, len(x))
		}
		for i, v := range x {
			sum[i] += float64(l.Prompts) * float64(v)
		}
		prompts += l.Prompts
	}
	all := make([]float32, len(sum))
	for i, v := range sum {
		all[i] = float32(v / float64(prompts))
	}
	return all, nil
}

// mergeMetadata puts together what parts say of themselves, the first one's in what they agree in.
func (l *Lens) mergeMetadata(first *Lens, parts, prompts, corpora []any) {
	for _, key := range ofShard {
		delete(l.Metadata, key)
	}
	if len(parts) > 0 {
		l.Metadata[keyDigests] = parts
	}
	if len(prompts) > 0 {
		l.Metadata[Digests] = prompts
	}
	if len(corpora) > 0 {
		text := fmt.Sprint(corpora[0])
		for _, c := range corpora[1:] {
			text += fmt.Sprintf(", %s", c)
		}
		l.Metadata[keyCorpus] = text
	}
	if _, ok := first.Metadata[keyPrompts]; ok {
		l.Metadata[keyPrompts] = l.Prompts
	}
}

// errorsOf returns the standard errors of the mean of all prompts, nil where a lens keeps none. Parts are of different prompts:
//
//	e·‖J‖ = √Σ(n_i·e_i·‖J_i‖)²/Σn_i
//
// with the e_i of the parts' matrices J_i of n_i prompts.
func errorsOf(lenses []*Lens) ([]any, error) {
	var each [][]float64
	for _, l := range lenses {
		of := l.Errors()
		if of == nil {
			return nil, nil
		}
		each = append(each, of)
	}
	var all []any
	for k, layer := range lenses[0].Layers {
		if slices.ContainsFunc(each, func(of []float64) bool { return math.IsNaN(of[k]) }) {
			all = append(all, nil)
			continue
		}
		variance, prompts := 0.0, 0
		for i, l := range lenses {
			x, err := l.Matrix(layer)
			if err != nil {
				return nil, err
			}
			variance += square(float64(l.Prompts) * each[i][k] * frobenius(x))
			prompts += l.Prompts
		}
		mean, err := meanOf(lenses, layer)
		if err != nil {
			return nil, err
		}
		if norm := frobenius(mean); norm > 0 {
			all = append(all, math.Sqrt(variance)/(float64(prompts)*norm))
		} else {
			all = append(all, nil)
		}
	}
	return all, nil
}

// Errors returns the relative standard error of each layer's matrix as [Fit.Errors] has it, NaN where that is not known; nil of a lens
// that does not say.
func (l *Lens) Errors() []float64 {
	list, _ := l.Metadata[Errors].([]any)
	if len(list) != len(l.Layers) {
		return nil
	}
	var all []float64
	for _, v := range list {
		x := math.NaN()
		switch v := v.(type) {
		case float64:
			x = v
		case int:
			x = float64(v)
		}
		all = append(all, x)
	}
	return all
}

func square(x float64) float64 { return x * x }

// frobenius is the root of the sum of squares.
func frobenius(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += square(float64(v))
	}
	return math.Sqrt(sum)
}

// parts tell what a lens was fitted to from what others were: of one that was merged, each part.
func (l *Lens) parts() []string {
	if text, _ := l.Metadata[Digest].(string); text != "" {
		return append(l.texts(keyDigests), text)
	}
	return l.texts(keyDigests)
}

// namesAll reports whether the lens says of each of its prompts which it is.
func (l *Lens) namesAll() bool { return len(l.texts(Digests)) == l.Prompts }

// texts are the texts of a list in the metadata.
func (l *Lens) texts(key string) []string {
	list, _ := l.Metadata[key].([]any)
	var all []string
	for _, d := range list {
		if text, _ := d.(string); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// shares returns an error where the lens was fitted to a prompt that one before was fitted to.
func (l *Lens) shares(of map[string]*Lens) error {
	n, first, other := 0, 0, (*Lens)(nil)
	for i, digest := range l.texts(Digests) {
		if before := of[digest]; before != nil {
			if n++; other == nil {
				first, other = i, before
			}
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("jacobian: %s and %s share %s, which would count twice: the first is prompt %d of %s (from 0)", other.name(), l.name(), english.Plural(n, "prompt", ""), first, l.name())
}

// differs returns why a lens is no shard of the same fit, nil where it is.
func (l *Lens) differs(other *Lens) error {
	switch {
	case other.Prompts < 1:
		return fmt.Errorf("jacobian: %s does not say how many prompts it was fitted to, so that it has no weight", other.name())
	case l.DModel != other.DModel || !slices.Equal(l.Layers, other.Layers) || l.Target != other.Target:
		return fmt.Errorf("jacobian: %s has d_model %d, the layers %s and the target %d, and %s has %d, %s and %d: they are no shards of one fit",
			l.name(), l.DModel, ranges(l.Layers), l.Target, other.name(), other.DModel, ranges(other.Layers), other.Target)
	}
	keys := maps.Clone(l.Metadata)
	maps.Copy(keys, other.Metadata)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains(ofShard, key) && !reflect.DeepEqual(l.Metadata[key], other.Metadata[key]) {
			return fmt.Errorf("jacobian: %s, and %s: they are no shards of one fit", l.says(key), other.says(key))
		}
	}
	return nil
}

// says is what the metadata have under a key, in a sentence.
func (l *Lens) says(key string) string {
	v, ok := l.Metadata[key]
	if !ok {
		return l.name() + " has no " + key
	}
	text, err := json.Marshal(v)
	if err != nil { // a number that JSON has not
		text = fmt.Append(nil, v)
	}
	return fmt.Sprintf("%s has the %s %s", l.name(), key, text)
}

// together closes several lenses.
type together []*Lens

func (t together) Close() error {
	var first error
	for _, l := range t {
		if err := l.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
