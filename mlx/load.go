package mlx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// Environment variables that say which libraries to open.
const (
	EnvLibrary = "MLX_C_LIBRARY" // libmlxc itself, or the folder that holds it
	EnvBLAS    = "MLX_C_BLAS"    // a BLAS to open before libmlx, or "none"
)

// Library tells what was opened.
type Library struct {
	Path     string   // libmlxc
	MLX      string   // libmlx's version
	MLXPath  string   // libmlx, "" when libmlxc found it by itself
	BLAS     string   // the BLAS opened before libmlx, "" for libmlx's own
	Devices  []Device // what it can compute on
	Memory   int      // MLX's memory limit in bytes
	Refused  []string // C functions that failed the self-check, each with the reason
	Searched []string // places tried before it, each with the reason
}

var loaded struct {
	mu      sync.Mutex
	chosen  string // by SetLibrary
	done    atomic.Bool
	err     error
	library Library

	memoryLimit atomic.Int64 // SetMemoryLimit changes it

	// written once, before done
	room int64 // what the system gives the process at most
	gpu  bool

	// unproven is whether libmlx is another than the one whose functions were looked through for
	// the thread's default stream (capi/gen): then each of them may take it.
	unproven bool
	refused  map[string]string // operation → why
}

// SetLibrary names libmlxc, or the folder that holds it, instead of the search.
// It must come before the first use of the package.
func SetLibrary(path string) error {
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	if loaded.done.Load() || loaded.err != nil {
		return newError("", ErrLibrary, fmt.Sprintf("SetLibrary(%q) came too late: the library was already looked for", path))
	}
	loaded.chosen = path
	return nil
}

// Load finds and opens the library, once: every function that needs it calls
// Load. Its error names each place that was tried, with the reason, and the
// command that helps.
func Load() error {
	if loaded.done.Load() {
		return nil
	}
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	if loaded.done.Load() || loaded.err != nil {
		return loaded.err
	}
	if err := open(); err != nil {
		loaded.err = newError("", ErrLibrary, err.Error())
		return loaded.err
	}
	loaded.done.Store(true)
	return nil
}

// LoadedLibrary returns what Load opened.
func LoadedLibrary() (Library, error) {
	if err := Load(); err != nil {
		return Library{}, err
	}
	return loaded.library, nil
}

// place is one place to look for libmlxc.
type place struct {
	path  string // the library file; a bare name is left to the system's loader
	named bool   // the user named it: nothing else is tried
	by    string // what names it
}

func libraryName(stem string) string {
	if runtime.GOOS == "darwin" {
		return "lib" + stem + ".dylib"
	}
	return "lib" + stem + ".so"
}

// places lists where libmlxc may be, in the order of the search.
func places() []place {
	file := libraryName("mlxc")
	inFolder := func(path string) string {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return filepath.Join(path, file)
		}
		return path
	}
	if loaded.chosen != "" {
		return []place{{inFolder(loaded.chosen), true, "SetLibrary"}}
	}
	if path := os.Getenv(EnvLibrary); path != "" {
		return []place{{inFolder(path), true, "$" + EnvLibrary}}
	}
	var out []place
	add := func(by string, elems ...string) {
		p := place{path: filepath.Join(append(elems, file)...), by: by}
		if !slices.ContainsFunc(out, func(o place) bool { return o.path == p.path }) {
			out = append(out, p)
		}
	}
	exe, err := os.Executable()
	if err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		add("beside the program", filepath.Dir(exe))
		add("beside the program", filepath.Dir(exe), "..", "lib", "mlxlens")
	}
	for _, from := range []string{filepath.Dir(exe), "."} {
		if root := checkout(from); root != "" {
			add("the checkout", root, "third_party", "mlx-c", "lib")
		}
	}
	if data := userData(); data != "" {
		add("the user's data folder", data, "mlxlens", "lib")
	}
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

// checkout returns the root of the mlxlens checkout that holds a folder, "" if none.
func checkout(from string) string {
	dir, err := filepath.Abs(from)
	if err != nil {
		return ""
	}
	for {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil {
			if strings.HasPrefix(string(text), "module github.com/mlxlens/mlxlens\n") {
				return dir
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// LibraryCommand gets a library and puts it into LibraryFolder. It needs Go, and no checkout.
const LibraryCommand = "go run github.com/mlxlens/mlxlens/mlx/cmd/mlxlib@latest"

// LibraryFolder returns where LibraryCommand puts the library, and Load looks for it: a folder
// in the user's cache.
func LibraryFolder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", newError("", ErrLibrary, "there is no folder for the user's caches: "+err.Error())
	}
	return filepath.Join(cache, "mlxlens", "lib"), nil
}

func userData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
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

// open tries the places in order and prepares the first library that is right.
func open() error {
	var tried []string
	for _, p := range places() {
		reason := p.open()
		if reason == "" {
			loaded.library.Searched = tried
			return prepare()
		}
		if p.named {
			return fmt.Errorf("%s names %s, but %s; %s", p.by, p.path, reason, remedy())
		}
		tried = append(tried, fmt.Sprintf("%s (%s): %s", p.path, p.by, reason))
	}
	return fmt.Errorf("no usable mlx-c %s library was found; %s. Tried:\n  %s", capi.Release, remedy(), strings.Join(tried, "\n  "))
}

func remedy() string {
	get := "get one with `" + LibraryCommand + "` (in a checkout of mlxlens with `make mlx-c`), or set $" + EnvLibrary + " to a folder that has it"
	if runtime.GOOS == "darwin" {
		return "install it with `brew install mlx-c`, or " + get
	}
	return get
}

// open opens the library at p; it returns why it cannot be used, "" when it is open.
func (p place) open() (reason string) {
	folder := ""
	if filepath.IsAbs(p.path) || strings.ContainsRune(p.path, filepath.Separator) {
		if _, err := os.Stat(p.path); errors.Is(err, os.ErrNotExist) {
			return "there is no such file"
		} else if err != nil {
			return err.Error()
		}
		if reason := inspect(p.path); reason != "" {
			return reason
		}
		folder = filepath.Dir(p.path)
	}
	blas := openBLAS(folder)
	mlxPath := ""
	if folder != "" {
		if mlxPath = filepath.Join(folder, libraryName("mlx")); !exists(mlxPath) {
			mlxPath = ""
		} else if err := capi.OpenGlobal(mlxPath); err != nil {
			return "its libmlx cannot be opened: " + err.Error()
		}
	}
	if err := capi.Open(p.path); err != nil {
		return err.Error()
	}
	loaded.library.Path, loaded.library.MLXPath, loaded.library.BLAS = p.path, mlxPath, blas
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// openBLAS opens an OpenBLAS so that libmlx's cblas functions bind to it: the
// reference BLAS that Linux wheels of MLX carry multiplies 50 times slower. On a
// Mac MLX uses Accelerate, and there is nothing to do.
func openBLAS(folder string) string {
	if runtime.GOOS != "linux" {
		return ""
	}
	names := []string{"libopenblas.so.0", "libopenblas.so"}
	if folder != "" {
		names = append([]string{filepath.Join(folder, names[0])}, names...)
	}
	switch named := os.Getenv(EnvBLAS); named {
	case "":
	case "none":
		return ""
	default:
		names = []string{named}
	}
	for _, name := range names {
		if capi.OpenGlobal(name) == nil {
			return name
		}
	}
	return ""
}

// prepare makes streams and looks over an open library.
func prepare() error {
	kind := capi.DeviceTypeCpu
	var gpu bool
	if dev := capi.DeviceNewType(capi.DeviceTypeGpu, 0); dev != 0 {
		if capi.DeviceIsAvailable(&gpu, dev) != 0 {
			capi.TakeError()
		}
		capi.DeviceFree(dev)
	} else {
		capi.TakeError() // a build without a GPU
	}
	if gpu {
		kind = capi.DeviceTypeGpu
	}
	if err := gate.Start(kind); err != nil {
		return fmt.Errorf("the library at %s cannot make a stream: %w", loaded.library.Path, err)
	}
	loaded.gpu = gpu
	if !gpu {
		// fused operations would be translated by g++, and no faster
		_ = gate.Run(func() { capi.SetCompileMode(capi.CompileModeDisabled) })
	}
	lib := &loaded.library
	lib.Devices = []Device{CPU}
	if gpu {
		lib.Devices = append(lib.Devices, GPU)
	}
	var version capi.String
	if capi.Version(&version) == 0 {
		lib.MLX = capi.StringData(version).String()
		capi.StringFree(version)
	}
	loaded.unproven = lib.MLX != provenMLX
	capi.GetMemoryLimit(&lib.Memory)
	loaded.room = roomOf()
	if most := int(loaded.room / 20 * 19); most < lib.Memory { // MLX's own part of the machine's memory
		var before int
		_ = gate.Run(func() { capi.SetMemoryLimit(&before, most) })
		lib.Memory = most
	}
	allow(lib.Memory)
	loaded.refused = selfCheck()
	for op, why := range loaded.refused {
		lib.Refused = append(lib.Refused, op+": "+why)
	}
	slices.Sort(lib.Refused)
	return nil
}
