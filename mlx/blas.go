package mlx

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/cpu"

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

// openKernels opens a BLAS, and returns whose kernels it took. An OpenBLAS that took those of a processor too old for
// this one is opened again and told of a better one, unless the user has named one.
func openKernels(path string) (string, error) {
	if file := fileOf(path); exists(file) {
		if reason := inspect(file); reason != "" { // the loader would map what is not there, and the process end by it
			return "", errors.New(reason)
		}
	}
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

// fileOf is the file that the loader opens for a name, as far as the name and $LD_LIBRARY_PATH say, else "".
func fileOf(name string) string {
	if strings.ContainsRune(name, filepath.Separator) {
		return name
	}
	for _, folder := range loaderFolders() {
		if file := filepath.Join(folder, name); exists(file) {
			return file
		}
	}
	return ""
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
