package cli

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
)

// vectorFile is FILE.npy, or FILE.npz or FILE.safetensors with :NAME or without.
var vectorFile = regexp.MustCompile(`(?i)^(.*\.(npy|npz|safetensors))(?::(.+))?$`)

// readVector reads the numbers that an edit adds or sets. The name is needed among
// several arrays; axes of length 1 do not count.
func readVector(arg string) ([]float32, error) {
	parts := vectorFile.FindStringSubmatch(arg)
	if parts == nil {
		return nil, fmt.Errorf("vector %q: want a file .npy, .npz or .safetensors", arg)
	}
	file, name := parts[1], parts[3]
	var a checkpoint.Array
	var err error
	switch strings.ToLower(filepath.Ext(file)) {
	case ".npy":
		a, err = npz.ReadNPY(file)
	case ".npz":
		a, err = fromNPZ(file, name)
	case ".safetensors":
		a, err = fromSafetensors(file, name)
	}
	if err != nil {
		return nil, err
	}
	long := 0
	for _, n := range a.Shape {
		if n != 1 {
			long++
		}
	}
	if long > 1 {
		return nil, fmt.Errorf("%s: the array has the shape %v: want a vector", file, a.Shape)
	}
	return a.Float32()
}

func fromNPZ(file, name string) (checkpoint.Array, error) {
	f, err := npz.Open(file)
	if err != nil {
		return checkpoint.Array{}, err
	}
	defer f.Close()
	if name, err = oneOf(file, name, f.Names()); err != nil {
		return checkpoint.Array{}, err
	}
	return f.Array(name, nil)
}

func fromSafetensors(file, name string) (checkpoint.Array, error) {
	c, err := checkpoint.OpenFile(file)
	if err != nil {
		return checkpoint.Array{}, err
	}
	defer c.Close()
	if name, err = oneOf(file, name, c.Names()); err != nil {
		return checkpoint.Array{}, err
	}
	return c.Tensor(name).Array()
}

// oneOf returns the name that was given, or the only one.
func oneOf(file, name string, have []string) (string, error) {
	for _, n := range have {
		if n == name || name == "" && len(have) == 1 {
			return n, nil
		}
	}
	return "", fmt.Errorf("%s: name one of its arrays behind a colon (have: %s)", file, strings.Join(have, ", "))
}
