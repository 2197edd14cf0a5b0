package capi

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ebitengine/purego"
)

// getg returns the address of the runtime's record of the calling goroutine.
func getg() uintptr

// GoroutineID returns the id of the calling goroutine, the one that stack traces print.
func GoroutineID() uint64 {
	if at := idAt(); at > 0 {
		return SliceAt[uint64](Pointer(getg()), recordWords)[at]
	}
	return printedID()
}

// printedID reads the id from the head of the goroutine's stack trace, the only place where the
// runtime tells it. That walks the stack: it takes 1 µs of a shallow one, and 27 inside a
// function that the library calls.
func printedID() uint64 {
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

// recordWords is how much of a record is looked at; it has been longer since Go 1.5.
const recordWords = 40

// idAt is the word of a goroutine's record that holds its id, 0 when it cannot be told. Where it
// is differs between Go's releases, so it is looked for: the one word that is the printed id in
// each of several goroutines.
var idAt = sync.OnceValue(func() int {
	var all [][]int
	for range 8 {
		found := make(chan []int)
		go func() {
			var at []int
			for i, word := range SliceAt[uint64](Pointer(getg()), recordWords) {
				if word == printedID() {
					at = append(at, i)
				}
			}
			found <- at
		}()
		all = append(all, <-found)
	}
	common := all[0]
	for _, at := range all[1:] {
		common = slices.DeleteFunc(common, func(i int) bool { return !slices.Contains(at, i) })
	}
	if len(common) != 1 {
		return 0
	}
	return common[0]
})

// ThreadID tells the calling OS thread from the others that live.
func ThreadID() uintptr {
	id, _, _ := purego.SyscallN(pthreadSelf())
	return id
}

var pthreadSelf = sync.OnceValue(func() uintptr { return symbol(everywhere, "pthread_self") })
