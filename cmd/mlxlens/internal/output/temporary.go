package output

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// partial ends the names of temporary files.
const partial = ".mlxlens-partial"

// temporaryPrefix begins the names of an output's temporary files, beside it.
func temporaryPrefix(path string) string {
	base := filepath.Base(path)
	return "." + base[:min(len(base), 150)] + "." // a name has at most 255 bytes
}

// newTemporary creates a temporary file beside path, with the lock that tells others that
// its process lives, and with the permissions that the user's mask leaves.
func newTemporary(path string) (*os.File, error) {
	for range 100 {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf("%s%016x%s", temporaryPrefix(path), rand.Uint64(), partial))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err = lock(f); (err == nil || errors.Is(err, errNoLocks)) && stillAt(name, f) {
			unfinished.add(name)
			return f, nil
		}
		f.Close() // who sweeps has it, and removes it
	}
	return nil, errors.New("no temporary file stays there")
}

// sweep removes what killed runs left of an output, except own, and returns errBusy when
// a run that lives is at it.
func sweep(path, own string) error {
	dir := filepath.Dir(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // where files can be made and not listed, nothing can be swept
	}
	prefix := temporaryPrefix(path)
	var busy error
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		random, ours := strings.CutPrefix(strings.TrimSuffix(e.Name(), partial), prefix)
		if !ours || len(random) != 16 || !strings.HasSuffix(e.Name(), partial) || !e.Type().IsRegular() || name == own {
			continue
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue // another user's, or gone
		}
		switch err := lock(f); {
		case errors.Is(err, errBusy):
			busy = err
		case err == nil:
			os.Remove(name)
		}
		f.Close()
	}
	return busy
}

// unfinished holds the temporary files that are being written.
var unfinished temporaries

type temporaries struct {
	mu    sync.Mutex
	paths map[string]bool
}

func (t *temporaries) add(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paths == nil {
		t.paths = map[string]bool{}
	}
	t.paths[path] = true
}

func (t *temporaries) done(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.paths, path)
}

// RemoveUnfinished removes the temporary files of a process that ends.
func RemoveUnfinished() {
	unfinished.mu.Lock()
	defer unfinished.mu.Unlock()
	for path := range unfinished.paths {
		os.Remove(path)
	}
}
