// Package capi is the C room: one Go function for each function of mlx-c, and
// the only package of mlxlens that imports purego or unsafe.
//
// Nothing here is safe by itself. A handle is an address; who owns it, what may
// be NULL and which calls must be made one at a time is written in the contract
// (include/mlxc.json) and kept by package mlx. In short:
//
//   - an out parameter must hold 0 or a live handle, and is assigned in place;
//   - inputs are borrowed, results belong to the caller, each freed exactly once;
//   - a status of 1 means that the error handler got a text ([TakeError]),
//     2 means "not found" and comes without one.
//
// The files z*.go are generated: go generate, and see gen/main.go.
package capi

//go:generate go run ./gen
