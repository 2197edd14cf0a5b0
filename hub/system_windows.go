package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// freeAt is what the user may still write to the disk of a folder that exists.
func freeAt(dir string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return free, err
}

// openOwn opens a file of the cache for writing, and not what a link leads to: the flag opens
// the link itself, which is then refused. It is emptied after that look, not before.
func openOwn(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag&^os.O_TRUNC|os.O_CREATE|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0o666)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file (mode %s)", path, info.Mode())
	}
	if err == nil && flag&os.O_TRUNC != 0 {
		err = f.Truncate(0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// otherNames reports whether a file has more names than one. One that cannot be asked has: it
// is fetched anew.
func otherNames(path string, _ fs.FileInfo) bool {
	f, err := os.Open(path)
	if err != nil {
		return true
	}
	defer f.Close()
	var about windows.ByHandleFileInformation
	err = windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &about)
	return err != nil || about.NumberOfLinks > 1
}
