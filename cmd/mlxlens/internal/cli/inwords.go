package cli

import (
	"io"
	"strings"

	"github.com/mlxlens/mlxlens/lens/render"
)

// inWords tells who follows an answer in JSON what is printed of it to who reads it: lines that say of what it is, and
// what draw draws. Without such a one it does nothing.
func (s *streams) inWords(of []string, draw func(w io.Writer, t render.TerminalOptions) error) error {
	if s.watch.words == nil {
		return nil
	}
	var b strings.Builder
	for _, line := range of {
		b.WriteString(line + "\n")
	}
	if err := draw(&b, render.TerminalOptions{Width: 100, OneLine: true}); err != nil {
		return err
	}
	s.watch.words(b.String())
	return nil
}
