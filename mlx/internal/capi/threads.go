package capi

import (
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// semaphoreWords is the size of a sem_t, 32 bytes in glibc, with room to spare.
const semaphoreWords = 16

// Threads has the C library start n threads that live at the same time, and end: it returns how
// many the system gave. Go's own threads cannot be asked for so: where the system refuses one, the
// runtime ends the process. n, where the C library has not what it takes.
func Threads(n int) int {
	var f [5]uintptr
	for i, name := range []string{"pthread_create", "pthread_join", "sem_init", "sem_wait", "sem_post"} {
		if f[i] = symbol(everywhere, name); f[i] == 0 {
			return n
		}
	}
	create, join, initialize, wait, post := f[0], f[1], f[2], f[3], f[4]
	gate := new([semaphoreWords]uint64) // each thread waits until it opens, so that all live at once
	at := uintptr(unsafe.Pointer(gate))
	if failed, _, _ := purego.SyscallN(initialize, at, 0, 0); int32(failed) != 0 {
		return n
	}
	threads := make([]uintptr, n)
	given := 0
	for given < n {
		if failed, _, _ := purego.SyscallN(create, uintptr(unsafe.Pointer(&threads[given])), 0, wait, at); int32(failed) != 0 {
			break
		}
		given++
	}
	for range given {
		purego.SyscallN(post, at)
	}
	for _, thread := range threads[:given] {
		purego.SyscallN(join, thread, 0)
	}
	runtime.KeepAlive(gate)
	return given
}
