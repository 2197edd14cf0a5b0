package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sbinet/npyio"
	"github.com/sbinet/npyio/npz"
)

// readVector reads the numbers that an edit adds or sets: FILE.npy, or FILE.npz[:NAME],
// where NAME is needed among several arrays. Axes of length 1 do not count.
func readVector(arg string) (numbers []float32, err error) {
	file, name := arg, ""
	if at := strings.LastIndex(arg, ".npz:"); at >= 0 {
		file, name = arg[:at+4], arg[at+5:]
	}
	defer func() { // npyio checks little of what it reads
		if p := recover(); p != nil {
			numbers, err = nil, fmt.Errorf("%s is damaged: %v", file, p)
		}
	}()
	switch strings.ToLower(filepath.Ext(file)) {
	case ".npy":
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r, err := npyio.NewReader(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return vector(file, r.Header, r.Read)
	case ".npz":
		z, err := npz.Open(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		defer z.Close()
		if name, err = arrayName(z, file, name); err != nil {
			return nil, err
		}
		return vector(file, *z.Header(name), func(to any) error { return z.Read(name, to) })
	}
	return nil, fmt.Errorf("vector %q: want a file .npy or .npz", arg)
}

// arrayName finds the entry of an array, which NumPy gives the extension .npy.
func arrayName(z *npz.Reader, file, name string) (string, error) {
	var have []string
	for _, key := range z.Keys() {
		short := strings.TrimSuffix(key, ".npy")
		if name == short || name == "" && len(z.Keys()) == 1 {
			return key, nil
		}
		have = append(have, short)
	}
	return "", fmt.Errorf("%s: want one of its arrays, such as %s:%s (have: %s)", file, file, have[0], strings.Join(have, ", "))
}

// vector reads floats of 32 or 64 bits that lie along one axis.
func vector(file string, h npyio.Header, read func(to any) error) ([]float32, error) {
	n, long := 1, 0
	for _, size := range h.Descr.Shape {
		n *= size
		if size > 1 {
			long++
		}
	}
	if long > 1 {
		return nil, fmt.Errorf("%s: the array has the shape %v: want a vector", file, h.Descr.Shape)
	}
	switch strings.TrimLeft(h.Descr.Type, "<=|") {
	case "f4":
		x := make([]float32, n)
		err := read(&x)
		return x, err
	case "f8":
		wide := make([]float64, n)
		if err := read(&wide); err != nil {
			return nil, err
		}
		x := make([]float32, n)
		for i, y := range wide {
			x[i] = float32(y)
		}
		return x, nil
	}
	return nil, fmt.Errorf("%s: the numbers have the type %q: want float32 or float64", file, h.Descr.Type)
}
