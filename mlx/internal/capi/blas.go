package capi

import "github.com/ebitengine/purego"

// BLAS is a BLAS that is open, whose symbols later libraries bind to.
type BLAS struct{ lib uintptr }

// OpenBLAS opens one.
func OpenBLAS(path string) (BLAS, error) {
	lib, err := open(path, global)
	return BLAS{lib}, err
}

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
