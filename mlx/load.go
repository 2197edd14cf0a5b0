package mlx

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
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
	Proven   string   // the version of libmlx that this package was proven with
	Remedy   string   // the command that gets that one
	MLXPath  string   // libmlx, "" when libmlxc found it by itself
	BLAS     string   // the BLAS opened before libmlx, "" for libmlx's own
	Kernels  string   // the processor whose kernels that BLAS takes, in OpenBLAS' words, "" where it does not say
	Devices  []Device // what it can compute on
	Memory   int      // MLX's memory limit in bytes
	Refused  []string // C functions that failed the self-check, each with the reason
	Searched []string // every place of the search, in order, with why it was taken or not

	SearchedBLAS []string // the same of the search for an OpenBLAS, where there is one
	DamagedBLAS  []string // files of an OpenBLAS that were passed by, each with what is wrong with it
}

var loaded struct {
	mu      sync.Mutex
	chosen  string // by SetLibrary
	done    atomic.Bool
	err     error
	library Library

	driverless string // the first library that was passed by for want of NVIDIA's driver

	memoryLimit atomic.Int64 // SetMemoryLimit changes it

	compiles    bool // whether Compile traces; the gate guards it
	compilesCPU bool // also what the CPU alone computes

	// written once, before done
	room int64 // what the system gives the process at most
	gpu  bool

	// unproven is whether libmlx is another than the one whose functions were looked through for
	// the thread's default stream (capi/gen): then each of them may take it.
	unproven bool
	refused  map[string]string // operation → why

	scaledGather bool // mlx_gather_qmm takes a global scale, as an mlx-c of MLX 0.32.3 or later may have it
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
	if !capi.Supported {
		loaded.err = newError("", ErrLibrary, "there is no MLX for "+runtime.GOOS+": models run on macOS and Linux; what needs no MLX works here (checkpoint, tokenizer, hub, lens/render)")
		return loaded.err
	}
	if err := open(); err != nil {
		kind := ErrLibrary
		if system := (*systemError)(nil); errors.As(err, &system) {
			kind = ErrSystem
		}
		failure := newError("", kind, err.Error())
		if blas := (*blasError)(nil); errors.As(err, &blas) {
			failure.cause = ErrBLAS
		}
		loaded.err = failure
		return loaded.err
	}
	loaded.done.Store(true)
	return nil
}

// LoadedLibrary returns what Load opened.
//
// Where none is usable, Searched alone is told, and Path where it is [ErrBLAS] alone that is in the way.
func LoadedLibrary() (Library, error) {
	if err := Load(); err != nil {
		return Library{Path: loaded.library.Path, Searched: loaded.library.Searched}, err
	}
	return loaded.library, nil
}

// keepGraphsGoing turns off a check of MLX for CUDA, unless the environment has it. It keeps 400 graphs by their
// shapes, and the 801st that a process ever makes is an error which leaves the stream of no use
// (mlx/backend/cuda/lru_cache.h): nothing for a program that runs prompts of any length. Without the check the
// oldest makes room, as it does before the error.
func keepGraphsGoing() { capi.SetDefault("MLX_ENABLE_CACHE_THRASHING_CHECK", "0") }

// prepare makes streams and looks over an open library.
func prepare() error {
	keepGraphsGoing()
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
		return fmt.Errorf("the library at %s cannot make a stream: %s", loaded.library.Path, reasonOf(err.Error()))
	}
	loaded.gpu = gpu
	loaded.compiles = gpu
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
	lib.Proven, lib.Remedy = provenMLX, provenCommand()
	loaded.unproven = lib.MLX != provenMLX
	capi.GetMemoryLimit(&lib.Memory)
	loaded.room = roomOf()
	if most := int(loaded.room / 20 * 19); most < lib.Memory { // MLX's own part of the machine's memory
		var before int
		_ = gate.Run(func() { capi.SetMemoryLimit(&before, most) })
		lib.Memory = most
	}
	allow(lib.Memory)
	if err := gate.Run(chooseForms); err != nil {
		return err
	}
	refused, err := selfCheck()
	if err != nil {
		return fmt.Errorf("the library at %s%s cannot be checked: %w", lib.Path, lib.unproven(), err)
	}
	loaded.refused = refused
	for op, why := range loaded.refused {
		lib.Refused = append(lib.Refused, op+": "+why)
	}
	slices.Sort(lib.Refused)
	return nil
}

// unproven names the version of libmlx where it is another than the proven one.
func (l *Library) unproven() string {
	if l.MLX == l.Proven {
		return ""
	}
	return fmt.Sprintf(" (MLX %s; this package was proven with %s)", l.MLX, l.Proven)
}
