package capi

import (
	"syscall"
	"unsafe"
)

// sigaction is the kernel's struct of amd64 and arm64 (asm-generic/signal.h).
type sigaction struct {
	handler  uintptr // SIG_DFL 0, SIG_IGN 1
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	onStack     = 0x08000000 // SA_ONSTACK
	lastSignal  = 31         // of the standard ones
	ignored     = 1          // SIG_IGN
	maskedBytes = unsafe.Sizeof(sigaction{}.mask)
)

// KeepSignalStacks has every handler of a signal run on a signal stack again. Go ends a process ("handler not on signal stack") whose
// handler begins on a goroutine's stack; CUDA's compiler of kernels (NVRTC) replaces that of SIGINT while it works, and puts Go's back
// without the flag that says so.
func KeepSignalStacks() {
	for signal := uintptr(1); signal <= lastSignal; signal++ {
		var set sigaction
		if setAction(signal, nil, &set) != 0 || set.handler <= ignored || set.flags&onStack != 0 {
			continue
		}
		set.flags |= onStack
		setAction(signal, &set, nil)
	}
}

// setAction is rt_sigaction, which says what is set, and sets another.
func setAction(signal uintptr, to, was *sigaction) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, signal, uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(was)), maskedBytes, 0, 0)
	return errno
}
