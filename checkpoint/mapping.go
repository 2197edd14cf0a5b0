package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"

	"github.com/mlxlens/mlxlens/internal/regular"
)

// mapping is one file in memory, read-only. The file stays open, so that verify asks
// about the file that is mapped and not about one renamed over it.
type mapping struct {
	path string
	file *os.File
	size int

	mu   sync.RWMutex // held for reading while data is read, for writing to unmap
	data []byte       // nil after close
}

// mapFile maps a regular, non-empty file.
func mapFile(path string) (*mapping, error) {
	f, size, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	if size == 0 {
		_ = f.Close()
		return nil, fmt.Errorf("checkpoint: %s: %w", path, checkContent(nil))
	}
	m := &mapping{path: path, file: f, size: int(size)}
	m.data, err = mapBytes(f, m.size)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("checkpoint: %s: mapping %d bytes into memory: %w", path, m.size, err)
	}
	return m, nil
}

// cause takes the operation and the path off a file error: ours says them already.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// errShrank is what reading a mapped file ends in when the file was cut short.
var errShrank = errors.New("the file was cut short while it was read: another program changed it; open it again")

// readMapped runs f, which reads mapped bytes, and turns the SIGBUS of a page that
// the file no longer has into an error instead of the end of the process. It covers
// the calling goroutine only.
func readMapped(f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // a fault, as documented at SetPanicOnFault
			err = errShrank
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

// verify fails when the file no longer has the size that was mapped.
func (m *mapping) verify() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.data == nil {
		return fmt.Errorf("checkpoint: %s: %w", m.path, errClosed)
	}
	info, err := m.file.Stat()
	if err != nil {
		return fmt.Errorf("checkpoint: %s: %w", m.path, cause(err))
	}
	if info.Size() != int64(m.size) {
		return fmt.Errorf("checkpoint: %s: has %d bytes now and had %d when it was opened: another program changed it; open it again", m.path, info.Size(), m.size)
	}
	return nil
}

// close unmaps the file once no reader is in it.
func (m *mapping) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		return nil
	}
	err := unmapBytes(m.data)
	m.data = nil
	return errors.Join(err, m.file.Close())
}

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
		forgetBytes(t.file.data[from:to])
	}
}
