package mlx

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// What the system does not give, a thread or memory, is no fault of the library: such an error says
// so (ErrSystem), and sends nobody for another library.

// starvation holds what C++, MLX and the system's loader say when they get no thread or no memory.
var starvation = []string{"resource temporarily unavailable", "thread constructor failed", "bad_alloc", "cannot allocate", "unable to allocate", "failed to allocate",
	"out of memory", "failed to map segment", "cannot map zero-fill pages", "cannot create shared object descriptor"}

// starved reports whether an error is one of the system's, and not of the library. A disk that is
// mounted noexec lets nothing be mapped either.
func starved(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(starvation, func(sign string) bool { return strings.Contains(text, sign) }) && !strings.Contains(text, "not permitted")
}

// systemError is what the system does not give.
type systemError struct{ text string }

func (e *systemError) Error() string { return e.text }

// starvedError says why something could not be done, with the limits that are set and what to do.
func starvedError(reason string) error {
	return &systemError{fmt.Sprintf("the system gave too few threads or too little memory (%s)%s: raise the limit, or end what else runs", reason, limits())}
}

// rlimitProcesses is RLIMIT_NPROC of Linux (asm-generic/resource.h), which package syscall lacks.
const rlimitProcesses = 6

// fewProcesses is a limit that may be the reason. Systems set one of thousands for everybody.
const fewProcesses = 4096

// limits tells of those limits on the process that are set.
func limits() string {
	var set []string
	if most, ok := rlimit(limitAddressSpace); ok && most < math.MaxInt64 {
		set = append(set, fmt.Sprintf("an address space of %d KiB (`ulimit -v`)", most>>10))
	}
	if most, ok := rlimit(rlimitProcesses); ok && runtime.GOOS == "linux" && most < fewProcesses {
		set = append(set, fmt.Sprintf("%d processes and threads of the user (`ulimit -u`)", most))
	}
	if len(set) == 0 {
		return "; see `ulimit -a` and the cgroup's pids.max and memory.max"
	}
	return "; it is limited to " + strings.Join(set, " and ")
}

// libraryRoom is what the libraries map without a BLAS, with stacks for their threads.
const libraryRoom = 192 << 20

// enoughRoom returns an error where the libraries do not fit into the address space: the system's
// loader, or Go's runtime a moment later, would end the process.
func enoughRoom() error {
	if left := addressSpace(); left < libraryRoom {
		return &systemError{fmt.Sprintf("there is too little memory: MLX's libraries map %d MiB, and the process may map %d MiB more%s: raise the limit", libraryRoom>>20, left>>20, limits())}
	}
	return nil
}

// threadsBeside is how many threads MLX and Go start next to those of the BLAS before the first result.
const threadsBeside = 4

// enoughThreads returns an error where the system has not the threads that the libraries start when
// they are opened. OpenBLAS answers a refused thread by raising SIGINT, as if the user had.
func enoughThreads() error {
	if runtime.GOOS != "linux" {
		return nil
	}
	want := threadsBeside
	if os.Getenv(EnvBLAS) != "none" {
		want += blasThreads() - 1 // the caller's is one
	}
	if given := capi.Threads(want); given < want {
		text := fmt.Sprintf("MLX and its BLAS start %d threads on this machine, and the system gives the process %d%s: raise the limit, or set OPENBLAS_NUM_THREADS=1 for fewer", want, given, limits())
		return &systemError{text}
	}
	return nil
}

// mostBLAS is the most threads that the OpenBLAS of Debian is built for; others have fewer.
const mostBLAS = 128

// blasThreads is how many threads OpenBLAS computes with: as many as the processors that the process
// may use, or as its variables say.
func blasThreads() int {
	for _, name := range []string{"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"} {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
			return min(n, runtime.NumCPU(), mostBLAS)
		}
	}
	return min(runtime.NumCPU(), mostBLAS)
}
