package capi

import (
	"sync"

	"github.com/ebitengine/purego"
)

// glibc's own functions, 0 where the C library has none.
var (
	mallocTrim = sync.OnceValue(func() uintptr { return symbol(everywhere, "malloc_trim") })
	mallopt    = sync.OnceValue(func() uintptr { return symbol(everywhere, "mallopt") })
)

// TrimHeap gives back to the system what malloc keeps of freed memory. glibc keeps up to
// 32 MB of every size that was freed once, in an arena of each thread; MLX allocates on
// several.
func TrimHeap() {
	if f := mallocTrim(); f != 0 {
		purego.SyscallN(f, 0)
	}
}

// MapBlocks makes malloc take every block of 1 MB or more from the system, and give it
// back when it is freed, from now on.
func MapBlocks() {
	const mmapThreshold = -3 // M_MMAP_THRESHOLD in malloc.h
	if f := mallopt(); f != 0 {
		param := mmapThreshold
		purego.SyscallN(f, uintptr(param), 1<<20)
	}
}
