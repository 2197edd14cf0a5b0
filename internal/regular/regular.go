// Package regular is how every file is opened that a user, a model or a hub names: it must be a
// regular one and no larger than its reader allows. A pipe would block, a device never end, and
// a file of the wrong kind take all memory before anything looks at it.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Open opens a regular file for reading, and returns its size. Links are followed. An error
// goes on a sentence that begins with the path, which the caller writes.
func Open(path string) (*os.File, int64, error) {
	// what is no file is not opened at all, for opening alone makes some devices act
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, missing(path, err)
	}
	if err := check(info); err != nil {
		return nil, 0, err
	}
	// and when it has become a pipe since, this does not wait for a writer
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, missing(path, err)
	}
	if info, err = f.Stat(); err == nil {
		err = check(info)
	}
	if err != nil {
		_ = f.Close()
		return nil, 0, cause(err)
	}
	return f, info.Size(), nil
}

// Read reads a regular file of at most so many bytes.
func Read(path string, most int64) ([]byte, error) {
	f, size, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > most {
		return nil, TooLarge(size, most)
	}
	// of a file that grows meanwhile no more is read than is allowed
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, cause(err)
	case int64(len(data)) > most:
		return nil, TooLarge(int64(len(data)), most)
	}
	return data, nil
}

// TooLarge is the error of a file that has more bytes than its reader allows.
func TooLarge(size, most int64) error {
	return fmt.Errorf("has %d bytes (at most %d)", size, most)
}

// check refuses what is no regular file, by what it is.
func check(info fs.FileInfo) error {
	if what := kind(info.Mode()); what != "" {
		return fmt.Errorf("is not a regular file (mode %s): it is %s", info.Mode(), what)
	}
	return nil
}

// kind names what is no regular file, "" for one that is.
func kind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return ""
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// missing tells a link to nothing from a file that is not there.
func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if target, linkErr := os.Readlink(path); linkErr == nil {
			return &danglingError{target}
		}
	}
	return cause(err)
}

// danglingError is fs.ErrNotExist of a link.
type danglingError struct{ target string }

func (e *danglingError) Error() string {
	return fmt.Sprintf("is a link to %q, which is missing; download it again", e.target)
}

func (e *danglingError) Unwrap() error { return fs.ErrNotExist }

// cause takes the operation and the path off a file error: the caller says them.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
