package jacobian

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// Digest is the key of what tells the prompts of two fits apart.
const Digest = "corpus_digest"

// keyDigests are those of a lens that was merged, one of each part.
const keyDigests = "corpus_digests"

// ofShard are the keys in which the shards of one fit may differ.
var ofShard = []string{keyPrompts, keyCorpus, Digest, keyDigests, keyDimBatch, "standard_error"}

// Merge returns the lens of all prompts that lenses were fitted to: the mean of their matrices, each weighted by its number of
// prompts. They must agree in what they are of and how they were fitted, and differ in their prompts: the same part given twice is
// refused, also where a lens was merged of it before; parts that overlap are not told. The lenses' files stay open until the result's
// Close.
func Merge(lenses ...*Lens) (*Lens, error) {
	if len(lenses) < 2 {
		return nil, fmt.Errorf("jacobian: %d lenses cannot be merged: give two or more", len(lenses))
	}
	first := lenses[0]
	all := &Lens{DModel: first.DModel, Layers: first.Layers, Target: first.Target, Metadata: maps.Clone(first.Metadata), file: together(lenses)}
	digests := map[string]*Lens{}
	var parts, corpora []any
	for _, l := range lenses {
		if err := first.differs(l); err != nil {
			return nil, err
		}
		for _, digest := range l.parts() {
			if same := digests[digest]; same != nil {
				return nil, fmt.Errorf("jacobian: %s and %s were fitted to the same prompts, which would count twice", same.name(), l.name())
			}
			digests[digest], parts = l, append(parts, digest)
		}
		if c := l.Corpus(); c != "" && !slices.Contains(corpora, any(c)) {
			corpora = append(corpora, c)
		}
		all.Prompts += l.Prompts
	}
	for _, key := range ofShard {
		delete(all.Metadata, key)
	}
	if len(parts) > 0 {
		all.Metadata[keyDigests] = parts
	}
	if len(corpora) > 0 {
		text := fmt.Sprint(corpora[0])
		for _, c := range corpora[1:] {
			text += fmt.Sprintf(", %s", c)
		}
		all.Metadata[keyCorpus] = text
	}
	if _, ok := first.Metadata[keyPrompts]; ok {
		all.Metadata[keyPrompts] = all.Prompts
	}
	all.matrix = func(layer int) (checkpoint.Array, float32, error) {
		sum := make([]float64, all.DModel*all.DModel)
		for _, l := range lenses {
			x, err := l.Matrix(layer)
			if err != nil {
				return checkpoint.Array{}, 0, err
			}
			for i, v := range x {
				sum[i] += float64(l.Prompts) * float64(v)
			}
		}
		mean := make([]float32, len(sum))
		for i, v := range sum {
			mean[i] = float32(v / float64(all.Prompts))
		}
		return checkpoint.Float32Array(tensorName(layer), mean, all.DModel, all.DModel), 1, nil
	}
	return all, nil
}

// parts tell what a lens was fitted to from what others were: of one that was merged, each part.
func (l *Lens) parts() []string {
	digests, _ := l.Metadata[keyDigests].([]any)
	var all []string
	for _, d := range append(slices.Clone(digests), l.Metadata[Digest]) {
		if text, _ := d.(string); text != "" {
			all = append(all, text)
		}
	}
	return all
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
			return fmt.Errorf("jacobian: the %s of %s is %v, and that of %s is %v: they are no shards of one fit", key, l.name(), l.Metadata[key], other.name(), other.Metadata[key])
		}
	}
	return nil
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
