package capi

import (
	"sync"

	"github.com/ebitengine/purego"
)

// BLAS is a BLAS that is open, whose symbols later libraries bind to.
type BLAS struct{ lib uintptr }

// OpenBLAS opens one.
func OpenBLAS(path string) (BLAS, error) {
	lib, err := open(path, global)
	return BLAS{lib}, err
}

// Multiplies reports whether a BLAS is open for what is opened from now on.
func Multiplies() bool { return symbol(everywhere, "cblas_sgemm") != 0 }

// Core names the processor whose kernels OpenBLAS chose, in its own words; "" where the library does not say.
func (b BLAS) Core() string {
	name := symbol(b.lib, "openblas_get_corename")
	if name == 0 {
		return ""
	}
	text, _, _ := purego.SyscallN(name)
	return CString(text).String()
}

// Close lets the library go, before anything else was bound to it: it ends its threads then.
func (b BLAS) Close() error { return dlclose(b.lib) }

// OpenBLAS' own functions, 0 where the BLAS that is open for all is another.
var (
	blasThreads    = sync.OnceValue(func() uintptr { return symbol(everywhere, "openblas_get_num_threads") })
	setBLASThreads = sync.OnceValue(func() uintptr { return symbol(everywhere, "openblas_set_num_threads") })
)

// BLASThreads returns how many threads OpenBLAS computes a product with, 0 where the BLAS is another.
func BLASThreads() int {
	f := blasThreads()
	if f == 0 {
		return 0
	}
	n, _, _ := purego.SyscallN(f)
	return int(int32(n))
}

// SetBLASThreads has OpenBLAS compute products with n threads from now on. Products that are under way are not disturbed: each has read the number as it
// began.
func SetBLASThreads(n int) {
	if f := setBLASThreads(); f != 0 {
		purego.SyscallN(f, uintptr(n))
	}
}
