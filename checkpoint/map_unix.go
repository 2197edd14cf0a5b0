//go:build !windows

package checkpoint

import (
	"os"

	"golang.org/x/sys/unix"
)

func mapBytes(f *os.File, size int) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_PRIVATE)
}

func unmapBytes(data []byte) error { return unix.Munmap(data) }

// forgetBytes tells the system that whole pages will not be read again soon: advice, which it
// may decline.
func forgetBytes(pages []byte) { _ = unix.Madvise(pages, unix.MADV_DONTNEED) }
