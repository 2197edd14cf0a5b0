package output

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A Journal is a file of lines that grows, and that a later run continues. One process at
// a time has it.
type Journal struct {
	place    *Place
	w        io.Writer
	file     *os.File // nil for what is not a file: it has no lines from before
	done     func() error
	unlocked bool
}

// Continue opens a place for lines and takes its lock. It changes nothing that is there.
func (p *Place) Continue() (*Journal, error) {
	if !p.Whole() {
		w, done, err := p.open()
		return &Journal{place: p, w: w, done: done}, err
	}
	for range 100 {
		f, err := os.OpenFile(p.path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, p.unwritable(err)
		}
		err = lock(f)
		if err != nil && !errors.Is(err, errNoLocks) {
			f.Close()
			return nil, p.unwritable(err)
		}
		if stillAt(p.path, f) {
			if err := sweep(p.path, ""); err != nil {
				f.Close()
				return nil, p.unwritable(err)
			}
			return &Journal{place: p, w: f, file: f, done: f.Close, unlocked: errors.Is(err, errNoLocks)}, nil
		}
		f.Close() // it was replaced before the lock was taken
	}
	return nil, p.unwritable(errBusy)
}

// IsFile reports whether it is one, and no pipe, device or stdout.
func (j *Journal) IsFile() bool { return j.file != nil }

// Unlocked reports whether the disk has no locks, so that nothing keeps a second process
// out.
func (j *Journal) Unlocked() bool { return j.unlocked }

// Lines returns what is there, from the start; nil for what is not a file.
func (j *Journal) Lines() (io.Reader, error) {
	if j.file == nil {
		return nil, nil
	}
	if _, err := j.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return j.file, nil
}

// Cut keeps so many bytes of what is there, and goes on behind them.
func (j *Journal) Cut(whole int64) error {
	if j.file == nil {
		return nil
	}
	if err := j.file.Truncate(whole); err != nil {
		return j.place.unwritable(err)
	}
	_, err := j.file.Seek(whole, io.SeekStart)
	return err
}

// Write adds whole lines.
func (j *Journal) Write(lines []byte) (int, error) {
	n, err := j.w.Write(lines)
	if err != nil {
		err = j.place.unwritable(err)
	}
	return n, err
}

// Sync makes the lines so far last through a loss of power.
func (j *Journal) Sync() error {
	if j.file == nil {
		return nil
	}
	if err := j.file.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return j.place.unwritable(err)
	}
	return nil
}

// Replace gives the file other content, at once, and goes on behind it.
func (j *Journal) Replace(fill func(io.Writer) error) error {
	info, err := j.file.Stat()
	if err != nil {
		return j.place.unwritable(err)
	}
	place := *j.place
	place.info = info
	temp, err := newTemporary(place.path)
	if err != nil {
		return place.unwritable(err)
	}
	f := &File{&place, temp}
	if err = f.fill(fill); err == nil {
		err = os.Rename(temp.Name(), place.path) // its lock goes with it
	}
	if err != nil {
		f.Drop()
		return place.unwritable(err)
	}
	syncFolder(place.path)
	unfinished.done(temp.Name())
	j.file.Close()
	j.file, j.w, j.done = temp, temp, temp.Close
	_, err = temp.Seek(0, io.SeekEnd)
	return err
}

// Close gives the file back. One that was not there before and got no line goes.
func (j *Journal) Close() error {
	if j.file != nil && j.place.info == nil {
		if info, err := j.file.Stat(); err == nil && info.Size() == 0 {
			os.Remove(j.place.path)
		}
	}
	return j.done()
}
