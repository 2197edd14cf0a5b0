package capi

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

// SetDefault gives a variable of the C library's environment a value where it has none. Go keeps a copy
// of its own: what os.Setenv changes libmlx does not see. It must come before another thread of C reads
// the environment.
func SetDefault(name, value string) {
	if setenv := symbol(everywhere, "setenv"); setenv != 0 {
		purego.SyscallN(setenv, uintptr(unsafe.Pointer(Bytes(name))), uintptr(unsafe.Pointer(Bytes(value))), 0)
	}
}
