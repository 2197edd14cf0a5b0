package capi

import (
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/ebitengine/purego"
)

// GoroutineID returns the id of the calling goroutine, read from the head of its
// stack trace, the only place where the runtime tells it. It takes about 1 µs.
func GoroutineID() uint64 {
	var buf [64]byte
	head := string(buf[:runtime.Stack(buf[:], false)]) // "goroutine 18 [running]:…"
	head = strings.TrimPrefix(head, "goroutine ")
	digits, _, _ := strings.Cut(head, " ")
	id, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		panic("capi: no goroutine id in " + strconv.Quote(head))
	}
	return id
}

// ThreadID tells the calling OS thread from the others that live.
func ThreadID() uintptr {
	id, _, _ := purego.SyscallN(pthreadSelf())
	return id
}

var pthreadSelf = sync.OnceValue(func() uintptr { return symbol(purego.RTLD_DEFAULT, "pthread_self") })
