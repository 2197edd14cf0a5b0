package checkpoint

import (
	"os"

	"github.com/edsrzf/mmap-go"
)

// A file that is mapped here cannot be cut short: Windows refuses that to every program.
func mapBytes(f *os.File, _ int) ([]byte, error) { return mmap.Map(f, mmap.RDONLY, 0) }

func unmapBytes(data []byte) error {
	m := mmap.MMap(data)
	return m.Unmap()
}

// forgetBytes does nothing: Windows takes the pages of a mapped file when it needs them.
func forgetBytes([]byte) {}
