package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// State is all that an audit has summed between two sequences, to be written as JSON and read again:
// numbers keep every bit.
type State struct {
	Rows   []string // that are read
	Skip   string   // positions before the first that is scored
	Groups []string // of modules, in each direction
	Tally  tally
}

// Sequences is how many were added.
func (s *State) Sequences() int { return s.Tally.Done }

// State returns what was summed so far. It shares memory with the audit, until the next Add.
func (a *Audit) State() *State {
	s := &State{Skip: "half of each sequence", Groups: []string{}, Tally: a.tally}
	if a.o.Skip != nil {
		s.Skip = fmt.Sprint(*a.o.Skip)
	}
	for _, at := range a.places {
		s.Rows = append(s.Rows, at.String())
	}
	for _, g := range a.groups {
		for _, d := range a.o.Blame.Directions {
			s.Groups = append(s.Groups, fmt.Sprintf("%s %s %s", g.by, g.name, d))
		}
	}
	return s
}

// Restore goes on with what another audit of the same models and options has summed.
func (a *Audit) Restore(s *State) error {
	mine := a.State()
	for _, of := range []struct {
		what      string
		was, want []string
	}{{"rows", s.Rows, mine.Rows}, {"positions left out", []string{s.Skip}, []string{mine.Skip}}, {"modules", s.Groups, mine.Groups}} {
		if !slices.Equal(of.was, of.want) {
			return fmt.Errorf("audit: what was begun has other %s: %s, and these are %s", of.what, short(of.was), short(of.want))
		}
	}
	if err := s.Tally.check(len(a.places), a.slots()); err != nil {
		return fmt.Errorf("audit: what was begun is damaged: %w", err)
	}
	a.tally = s.Tally
	return nil
}

// short lists the first few of many.
func short(list []string) string {
	const most = 4
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// check returns an error unless all lists are as long as they must be.
func (t *tally) check(rows, slots int) error {
	if len(t.Rows) != rows || len(t.Parted) != rows || t.Groups != nil && len(t.Groups) != slots {
		return errors.New("it has sums of other rows or modules")
	}
	for r := range t.Rows {
		for _, list := range t.Rows[r].lists() {
			if len(*list) != len(t.Counts) {
				return errors.New("it has sums of other positions")
			}
		}
	}
	if n := int(t.Final.N); len(t.Final.EachKL) != n || len(t.Final.EachDelta) != n || t.Done < t.Skipped || t.Blamed > t.Done {
		return errors.New("its counts do not agree")
	}
	return nil
}
