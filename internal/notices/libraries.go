package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// library is one that is installed beside the program, by a heading of libraries.md and the line below it.
type library struct {
	name, where, spdx string
	pin
}

// pin is which one it is.
type pin struct {
	version string         // "" where nothing that the repository pins says one
	purl    string         // the package URL of its sources
	from    []distribution // the packages that the recipe of libmlxc takes it from
}

// distribution is a package by its URL (github.com/package-url/purl-spec), with its SHA-256 where it is one file.
type distribution struct{ purl, sha256 string }

// partsOf is the version of MLX whose parts are known.
const partsOf = "0.32.2"

// parts are what MLX is built of, as its CMakeLists.txt and mlx/io/CMakeLists.txt pin it; of the reference BLAS and LAPACK the
// files in its wheels for Linux have the version in their names. PocketFFT and FP16 are copies without one, and nothing tells of which
// GCC the libraries in the wheels are.
var parts = map[string]pin{
	"JSON for Modern C++":  {version: "3.11.3", purl: "pkg:github/nlohmann/json@v3.11.3"},
	"gguflib (gguf-tools)": {version: "8fa6eb65236618e28fd7710a0fba565f7faa1848", purl: "pkg:github/antirez/gguf-tools@8fa6eb65236618e28fd7710a0fba565f7faa1848"},
	"{fmt}":                {version: "12.1.0", purl: "pkg:github/fmtlib/fmt@12.1.0"},
	"metal-cpp":            {version: "26", purl: "pkg:generic/metal-cpp@26"},
	"BLAS and LAPACK, the reference implementations": {version: "3.10.0", purl: "pkg:github/reference-lapack/lapack@v3.10.0"},
}

const (
	recipe       = "third_party/mlx-c/build.sh"
	crates       = "third_party/mlx-c/source/Cargo.lock"
	requirements = "third_party/mlx-c/requirements/"
)

var (
	libraryHead   = regexp.MustCompile(`(?m)^### (.+)\n\n(.+); (.+)$`)
	recipeNumbers = regexp.MustCompile(`(?m)^stamp="mlx-c ([0-9.]+), MLX ([0-9.]+),`)
	recipeModule  = regexp.MustCompile(`mod download (github\.com/ml-explore/mlx-c@v[0-9.]+)`)
	requirement   = regexp.MustCompile(`(?m)^([a-z0-9-]+)==([0-9.]+)`)
	crate         = regexp.MustCompile(`name = "mlx-sys"\nversion = "([0-9.]+)"\nsource = .*\nchecksum = "([0-9a-f]{64})"`)
)

// librariesBeside returns the libraries. The working directory is the root of the checkout.
func librariesBeside() ([]library, error) {
	pins, err := recipePins()
	if err != nil {
		return nil, err
	}
	if v := pins["MLX"].version; v != partsOf {
		return nil, fmt.Errorf("%s takes MLX %s, and internal/notices/libraries.go has the parts of %s: read its CMakeLists.txt and the names in its wheels", recipe, v, partsOf)
	}
	for name, p := range parts {
		pins[name] = p
	}
	var out []library
	for _, m := range libraryHead.FindAllStringSubmatch(libraries, -1) {
		out = append(out, library{name: m[1], where: m[2], spdx: m[3], pin: pins[m[1]]})
		delete(pins, m[1])
	}
	for name := range pins {
		return nil, fmt.Errorf("libraries.md has no %q, which internal/notices/libraries.go has", name)
	}
	return out, nil
}

// recipePins returns what the recipe of libmlxc pins: MLX, in the wheels that a release takes, and mlx-c.
func recipePins() (map[string]pin, error) {
	text, err := os.ReadFile(recipe)
	if err != nil {
		return nil, err
	}
	numbers, module := recipeNumbers.FindSubmatch(text), recipeModule.FindSubmatch(text)
	if numbers == nil || module == nil {
		return nil, fmt.Errorf(`%s: want a line stamp="mlx-c X, MLX Y, …, and go mod download github.com/ml-explore/mlx-c@v…, which tell the versions`, recipe)
	}
	c, mlx := string(numbers[1]), string(numbers[2])
	ofMLX := pin{version: mlx, purl: "pkg:github/ml-explore/mlx@v" + mlx}
	for _, file := range []string{"cpu.txt", "metal.txt"} { // a release has no part of CUDA
		text, err := os.ReadFile(requirements + file)
		if err != nil {
			return nil, err
		}
		named := requirement.FindSubmatch(text)
		if named == nil || string(named[2]) != mlx {
			return nil, fmt.Errorf("%s%s: want one package of version %s, which %s names", requirements, file, mlx, recipe)
		}
		ofMLX.from = append(ofMLX.from, distribution{purl: "pkg:pypi/" + string(named[1]) + "@" + mlx})
	}
	if text, err = os.ReadFile(crates); err != nil {
		return nil, err
	}
	sys := crate.FindSubmatch(text)
	if sys == nil || string(sys[1]) != c || !strings.HasSuffix(string(module[1]), "@v"+c) {
		return nil, fmt.Errorf("%s and the Go module of %s: want mlx-c %s of both, which its stamp names", crates, recipe, c)
	}
	ofC := pin{version: c, purl: "pkg:github/ml-explore/mlx-c@v" + c, from: []distribution{
		{"pkg:cargo/mlx-sys@" + c, string(sys[2])}, {purl: "pkg:golang/" + string(module[1])},
	}}
	return map[string]pin{"MLX": ofMLX, "mlx-c": ofC}, nil
}
