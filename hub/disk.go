package hub

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// freeSpace is what the user may still write to the disk that dir, or its nearest
// folder that exists, is on.
func freeSpace(dir string) (uint64, error) {
	for {
		free, err := freeAt(dir)
		parent := filepath.Dir(dir)
		switch {
		case err == nil:
			return free, nil
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

// writeWhole gives path the content of write, at once, with the permissions that the user's
// mask leaves.
func writeWhole(path string, write func(io.Writer) error) error {
	aside := fmt.Sprintf("%s.%x.tmp", path, rand.Uint64())
	f, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(aside) // nothing is left there after the rename
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(aside, path)
	}
	return err
}
