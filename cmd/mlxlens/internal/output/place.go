// Package output is where the commands write their answers: files that appear under
// their names when they are whole, files of lines that a later run continues, and streams.
package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A Place is where a name leads. Links are followed: what they lead to is written, and they
// stay.
type Place struct {
	Name string // as the user wrote it, "" for none: stdout

	path   string      // without links
	info   os.FileInfo // of what is there, nil for nothing
	stdout io.Writer   // where the name is stdout's
}

// Stdout is the place of an answer that is printed.
func Stdout(w io.Writer) *Place {
	p := &Place{path: "-", stdout: w}
	if f, ok := w.(interface{ Stat() (os.FileInfo, error) }); ok {
		p.info, _ = f.Stat() // without it nothing is known to be the same file
	}
	return p
}

// maxLinks is how many links in a row Linux follows (path_resolution(7)).
const maxLinks = 40

// Find looks a name up; "-" is stdout.
func Find(name string, stdout io.Writer) (*Place, error) {
	p := &Place{Name: name, path: name}
	for range maxLinks {
		if isStdout(p.path) {
			p = Stdout(stdout)
			p.Name = name
			return p, nil
		}
		info, err := os.Lstat(p.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return p, nil
		case err != nil:
			return nil, p.unwritable(err)
		case info.IsDir():
			return nil, fmt.Errorf("output %q is a folder", name)
		case info.Mode()&fs.ModeSymlink == 0:
			p.info = info
			return p, nil
		}
		if err := p.follow(); err != nil {
			return nil, p.unwritable(err)
		}
	}
	return nil, fmt.Errorf("output %q is a link that leads through more than %d others", name, maxLinks)
}

// follow goes one link further. A link is read from the folder in which it really lies.
func (p *Place) follow() error {
	to, err := os.Readlink(p.path)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(to) {
		dir, err := filepath.EvalSymlinks(filepath.Dir(p.path))
		if err != nil {
			return err
		}
		to = filepath.Join(dir, to)
	}
	if target, err := os.Stat(p.path); err == nil && !target.Mode().IsRegular() && !target.IsDir() && !isStdout(to) {
		p.info = target // a pipe in /proc has a link without a name
		return nil
	}
	p.path = to
	return nil
}

func isStdout(path string) bool {
	return slices.Contains([]string{"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}, filepath.Clean(path))
}

// Stdout reports whether the name is stdout's.
func (p *Place) Stdout() bool { return p.stdout != nil }

// Whole reports whether the place is for a file with content of its own: not a pipe, not
// a device, not stdout.
func (p *Place) Whole() bool { return p.stdout == nil && (p.info == nil || p.info.Mode().IsRegular()) }

// String is the place in a message.
func (p *Place) String() string {
	if p.Name == "" {
		return "stdout"
	}
	return fmt.Sprintf("output %q", p.Name)
}

// Refuse returns an error when the place is a file that the command reads. What has the
// same content under another name, by a link of either kind, is the same file.
func (p *Place) Refuse(path, what string) error {
	info, err := os.Stat(path)
	if err != nil {
		return nil // whoever reads it says so
	}
	return p.RefuseInfo(info, what)
}

// RefuseInfo is Refuse for a file that is open.
func (p *Place) RefuseInfo(info os.FileInfo, what string) error {
	if p.info == nil || !info.Mode().IsRegular() || !os.SameFile(p.info, info) {
		return nil
	}
	return fmt.Errorf("%s is %s: what is read would be lost; give another name", p, what)
}

// RefuseFolder returns an error when the place is in a folder that the command reads, or is
// one of its files under another name.
func (p *Place) RefuseFolder(dir, what string) error {
	if p.stdout == nil {
		for at := p.folder(); ; at = filepath.Dir(at) {
			if same(at, dir) {
				return fmt.Errorf("output %q is in the folder of %s (%s): an answer there could be taken for a part of it; give another place", p.Name, what, dir)
			}
			if filepath.Dir(at) == at {
				break
			}
		}
	}
	entries, _ := os.ReadDir(dir) // a folder that cannot be read is the error of its reader
	for _, e := range entries {
		if err := p.Refuse(filepath.Join(dir, e.Name()), e.Name()+" of "+what); err != nil {
			return err
		}
	}
	return nil
}

// folder is where the place's own file is, without links.
func (p *Place) folder() string {
	dir := filepath.Dir(p.path)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return dir
}

func same(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

func (p *Place) unwritable(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // the name is in the sentence already
	}
	return fmt.Errorf("output %q cannot be written: %w", p.Name, err)
}
