//go:build !linux

package capi

// KeepSignalStacks is for CUDA, which only Linux has.
func KeepSignalStacks() {}
