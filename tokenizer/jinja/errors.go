package jinja

import "fmt"

// An Error says why a template cannot be read or stopped.
type Error struct {
	Kind string // the Python exception: "UndefinedError", "TypeError", …; "Refused" for what is not implemented, "Limit" for a bound
	Line int    // of the template, from 1; 0 if unknown
	Text string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Text)
	}
	return e.Text
}

// The kinds that more than one file raises.
const (
	syntaxError    = "TemplateSyntaxError"
	assertionError = "TemplateAssertionError"
	runtimeError   = "TemplateRuntimeError"
	undefinedError = "UndefinedError"
	securityError  = "SecurityError"
	typeError      = "TypeError"
	valueError     = "ValueError"
	overflowError  = "OverflowError"
	zeroDivision   = "ZeroDivisionError"
	indexError     = "IndexError"
	keyError       = "KeyError"
	argumentError  = "FilterArgumentError"
	refused        = "Refused"
	limitReached   = "Limit"
	fault          = "Fault"
)

// fail raises an error of a kind.
func fail(kind, format string, args ...any) {
	panic(&Error{Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// failAt raises an error of a line.
func failAt(line int, kind, format string, args ...any) {
	panic(&Error{Kind: kind, Line: line, Text: fmt.Sprintf(format, args...)})
}

// refuse raises the error of something that jinja2 has and this package has not.
func refuse(what, instead string) {
	fail(refused, "%s is not implemented: %s", what, instead)
}

// caught turns a panic into an error. One that is no *Error is a fault of this package, which a template from a download
// must not end a program by.
func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		*err = r
	default:
		*err = &Error{Kind: fault, Text: fmt.Sprintf("a fault of mlxlens, which please report: %v", r)}
	}
}
