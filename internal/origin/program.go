package origin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// located is where the program's own file is.
type located struct {
	path string // links resolved; "" when nothing tells
	told bool   // the system says so, and not the name alone that the program was started by
	err  error  // why nothing tells
}

// self is where this program is, as it was when this was first asked: a relative name may mean another file later.
var self = sync.OnceValue(func() located { return locate(os.Executable, os.Args[0]) })

// Program returns the program's own file, links resolved; "" when nothing says where it is.
func Program() string { return self().path }

// ProgramError says why Program has nothing to return, nil when it has.
func ProgramError() error { return self().err }

// locate asks the system for the program's file. Where that does not say, as Linux without /proc, the name tells that the program was
// started by.
func locate(system func() (string, error), name string) located {
	path, err := system()
	if err == nil {
		return located{path: resolved(path), told: true}
	}
	path, byName := named(name)
	if byName != nil {
		return located{err: fmt.Errorf("the system does not say which file the program is (%w), nor does %q, by which it was started (%w)", err, name, byName)}
	}
	return located{path: resolved(path)}
}

// named returns the file that a program was started as by a name: in a folder of $PATH, unless the name is a path.
func named(name string) (string, error) {
	path, err := exec.LookPath(name)
	if lookErr := (*exec.Error)(nil); errors.As(err, &lookErr) {
		err = lookErr.Err
	}
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	if err != nil {
		return "", err
	}
	if !strings.ContainsRune(name, filepath.Separator) && !filepath.IsAbs(path) {
		return "", exec.ErrDot
	}
	return filepath.Abs(path)
}

func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
