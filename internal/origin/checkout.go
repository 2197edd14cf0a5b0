// Package origin says where code and models that nobody named may come from. The working
// directory is no such place: a folder that was unpacked, or that others write, must not
// decide which library is opened by standing where somebody works.
package origin

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const moduleLine = "module github.com/mlxlens/mlxlens\n"

// Checkout returns the root of the checkout of mlxlens that the program belongs to, "" when it
// belongs to none: the one that its file stands in, or, for what `go test` and `go run` put
// into a folder of their own, the one that it was compiled in, while the working directory is in
// that one too. A program built with -trimpath knows no such place.
func Checkout() string {
	if root := above(filepath.Dir(Program())); root != "" {
		return root
	}
	_, source, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(source) {
		return ""
	}
	here, err := os.Getwd()
	if err != nil {
		return ""
	}
	return compiledIn(filepath.Dir(filepath.Dir(filepath.Dir(source))), here)
}

// compiledIn returns root when it is a checkout that here stands in.
func compiledIn(root, here string) string {
	if above(root) != root {
		return ""
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return ""
	}
	if here, err = filepath.EvalSymlinks(here); err != nil {
		return ""
	}
	if !within(here, real) {
		return ""
	}
	return root
}

// above returns the nearest folder, dir or one above it, whose go.mod is that of mlxlens.
func above(dir string) string {
	for filepath.IsAbs(dir) {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(text), moduleLine) {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	return ""
}

// within reports whether path is folder, or below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, string(filepath.Separator))+string(filepath.Separator))
}
