package capi

import "errors"

// There is no MLX for Windows: nothing is opened, and nothing found. The package compiles there for
// those that draw and read what others computed.
const (
	local = iota
	global
	everywhere
)

// Supported reports whether MLX exists for the system.
const Supported = false

var errNoLoader = errors.New("MLX has no library for Windows")

func dlopen(string, int) (uintptr, error) { return 0, errNoLoader }

func dlsym(uintptr, string) (uintptr, error) { return 0, errNoLoader }

func dlclose(uintptr) error { return errNoLoader }
