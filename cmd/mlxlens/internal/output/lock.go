package output

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errBusy is what lock returns when another process has the lock.
var errBusy = errors.New("another process writes it now: wait until it has ended, or give another name")

// errNoLocks is what lock returns on a disk that has none, as some network disks.
var errNoLocks = errors.New("its disk has no locks")

// lock takes the lock of an open file, which the system gives back when the file is closed
// or the process ends, in whatever way.
func lock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return errBusy
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOLCK):
			return errNoLocks
		}
		return err
	}
}

// stillAt reports whether a path names an open file: another process may have removed or
// replaced it before the lock was taken.
func stillAt(path string, f *os.File) bool {
	now, err := os.Stat(path)
	if err != nil {
		return false
	}
	mine, err := f.Stat()
	return err == nil && os.SameFile(now, mine)
}
