// Package rooms knows the names of the packages with which their errors begin. Who programs with a package reads there
// where an error comes from; to who runs a command, or asks a server, it is a word that means something else or nothing.
package rooms

import (
	"slices"
	"strings"
)

// names are those of the packages. The library's is left in its errors: there it is what has failed. "messages" is how
// the tokenizer calls what it reads a conversation of, which whoever asks has named.
var names = []string{
	"audit", "auto", "checkpoint", "edit", "experiment", "generate", "hub", "jacobian", "lens", "load", "messages", "model", "render", "serve", "sparse", "states", "tokenizer", "tuned",
}

// Text is an error's text without the names of packages at the beginnings of the errors that it is made of. What
// users wrote within an error stays, also where it looks like one; a path at its beginning that looks like one does not.
func Text(err error) string { return Cut(err, err.Error()) }

// Cut is Text of an error whose text has been written otherwise, by which those that it wraps may be whole.
func Cut(err error, text string) string {
	text = bare(text)
	for _, e := range wrapped(err) {
		if own := e.Error(); own != bare(own) {
			text = strings.Replace(text, own, bare(own), 1)
		}
		text = Cut(e, text)
	}
	return text
}

// bare is a text without the name of a package at its beginning.
func bare(text string) string {
	if name, rest, found := strings.Cut(text, ": "); found && slices.Contains(names, name) {
		return rest
	}
	return text
}

// wrapped are the errors that one is made of.
func wrapped(err error) []error {
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		if e := err.Unwrap(); e != nil {
			return []error{e}
		}
	case interface{ Unwrap() []error }:
		return err.Unwrap()
	}
	return nil
}
