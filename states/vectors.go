package states

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model"
)

// VectorsFormat is what the metadata of a file of vectors have under "format".
const VectorsFormat = "mlxlens.vectors/1"

// ModelDigest is the key of the metadata that says which model's files vectors are of.
const ModelDigest = "model_digest"

// AllOf begins the name of an array whose rows are directions of one place, one of each label.
const AllOf = "all/"

// Vectors are directions at places of a model, which edits add or project out: an array a place,
// named by it, [d] or [head, d]; or several of a place, each with a name behind it, PLACE/NAME.
type Vectors struct {
	Arrays []checkpoint.Array

	// Metadata is what else is known, such as the model and how they were made. The key format is
	// written by this package.
	Metadata map[string]string
}

func (v *Vectors) metadata() map[string]string {
	m := maps.Clone(v.Metadata)
	if m == nil {
		m = map[string]string{}
	}
	m["format"] = VectorsFormat
	return m
}

// WriteSafetensors writes a safetensors file, with Metadata in __metadata__.
func (v *Vectors) WriteSafetensors(w io.Writer) error {
	return checkpoint.WriteSafetensors(w, v.metadata(), v.Arrays)
}

// WriteNPZ writes an .npz file, with Metadata as [Set.WriteNPZ] writes it.
func (v *Vectors) WriteNPZ(w io.Writer) error { return writeNPZ(w, v.metadata(), v.Arrays) }

// writeNPZ writes arrays behind one of the metadata.
func writeNPZ(w io.Writer, metadata map[string]string, arrays []checkpoint.Array) error {
	text, err := json.Marshal(metadata)
	if err != nil {
		return fmt.Errorf("states: %w", err)
	}
	beside := checkpoint.Array{Name: "metadata", Type: checkpoint.U8, Shape: []int{len(text)}, Bytes: text}
	return npz.Write(w, append([]checkpoint.Array{beside}, arrays...))
}

// FileMetadata returns what a file of [Vectors] or of a [Set] says of itself, empty for another
// file of arrays. What is wrong with the file is a [FileError].
func FileMetadata(path string) (map[string]string, error) {
	f, err := openArrays(path)
	if err != nil {
		return nil, &FileError{err}
	}
	defer f.close()
	m, err := f.metadata()
	if err != nil {
		return nil, &FileError{err}
	}
	return m, nil
}

// ofAnotherPlace returns an error for vectors that no name chose, and that are of another place.
func (f *arrays) ofAnotherPlace(name string, at model.Place) error {
	m, err := f.metadata()
	if err != nil {
		return &FileError{err}
	}
	if m["format"] != VectorsFormat || name == at.String() {
		return nil
	}
	return fmt.Errorf("%s has a vector of %s, and the edit is at %s: if that is meant, name it behind a colon, %s:%s", f.path, name, at, f.path, name)
}

// metadata returns the texts of safetensors' __metadata__ or of an array metadata.
func (f *arrays) metadata() (map[string]string, error) {
	if f.said != nil {
		return f.said, nil
	}
	if !slices.Contains(f.names, "metadata") {
		return map[string]string{}, nil
	}
	a, err := f.read("metadata")
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	if a.Type != checkpoint.U8 || !strings.HasPrefix(string(a.Bytes), "{") {
		return m, nil // another program's
	}
	err = exactjson.Repeated(a.Bytes)
	if err == nil {
		err = json.Unmarshal(a.Bytes, &m)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: metadata: %w", f.path, err)
	}
	return m, nil
}
