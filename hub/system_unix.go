//go:build !windows

package hub

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// freeAt is what the user may still write to the disk of a folder that exists.
func freeAt(dir string) (uint64, error) {
	var s unix.Statfs_t
	err := unix.Statfs(dir, &s)
	return s.Bavail * uint64(s.Bsize), err
}

// openOwn opens a file of the cache for writing, and not what a link leads to.
func openOwn(path string, flag int) (*os.File, error) {
	return os.OpenFile(path, flag|os.O_CREATE|unix.O_NOFOLLOW, 0o666)
}

// otherNames reports whether a file has more names than one.
func otherNames(_ string, info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink > 1
}
