package capi

import (
	"sync"

	"github.com/ebitengine/purego"
)

// texts holds MLX's message for each goroutine whose last call failed. The
// handler runs on the calling thread, inside the call, so that it runs on the
// calling goroutine too; a thread id would not do, since goroutines move.
var texts = struct {
	sync.Mutex
	of map[uint64]string
}{of: map[uint64]string{}}

func installErrorHandler() {
	handler := purego.NewCallback(func(msg, _ uintptr) {
		id := GoroutineID()
		text := CString(msg).String()
		texts.Lock()
		texts.of[id] = text
		texts.Unlock()
	})
	// the destructor must be NULL: with one, MLX would call it at process exit
	SetErrorHandler(Callback(handler), 0, 0)
}

// TakeError returns and forgets the text that MLX raised on this goroutine, ""
// if none.
func TakeError() string {
	id := GoroutineID()
	texts.Lock()
	defer texts.Unlock()
	text := texts.of[id]
	delete(texts.of, id)
	return text
}
