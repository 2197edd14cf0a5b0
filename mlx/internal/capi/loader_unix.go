//go:build !windows

package capi

import "github.com/ebitengine/purego"

// The system's loader. local and global say who sees a library's symbols; everywhere is where
// symbol looks through all libraries that are open.
const (
	local      = purego.RTLD_LOCAL
	global     = purego.RTLD_GLOBAL
	everywhere = purego.RTLD_DEFAULT
)

// Supported reports whether MLX exists for the system.
const Supported = true

func dlopen(path string, mode int) (uintptr, error) { return purego.Dlopen(path, purego.RTLD_NOW|mode) }

func dlsym(lib uintptr, name string) (uintptr, error) { return purego.Dlsym(lib, name) }

func dlclose(lib uintptr) error { return purego.Dlclose(lib) }
