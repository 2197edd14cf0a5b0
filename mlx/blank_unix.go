//go:build !windows

package mlx

import "golang.org/x/sys/unix"

// blankPages are n bytes of zeros that take no memory before they are written.
func blankPages(n int) (blank []byte, done func(), err error) {
	blank, err = unix.Mmap(-1, 0, n, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON)
	return blank, func() { _ = unix.Munmap(blank) }, err
}
