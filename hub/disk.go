package hub

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// freeSpace is what the user may still write to the disk that dir, or its nearest
// folder that exists, is on.
func freeSpace(dir string) (uint64, error) {
	for {
		var s unix.Statfs_t
		err := unix.Statfs(dir, &s)
		parent := filepath.Dir(dir)
		switch {
		case err == nil:
			return s.Bavail * uint64(s.Bsize), nil
		case !errors.Is(err, os.ErrNotExist) || parent == dir:
			return 0, err
		}
		dir = parent
	}
}

// syncDir makes renames in dir last through a loss of power. A file system that
// cannot do it is not an error.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// writeWhole gives path the content of write, at once.
func writeWhole(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is left there after the rename
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
