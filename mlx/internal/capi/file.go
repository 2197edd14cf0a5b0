package capi

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// stdio holds the C library's functions for a FILE* that writes to memory.
var stdio = sync.OnceValue(func() (f struct{ open, close, free uintptr }) {
	f.open = symbol(everywhere, "open_memstream")
	f.close = symbol(everywhere, "fclose")
	f.free = symbol(everywhere, "free")
	return f
})

// WriteFile calls f with a FILE* and returns what was written to it.
func WriteFile(f func(File)) ([]byte, error) {
	io := stdio()
	if io.open == 0 || io.close == 0 || io.free == 0 {
		return nil, errors.New("the C library has no open_memstream")
	}
	buffer := new(struct{ at, size uintptr }) // C writes here until the file is closed
	file, _, _ := purego.SyscallN(io.open, uintptr(unsafe.Pointer(&buffer.at)), uintptr(unsafe.Pointer(&buffer.size)))
	if file == 0 {
		return nil, errors.New("open_memstream found no memory")
	}
	f(File(file))
	purego.SyscallN(io.close, file)
	text := append([]byte(nil), SliceAt[byte](Pointer(buffer.at), int(buffer.size))...)
	purego.SyscallN(io.free, buffer.at)
	runtime.KeepAlive(buffer)
	return text, nil
}
