package capi

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Some functions of MLX leave the stream that they are given out of a call of their own, which
// then runs on the default stream of the thread (contract.go lists them). A thread without one
// makes a stream that no other thread may use, and what was built cannot be evaluated:
// goroutines move between threads. So those functions run with their own stream as the
// thread's default.
//
// The default device is the process's, and decides which default stream counts. Where there is a
// GPU, a call for another device than the usual one has it to itself.
var defaults struct {
	sync.RWMutex
	usual   Device
	devices atomic.Pointer[map[Stream]Device] // nil when there is one device only
}

// SetUsualDevice makes d the process's default device. It is called once, before any other use.
func SetUsualDevice(d Device) int32 {
	defaults.usual = d
	return SetDefaultDevice(d)
}

// NoteStream tells on which device a stream is, where there are several.
func NoteStream(s Stream, d Device) {
	devices := map[Stream]Device{s: d}
	if before := defaults.devices.Load(); before != nil {
		for s, d := range *before {
			devices[s] = d
		}
	}
	defaults.devices.Store(&devices)
}

// EnterDefaults makes s the default of the thread, and keeps the goroutine there until
// LeaveDefaults.
func EnterDefaults(s Stream) {
	runtime.LockOSThread()
	if devices := defaults.devices.Load(); devices != nil {
		if d := (*devices)[s]; d == defaults.usual {
			defaults.RLock()
		} else {
			defaults.Lock()
			SetDefaultDevice(d)
		}
	}
	if s != 0 {
		SetDefaultStream(s)
	}
}

// LeaveDefaults ends what EnterDefaults began.
func LeaveDefaults(s Stream) {
	if devices := defaults.devices.Load(); devices != nil {
		if (*devices)[s] == defaults.usual {
			defaults.RUnlock()
		} else {
			SetDefaultDevice(defaults.usual)
			defaults.Unlock()
		}
	}
	runtime.UnlockOSThread()
}
