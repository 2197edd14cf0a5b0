package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/mlxlens/mlxlens/internal/rooms"
)

// theFlag is a flag in a sentence whose format does not name it.
type theFlag string

func (f theFlag) String() string { return "--" + string(f) }

// startedWith is a flag of the program that a server was started with, whatever requests call theirs.
type startedWith string

func (f startedWith) String() string { return "--" + string(f) }

// A sentence says something of flags, to a user who may have given them otherwise than on a command line and
// know them by other names. It names them in its format, which is the program's own text, as --name, or by a
// theFlag among its arguments; texts that a user wrote are arguments, and name none.
type sentence struct {
	error
	format string
	args   []any
}

func (s *sentence) Unwrap() error { return s.error }

// failf is fmt.Errorf for an error that names flags.
func failf(format string, args ...any) error {
	return &sentence{fmt.Errorf(format, args...), format, args}
}

// usageError is a mistake of what was asked.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{failf(format, args...)} }

// naming says what whoever asked calls a flag, and false for one that it cannot give. nil is the command line's.
type naming func(flag string) (name string, ok bool)

// name is a flag in a sentence.
func (n naming) name(flag string) string {
	if n != nil {
		if name, ok := n(flag); ok {
			return name
		}
	}
	return "--" + flag
}

var namedFlag = regexp.MustCompile(`--([a-z][a-z0-9-]*)`)

// write is fmt.Sprintf with the flags that a sentence names called so, and errors as of writes them.
func (n naming) write(format string, args ...any) string {
	written := make([]any, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case theFlag:
			written[i] = n.name(string(arg))
		case error:
			written[i] = n.of(arg)
		default:
			written[i] = arg
		}
	}
	return fmt.Sprintf(strings.ReplaceAll(n.in(format), "%w", "%v"), written...)
}

// in is a text of the program's own, with the flags that it names called so.
func (n naming) in(text string) string {
	return namedFlag.ReplaceAllStringFunc(text, func(flag string) string { return n.name(flag[len("--"):]) })
}

// of is an error's text, without the names of packages. Others may have been wrapped around the sentence, which hold
// its text as it was.
func (n naming) of(err error) string {
	text := err.Error()
	if s := (*sentence)(nil); errors.As(err, &s) {
		text = strings.Replace(text, s.Error(), n.write(s.format, s.args...), 1)
	}
	return rooms.Cut(err, text)
}

// reworded is an error in the words of whoever asked.
type reworded struct {
	error
	text string
}

func (r *reworded) Error() string { return r.text }

func (r *reworded) Unwrap() error { return r.error }
