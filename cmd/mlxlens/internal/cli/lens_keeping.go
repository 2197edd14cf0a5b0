package cli

import (
	"encoding/json"
	"io"
	"time"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/output"
	"github.com/mlxlens/mlxlens/model/auto"
)

// keeping is how what is done of a fit or a training is kept on the way, so that the same command goes on.
type keeping struct {
	s     *streams
	of    *origin
	path  string // of what is done
	quiet bool

	saved time.Time     // when it was kept the last time; 0: what is done first is kept at once
	took  time.Duration // and how long that took
}

// Between two times that it is kept pass at least so long, and so many times what keeping takes.
const (
	keepEvery = 5 * time.Second
	keepShare = 20
)

// due reports whether it is time to keep what is done.
func (k *keeping) due() bool { return time.Since(k.saved) > max(keepEvery, keepShare*k.took) }

// keep writes what is done, with what it is of.
func (k *keeping) keep(write func(w io.Writer, of string) error) error {
	start := time.Now()
	of, err := json.Marshal(k.of)
	if err != nil {
		return err
	}
	place, err := output.Find(k.path, k.s.out)
	if err != nil {
		return err
	}
	file, err := place.Create()
	if err != nil {
		return err
	}
	defer file.Drop()
	first := !file.Replaces()
	if err := file.Write(func(w io.Writer) error { return write(w, string(of)) }); err != nil {
		return err
	}
	if first && !k.quiet {
		k.s.say("%s has what is done: stopped, the same command goes on", k.path)
	}
	k.saved, k.took = time.Now(), time.Since(start)
	return nil
}

// openWithCorpus reads a corpus, opens the model and encodes the one for the other. The caller closes the model.
func openWithCorpus(s *streams, m *modelOptions, from *corpusFlags, quiet bool) (*auto.Opened, *corpus, error) {
	texts, err := from.read(s, quiet)
	if err != nil {
		return nil, nil, err
	}
	opened, err := m.openFor(s, texts.readable)
	if err != nil {
		return nil, nil, err
	}
	c, err := from.encode(opened, texts)
	if err != nil {
		opened.Close()
		return nil, nil, err
	}
	if !quiet {
		c.say(s)
	}
	return opened, c, nil
}
