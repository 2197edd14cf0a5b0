package checkpoint

import (
	"os"

	"golang.org/x/sys/unix"
)

// Forget tells the system that the tensor's bytes will not be read again soon, so that
// a file that was copied into arrays does not count twice in memory. What is read after
// all comes from the file.
func (t *Tensor) Forget() {
	t.file.mu.RLock()
	defer t.file.mu.RUnlock()
	if t.file.data == nil {
		return
	}
	// only whole pages: the others hold parts of the tensors beside it
	page := os.Getpagesize()
	from, to := (t.start+page-1)/page*page, (t.start+t.size)/page*page
	if from < to {
		_ = unix.Madvise(t.file.data[from:to], unix.MADV_DONTNEED) // advice, which may be declined
	}
}
