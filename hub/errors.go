package hub

import (
	"errors"
	"slices"
)

// What went wrong, for errors.Is. The text of an error says what to do.
var (
	ErrRef          = errors.New("hub: not a model reference")
	ErrNotCached    = errors.New("hub: not in the cache, or not complete there")
	ErrIncomplete   = errors.New("hub: not complete in the cache") // always with ErrNotCached
	ErrOffline      = errors.New("hub: downloads are switched off")
	ErrNotFound     = errors.New("hub: no such model or revision")
	ErrUnauthorized = errors.New("hub: access refused")
	ErrNoWeights    = errors.New("hub: not a model with safetensors weights")
	ErrNoSpace      = errors.New("hub: not enough disk space")
	ErrChecksum     = errors.New("hub: content does not match its checksum or size")
	ErrUnavailable  = errors.New("hub: the server cannot be reached or answers with errors")
	ErrProtocol     = errors.New("hub: the server's answer makes no sense")
)

// failure is an error of this package: its own text, and the kinds that it is. The
// hub answers 401 both for what is not there and for what needs a token, so one may
// be of two kinds.
type failure struct {
	text  string
	cause error
	kinds []error
}

func (f *failure) Error() string        { return f.text }
func (f *failure) Unwrap() error        { return f.cause }
func (f *failure) Is(target error) bool { return slices.Contains(f.kinds, target) }
