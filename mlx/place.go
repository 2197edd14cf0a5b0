package mlx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/internal/origin"
	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// place is one place to look for libmlxc.
type place struct {
	path  string // the library file; a bare name is left to the system's loader
	named bool   // the user named it: it may lie anywhere, and nothing else is tried
	by    string // what names it
}

func libraryName(stem string) string {
	if runtime.GOOS == "darwin" {
		return "lib" + stem + ".dylib"
	}
	return "lib" + stem + ".so"
}

// namedPlace is where the user says that libmlxc is: a word that is taken as it is.
func namedPlace() (place, bool) {
	path, by := loaded.chosen, "SetLibrary"
	if path == "" {
		path, by = os.Getenv(EnvLibrary), "$"+EnvLibrary
	}
	if path == "" {
		return place{}, false
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, libraryName("mlxc"))
	}
	if err == nil || strings.ContainsRune(path, filepath.Separator) { // a file, and not a name for the system's loader
		if whole, err := filepath.Abs(path); err == nil {
			path = whole
		}
	}
	return place{path, true, by}, true
}

// places lists where libmlxc may be when nobody names it, in the order of the search. None
// depends on the working directory, unless the program was started by a name that does and the system does not say which file it is.
func places() []place {
	file := libraryName("mlxc")
	var out []place
	add := func(by, folder string, elems ...string) {
		if !filepath.IsAbs(folder) {
			return // nothing, or below the working directory
		}
		p := place{path: filepath.Join(append(append([]string{folder}, elems...), file)...), by: by}
		if !slices.ContainsFunc(out, func(o place) bool { return o.path == p.path }) {
			out = append(out, p)
		}
	}
	if program := origin.Program(); program != "" {
		add("beside the program", filepath.Dir(program))
		add("beside the program", filepath.Dir(program), "..", "lib", "mlxlens")
	}
	add("the program's checkout", origin.Checkout(), "third_party", "mlx-c", "lib")
	add("the user's data folder", userData(), "mlxlens", "lib")
	if folder, err := LibraryFolder(); err == nil {
		add("mlxlib's folder", folder)
	}
	if prefix := os.Getenv("HOMEBREW_PREFIX"); prefix != "" {
		add("Homebrew", prefix, "opt", "mlx-c", "lib")
		add("Homebrew", prefix, "lib")
	}
	if runtime.GOOS == "darwin" {
		add("Homebrew", "/opt/homebrew/opt/mlx-c/lib")
		add("Homebrew", "/opt/homebrew/lib")
	}
	add("the system", "/usr/local/lib")
	return append(out, place{path: file, by: "the system's loader"})
}

// LibraryFolder returns where LibraryCommand puts the library, and Load looks for it: a folder
// in the user's cache.
func LibraryFolder() (string, error) {
	cache, err := os.UserCacheDir()
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" && !filepath.IsAbs(dir) && runtime.GOOS != "darwin" { // to be ignored (XDG Base Directory 0.8)
		cache, err = os.UserHomeDir()
		cache = filepath.Join(cache, ".cache")
	}
	if err != nil {
		return "", newError("", ErrLibrary, "there is no folder for the user's caches: "+err.Error())
	}
	return filepath.Join(cache, "mlxlens", "lib"), nil
}

func userData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) { // another is to be ignored (XDG Base Directory 0.8)
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support")
	}
	return filepath.Join(home, ".local", "share")
}

// open opens a library, with the BLAS that the user names, and prepares it. Where both are wrong its error tells of both.
func open() error {
	if err := enoughRoom(); err != nil {
		return err
	}
	if err := enoughThreads(); err != nil { // each takes a stack
		return err
	}
	blas := openNamedBLAS()
	if system := (*systemError)(nil); errors.As(blas, &system) {
		return blas
	}
	library := search()
	switch system := (*systemError)(nil); {
	case blas == nil && library == nil:
		return prepare()
	case blas == nil, errors.As(library, &system):
		return library
	case library == nil:
		return blas
	}
	return fmt.Errorf("%w; and %w", blas, library)
}

// search tries the places in order and opens the first library that is right.
func search() error {
	if p, ok := namedPlace(); ok {
		if reason := p.try(); reason != "" {
			loaded.library.Searched = []string{fmt.Sprintf("%s (%s): %s", p.path, p.by, reason)}
			if starved(reason) {
				return fmt.Errorf("%s cannot be opened: %w", p.path, starvedError(reason))
			}
			return fmt.Errorf("%s names %s, but %s; %s", p.by, p.path, reason, remedy())
		}
		loaded.library.Searched = []string{fmt.Sprintf("%s (%s): taken, and no other place is looked at", p.path, p.by)}
		return nil
	}
	var looked []string
	if err := origin.ProgramError(); err != nil {
		looked = append(looked, "beside the program: its own folder cannot be told: "+err.Error())
	}
	found := false
	for _, p := range places() {
		reason := "not looked at: one before it was taken"
		if !found {
			if reason = p.try(); reason == "" {
				reason, found = "taken", true
			} else if starved(reason) {
				return fmt.Errorf("%s cannot be opened: %w", p.path, starvedError(reason))
			}
		}
		looked = append(looked, fmt.Sprintf("%s (%s): %s", p.path, p.by, reason))
	}
	loaded.library.Searched = looked
	if !found {
		return fmt.Errorf("no usable mlx-c %s library was found; %s. Tried:\n  %s", capi.Release, remedy(), strings.Join(looked, "\n  "))
	}
	return nil
}

// try is open, and keeps in mind a library that only lacks a driver.
func (p place) try() (reason string) {
	reason = p.open()
	if loaded.driverless == "" && strings.Contains(reason, driverLibrary+": cannot open shared object file") {
		loaded.driverless = p.path
	}
	return reason
}

// open opens the library at p; it returns why it cannot be used, "" when it is open.
func (p place) open() (reason string) {
	folder := ""
	if strings.ContainsRune(p.path, filepath.Separator) {
		if _, err := os.Stat(p.path); errors.Is(err, os.ErrNotExist) {
			return "there is no such file"
		} else if err != nil {
			return err.Error()
		}
		if reason := p.suspect(p.path); reason != "" {
			return reason
		}
		folder = filepath.Dir(p.path)
	} else if reason := loaderStrays(); reason != "" {
		return reason
	} else if reason := unmappable(p.path); reason != "" {
		return reason
	}
	if reason := p.suspectNeeds(folder); reason != "" {
		return reason
	}
	mlxPath := ""
	if folder != "" {
		if mlxPath = filepath.Join(folder, libraryName("mlx")); !exists(mlxPath) {
			mlxPath = ""
		} else if reason := p.suspect(mlxPath); reason != "" {
			return "its libmlx: " + reason
		}
	}
	openBLAS(folder)
	if mlxPath != "" && opensMLX(runtime.GOOS) {
		if err := capi.OpenGlobal(mlxPath); err != nil {
			return "its libmlx cannot be opened: " + lacking(err.Error())
		}
	}
	if err := capi.Open(p.path); err != nil {
		return lacking(err.Error())
	}
	loaded.library.Path, loaded.library.MLXPath = p.path, mlxPath
	return ""
}

// opensMLX reports whether libmlx is opened before libmlxc, so that a system's loader need not find it.
// A Mac's finds it by libmlxc's load commands, and only so what libmlx needs: that of MLX's wheel for
// macOS 26 needs @rpath/libjaccl.dylib, and has no LC_RPATH (dyld(1)).
func opensMLX(system string) bool { return system != "darwin" }

// suspect says why a file must not be opened, "" when it may: nothing of it has run yet.
func (p place) suspect(path string) string {
	if !p.named {
		if why := origin.Refusal(path); why != "" {
			return why + ", and could put anything there; name it in $" + EnvLibrary + " if you trust it"
		}
	}
	return inspect(path)
}

// suspectNeeds is suspect for the libraries that p needs, and that these need: the loader would map them unseen.
func (p place) suspectNeeds(folder string) string {
	if folder == "" {
		return ""
	}
	if runtime.GOOS == "darwin" {
		return p.suspectBeside(folder)
	}
	against := func(file string) string {
		if filepath.Dir(file) == folder {
			return p.suspect(file)
		}
		return inspect(file)
	}
	name, known := libraryName("mlx"), map[string]string{}
	beside := filepath.Join(folder, name)
	if exists(beside) { // opened first
		known[name] = beside
	}
	reason := needsOf(p.path, known, against)
	if reason == "" && known[name] != "" && !slices.Contains(needs(p.path), name) {
		reason = needsOf(beside, nil, against)
	}
	return reason
}

// suspectBeside is suspectNeeds for those that lie beside p.
func (p place) suspectBeside(folder string) string {
	queue, seen := []string{p.path, filepath.Join(folder, libraryName("mlx"))}, map[string]bool{}
	for len(queue) > 0 {
		for _, name := range needs(queue[0]) {
			beside := filepath.Join(folder, filepath.Base(name))
			if seen[beside] || !exists(beside) {
				continue
			}
			seen[beside] = true
			if reason := p.suspect(beside); reason != "" {
				return fmt.Sprintf("%s, which it needs: %s", filepath.Base(name), reason)
			}
			queue = append(queue, beside)
		}
		queue = queue[1:]
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// blasRoom is what OpenBLAS may map: 128 MB for each thread, and a stack. Where it gets less it asks
// again for ever.
const blasRoom = 1 << 30

// blasError says why the BLAS that the user names cannot be used.
type blasError struct{ text string }

func (e *blasError) Error() string { return e.text }

// openNamedBLAS opens the BLAS that $MLX_C_BLAS names, if it names one, before any library is opened.
func openNamedBLAS() error {
	named := os.Getenv(EnvBLAS)
	if named == "" || named == "none" || !opensBLAS() {
		return nil
	}
	reason := "" // the loader would map what is not there, and the process end by it
	if !strings.ContainsRune(named, filepath.Separator) {
		reason = unmappable(named)
	} else if exists(named) {
		reason = inspectWhole(named)
	}
	if reason != "" {
		return namedBLASError(named, reason)
	}
	kernels, err := openKernels(named)
	switch {
	case err != nil && starved(err.Error()):
		return fmt.Errorf("%s cannot be opened: %w", named, starvedError(err.Error()))
	case err == nil && !capi.Multiplies():
		err = errors.New("it is no BLAS: it has no cblas_sgemm")
	}
	if err != nil {
		return namedBLASError(named, err.Error())
	}
	loaded.library.BLAS, loaded.library.Kernels = named, kernels
	return nil
}

func namedBLASError(named, why string) error {
	return &blasError{"$" + EnvBLAS + " names " + named + ", which cannot be used: " + why + "; name another, or unset it"}
}

// opensBLAS reports whether a BLAS is opened beside libmlx: on a Mac MLX uses Accelerate.
func opensBLAS() bool { return runtime.GOOS == "linux" && addressSpace() >= blasRoom }
