package cli

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/lens/render"
)

// named is how many of a kind a message names.
const named = 10

// firstOf is the beginning of a list that may be long.
func firstOf(all []string) []string {
	if n := len(all) - named; n > 1 {
		return append(slices.Clone(all[:named]), fmt.Sprintf("%d more", n))
	}
	return all
}

// lacking says which prompts have no answer, "" where all have one.
func (p *parts) lacking() string {
	of := p.first.Shard
	n := of.Prompts - len(p.lines)
	if n == 0 {
		return ""
	}
	var gaps []string
	before, line := 0, 0 // the last prompt that has an answer, and its line
	gap := func(prompt, at int) {
		if n := prompt - before - 1; n > 0 {
			gaps = append(gaps, lines(n, line, at))
		}
		before, line = prompt, at
	}
	for _, prompt := range slices.Sorted(maps.Keys(p.lines)) {
		gap(prompt, p.lines[prompt].line)
	}
	gap(of.Prompts+1, of.Last+1)
	text := fmt.Sprintf("%d of %s %s no answer: %s", n, english.Plural(of.Prompts, "prompt", ""), english.PluralWord(n, "has", "have"), english.OxfordWordSeries(firstOf(gaps), "and"))
	if absent := p.absent(); len(absent) > 0 {
		text += fmt.Sprintf(" (not among the files: --shard %s)", english.OxfordWordSeries(firstOf(absent), "and"))
	}
	if len(p.cut) > 0 {
		text += fmt.Sprintf("; the last line of %s has no end: its run was killed, or is still writing", english.OxfordWordSeries(firstOf(p.cut), "and"))
	}
	return text
}

// lines names those of n prompts between two lines; which of them are empty is not known where
// there are more.
func lines(n, after, before int) string {
	switch {
	case before-after-1 != n:
		return fmt.Sprintf("%s between lines %d and %d", english.Plural(n, "prompt", ""), after, before)
	case n == 1:
		return fmt.Sprintf("line %d", after+1)
	}
	return fmt.Sprintf("lines %d to %d", after+1, before-1)
}

// maxNamedParts is of how many parts the absent ones are looked for.
const maxNamedParts = 10000

// absent are the parts of which there is no line, where all are of the same number of parts.
func (p *parts) absent() []string {
	_, all, _ := parsePart(p.first.Shard.Part)
	if all > maxNamedParts {
		return nil
	}
	seen := map[int]bool{}
	for _, l := range p.lines {
		k, n, _ := parsePart(l.mark.Part) // mark.check has read it
		if n != all {
			return nil
		}
		seen[k] = true
	}
	windows := (p.first.Shard.Prompts-1)/p.first.Shard.Window + 1
	var names []string
	for k := 1; k <= min(all, windows); k++ {
		if !seen[k] {
			names = append(names, fmt.Sprintf("%d/%d", k, all))
		}
	}
	return names
}

// write writes the answers in the order of the prompts, those of a whole file as a run of it
// does.
func (p *parts) write(w io.Writer, whole bool) error {
	was := 0
	for _, prompt := range slices.Sorted(maps.Keys(p.lines)) {
		l := p.lines[prompt]
		line := make([]byte, l.size)
		if _, err := p.files[l.file].ReadAt(line, l.at); err != nil || !sealed(line) {
			return fmt.Errorf("%s: line %d has changed while it was read", p.names[l.file], l.line)
		}
		if l.line <= was {
			return fmt.Errorf("%s: line %d has been changed: it stands behind line %d in the order of the prompts", p.names[l.file], l.line, was)
		}
		was = l.line
		if whole {
			var err error
			if line, err = l.unmarked(line); err != nil {
				return fmt.Errorf("%s: %w", p.names[l.file], err)
			}
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// unmarked is the line as a run of the whole file writes it.
func (l *partLine) unmarked(line []byte) ([]byte, error) {
	var text strings.Builder
	if err := render.WriteJSON(&text, l.mark); err != nil {
		return nil, err
	}
	before, after, found := bytes.Cut(unseal(line), []byte(`,"shard":`+strings.TrimSuffix(text.String(), "\n")))
	if !found {
		return nil, fmt.Errorf("line %d does not name its part as a run does", l.line)
	}
	return seal(slices.Concat(before, after)), nil
}
