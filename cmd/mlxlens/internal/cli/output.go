package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// output is a file that appears under its name when it is whole.
type output struct {
	name string
	temp *os.File
}

// newOutput creates the temporary file beside name, so that a place that cannot be
// written is known before the work starts.
func newOutput(name string, extensions ...string) (*output, error) {
	ext := strings.ToLower(filepath.Ext(name))
	known := false
	for _, e := range extensions {
		known = known || e == ext
	}
	if !known {
		return nil, usagef("output %q: the extension names the format (have: %s)", name, strings.Join(extensions, ", "))
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("output %q is a folder", name)
	}
	temp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return nil, fmt.Errorf("output %q cannot be written: %w", name, err)
	}
	unfinished.add(temp.Name())
	return &output{name, temp}, nil
}

// write fills the file and gives it its name.
func (o *output) write(f func(io.Writer) error) error {
	b := bufio.NewWriter(o.temp)
	err := f(b)
	if err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = o.temp.Chmod(0o644)
	}
	if err == nil {
		err = o.temp.Sync()
	}
	if closed := o.temp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(o.temp.Name(), o.name)
	}
	if err != nil {
		os.Remove(o.temp.Name())
		err = fmt.Errorf("output %q cannot be written: %w", o.name, err)
	}
	unfinished.done(o.temp.Name())
	return err
}

// drop removes what a failed command leaves; after write it does nothing.
func (o *output) drop() {
	if o == nil {
		return
	}
	o.temp.Close()
	os.Remove(o.temp.Name())
	unfinished.done(o.temp.Name())
}
