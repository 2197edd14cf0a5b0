//go:build mlxgate

package capi

import (
	"fmt"
	"sync/atomic"
)

// holder is the goroutine inside the gate, 0 for none.
var holder atomic.Uint64

// EnterGate and LeaveGate tell the check below who is inside.
func EnterGate() { holder.Store(GoroutineID()) }

// LeaveGate ends what EnterGate began.
func LeaveGate() { holder.Store(0) }

// assertGate panics when a function that needs the gate is called outside it.
// On Linux this is the only sure way to see the mistake.
func assertGate(index int) {
	if holder.Load() != GoroutineID() {
		panic(fmt.Sprintf("capi: %s called outside the gate", symbols[index]))
	}
}
