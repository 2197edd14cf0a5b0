package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// checkedWriter remembers the first error of stdout, so that no command succeeds whose answer has
// not come out, whatever wrote it.
type checkedWriter struct {
	io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err // what came after a gap would be no answer
	}
	n, err := c.Writer.Write(p)
	c.err = err
	return n, err
}

// Stat describes the file that stdout is.
func (c *checkedWriter) Stat() (os.FileInfo, error) {
	if f, ok := c.Writer.(*os.File); ok {
		return f.Stat()
	}
	return nil, errors.New("stdout is no file")
}

// failed is the error of what could not be written, in words.
func (c *checkedWriter) failed() error {
	var at *fs.PathError
	if errors.As(c.err, &at) {
		return fmt.Errorf("stdout cannot be written: %w", at.Err)
	}
	if c.err != nil {
		return fmt.Errorf("stdout cannot be written: %w", c.err)
	}
	return nil
}
