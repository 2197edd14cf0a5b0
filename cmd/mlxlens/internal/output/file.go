package output

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// A File is an answer that appears under its name when it is whole. What is not a file, a
// pipe, a device or stdout, is written as it comes.
type File struct {
	place *Place
	temp  *os.File // nil for what is not a file
}

// Create makes the temporary file of a place, so that one that cannot be written is known
// before the work starts, and removes those that killed runs left.
func (p *Place) Create() (*File, error) {
	if !p.Whole() {
		return &File{place: p}, nil
	}
	if p.info != nil {
		if err := p.probe(); err != nil {
			return nil, err
		}
	}
	temp, err := newTemporary(p.path)
	if err != nil {
		return nil, p.unwritable(err)
	}
	f := &File{p, temp}
	if err := sweep(p.path, temp.Name()); err != nil {
		f.Drop()
		return nil, p.unwritable(err)
	}
	return f, nil
}

// probe returns an error when the file that is there may not be written, or is being written.
func (p *Place) probe() error {
	f, err := os.OpenFile(p.path, os.O_WRONLY, 0)
	if err != nil {
		return p.unwritable(err)
	}
	defer f.Close()
	if err := lock(f); errors.Is(err, errBusy) {
		return p.unwritable(err)
	}
	return nil
}

// Replaces reports whether a file was there before.
func (f *File) Replaces() bool { return f.temp != nil && f.place.info != nil }

// IsFile reports whether it is one, and no pipe, device or stdout.
func (f *File) IsFile() bool { return f.temp != nil }

// Write fills the file and gives it its name.
func (f *File) Write(fill func(io.Writer) error) error {
	if f.temp == nil {
		return f.place.stream(fill)
	}
	err := f.fill(fill)
	if err == nil {
		err = os.Rename(f.temp.Name(), f.place.path)
	}
	if err != nil {
		f.Drop()
		return f.place.unwritable(err)
	}
	syncFolder(f.place.path)
	unfinished.done(f.temp.Name())
	if err := f.temp.Close(); err != nil {
		return f.place.unwritable(err)
	}
	return nil
}

// fill writes the temporary file, with the permissions of the one that it replaces.
func (f *File) fill(fill func(io.Writer) error) error {
	b := bufio.NewWriter(f.temp)
	err := fill(b)
	if err == nil {
		err = b.Flush()
	}
	if err == nil && f.place.info != nil {
		err = f.temp.Chmod(f.place.info.Mode().Perm())
	}
	if err == nil {
		err = f.temp.Sync()
	}
	return err
}

// syncFolder makes a rename last through a loss of power, where the disk can.
func syncFolder(path string) {
	if d, err := os.Open(filepath.Dir(path)); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// Drop removes what a failed command leaves; after Write it does nothing.
func (f *File) Drop() {
	if f == nil || f.temp == nil {
		return
	}
	if f.temp.Close() == nil { // else it is closed, and has its name
		os.Remove(f.temp.Name())
	}
	unfinished.done(f.temp.Name())
}

// stream writes what is not a file.
func (p *Place) stream(fill func(io.Writer) error) error {
	w, done, err := p.open()
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	err = fill(b)
	if err == nil {
		err = b.Flush()
	}
	if closed := done(); err == nil {
		err = closed
	}
	if err != nil {
		return p.unwritable(err)
	}
	return nil
}

// open opens what is not a file. A pipe waits for its reader.
func (p *Place) open() (w io.Writer, done func() error, err error) {
	if p.stdout != nil {
		return p.stdout, func() error { return nil }, nil
	}
	f, err := os.OpenFile(p.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, nil, p.unwritable(err)
	}
	return f, f.Close, nil
}
