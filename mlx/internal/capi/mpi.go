package capi

import "github.com/ebitengine/purego"

// FinalizeMPI calls MPI_Finalize of the MPI library that MLX has opened, if it has. MLX does so in a
// destructor that the C library runs at exit, and a Go program's exit runs none.
func FinalizeMPI() {
	if finalize := symbol(everywhere, "MPI_Finalize"); finalize != 0 {
		purego.SyscallN(finalize)
	}
}
