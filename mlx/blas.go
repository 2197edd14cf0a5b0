package mlx

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/cpu"

	"github.com/mlxlens/mlxlens/internal/origin"
	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// EnvBLASCore is OpenBLAS' own variable: the processor whose kernels it takes.
const EnvBLASCore = "OPENBLAS_CORETYPE"

// An OpenBLAS knows processors by their numbers. To those that came after it an older one gives the kernels of the first of
// their kind: Debian's 0.3.21 multiplies on an Emerald Rapids as on a Prescott of 2004, eight times slower than it can.

// dated are the cores, as OpenBLAS calls them, that have no AVX2.
var dated = []string{"Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Sandybridge", "Atom", "Katmai", "Coppermine", "Northwood", "Banias",
	"Athlon", "Opteron", "Opteron_SSE3", "Barcelona", "Bobcat", "Bulldozer", "Piledriver", "Nano"}

// core is the core whose kernels this processor can run at least, "" where OpenBLAS is left to choose.
func core() string {
	x := cpu.X86
	switch {
	case x.HasAVX512F && x.HasAVX512CD && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL:
		return "SkylakeX"
	case x.HasAVX2 && x.HasFMA:
		return "Haswell"
	}
	return ""
}

// openKernels opens a BLAS that can be mapped, and returns whose kernels it took. An OpenBLAS that took those of a processor too
// old for this one is opened again and told of a better one, unless the user has named one.
func openKernels(path string) (string, error) {
	blas, err := capi.OpenBLAS(path)
	if err != nil {
		return "", err
	}
	took, better := blas.Core(), core()
	if better == "" || !slices.Contains(dated, took) || os.Getenv(EnvBLASCore) != "" {
		return took, nil
	}
	if blas.Close() != nil {
		return took, nil
	}
	capi.SetDefault(EnvBLASCore, better) // read as it is opened
	if blas, err = capi.OpenBLAS(path); err != nil {
		return "", err
	}
	return blas.Core(), nil
}

// openBLAS opens an OpenBLAS, unless $MLX_C_BLAS says which or none, so that libmlx's cblas functions bind to it: the
// reference BLAS that Linux wheels of MLX carry multiplies 50 times slower. It lies in folder, beside libmlxc, or where the system's
// loader looks.
func openBLAS(folder string) {
	if os.Getenv(EnvBLAS) != "" || !opensBLAS() {
		return
	}
	lib := &loaded.library
	lib.BLAS, lib.Kernels, lib.SearchedBLAS, lib.DamagedBLAS = "", "", nil, nil
	if beside := filepath.Join(folder, "libopenblas.so.0"); folder != "" && exists(beside) {
		reason := inspectWhole(beside)
		if reason != "" && !ofAnotherMachine(reason) {
			lib.DamagedBLAS = append(lib.DamagedBLAS, beside+": "+reason)
		}
		if lib.tryBLAS(beside, cmp.Or(origin.Refusal(beside), reason)) {
			return
		}
	}
	for _, name := range []string{"libopenblas.so.0", "libopenblas.so"} {
		whole := cmp.Or(loaderStrays(), unmappable(name))
		if lib.tryBLAS(name, whole) {
			return
		}
		if whole == "" {
			continue
		}
		for _, file := range loaderFiles(name) { // the loader is not asked, and its files are taken one by one
			switch reason := inspectWhole(file); {
			case reason != "" && !ofAnotherMachine(reason):
				lib.DamagedBLAS = append(lib.DamagedBLAS, file+": "+reason)
				lib.SearchedBLAS = append(lib.SearchedBLAS, file+": "+reason)
			case ofAProcessor(file): // not ours to choose
			default:
				if lib.tryBLAS(file, cmp.Or(reason, origin.Refusal(file), strayNeed(file))) {
					return
				}
			}
		}
	}
}

// tryBLAS opens a BLAS that can be mapped, unless a reason speaks against it, and writes down what came of it.
func (l *Library) tryBLAS(name, against string) bool {
	if against == "" {
		kernels, err := openKernels(name)
		if err == nil {
			l.BLAS, l.Kernels = name, kernels
			l.SearchedBLAS = append(l.SearchedBLAS, name+": taken")
			return true
		}
		against = err.Error()
	}
	l.SearchedBLAS = append(l.SearchedBLAS, name+": "+against)
	return false
}

// oneThread counts who has asked for one thread, and keeps how many there were.
var oneThread struct {
	sync.Mutex
	callers, before int
}

// OneBLASThread has OpenBLAS compute each product on the thread that asks for it, in the whole process, until the last of those who
// have asked for it calls release. For work that goes through several streams of the CPU at once: OpenBLAS computes one product at a
// time with many threads, which spin while they wait for the next, and any number with one. It does nothing where the BLAS is another.
func OneBLASThread() (release func()) {
	if Load() != nil {
		return func() {}
	}
	oneThread.Lock()
	defer oneThread.Unlock()
	if oneThread.callers++; oneThread.callers == 1 {
		oneThread.before = capi.BLASThreads()
		capi.SetBLASThreads(1)
	}
	return sync.OnceFunc(func() {
		oneThread.Lock()
		defer oneThread.Unlock()
		if oneThread.callers--; oneThread.callers == 0 {
			capi.SetBLASThreads(oneThread.before)
		}
	})
}
