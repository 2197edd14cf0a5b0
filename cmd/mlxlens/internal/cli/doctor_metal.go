package cli

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"regexp"
	"strconv"

	"github.com/mlxlens/mlxlens/mlx"
)

// matrixKernels is in the name of each kernel that computes on a GPU's matrix units ("neural accelerators", of the M5 on).
const matrixKernels = "_nax"

// Generations of GPUs that have matrix units, as MLX takes them (metal::is_nax_available): those of phones one later.
const (
	matrixGeneration      = 17
	matrixGenerationPhone = 18
)

// architecture is what Metal calls a GPU: applegpu_g17s is of generation 17, of a kind of which p are phones.
var architecture = regexp.MustCompile(`^applegpu_g(\d+)([a-z])$`)

// hasMatrixUnits reports whether a GPU has them.
func hasMatrixUnits(name string) bool {
	parts := architecture.FindStringSubmatch(name)
	if parts == nil {
		return false
	}
	generation, _ := strconv.Atoi(parts[1])
	if parts[2] == "p" {
		return generation >= matrixGenerationPhone
	}
	return generation >= matrixGeneration
}

// contains reports whether a text stands in what r has.
func contains(r io.Reader, text string) (bool, error) {
	b := bufio.NewReaderSize(r, 1<<20)
	for {
		part, err := b.Peek(b.Size())
		if found := bytes.Contains(part, []byte(text)); found || err != nil {
			if err == io.EOF {
				err = nil
			}
			return found, err
		}
		if _, err := b.Discard(len(part) - len(text) + 1); err != nil { // it may stand across two parts
			return false, err
		}
	}
}

// matrixUnits looks whether MLX's kernels use the matrix units that the GPU has.
func (d *diagnosis) matrixUnits() {
	if !mlx.MetalAvailable() {
		return
	}
	info, err := mlx.GPU.Info()
	if err != nil {
		return // the self-check says what is wrong with the GPU
	}
	name, _ := info["architecture"].(string)
	path, err := mlx.MetallibPath()
	if err != nil || !hasMatrixUnits(name) {
		return
	}
	d.lacksMatrixKernels(name, path)
}

// lacksMatrixKernels tells of a file of kernels that has none for matrix units.
func (d *diagnosis) lacksMatrixKernels(name, path string) {
	f, err := os.Open(path)
	if err != nil {
		_, do := mlx.LibraryRemedy()
		d.add("MLX's kernels cannot be read: "+err.Error(), "get the library again: "+do)
		return
	}
	defer f.Close()
	if has, err := contains(f, matrixKernels); err != nil || has {
		return
	}
	_, do := mlx.LibraryRemedy()
	d.add("this GPU ("+name+") has matrix units, and "+path+" has no kernels for them: products take several times as long as they could",
		"on macOS 26.2 or later "+do+", which get MLX as it was built for macOS 26; Homebrew's has none")
}
