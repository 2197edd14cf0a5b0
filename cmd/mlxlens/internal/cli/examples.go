package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// exampleFlags say what a direction is learned from, and where it is read.
type exampleFlags struct {
	file      string
	heldOut   string
	seed      uint64
	site      string
	layers    string
	positions string
	spanFlag
	given   func(flag string) bool
	digests map[string]string // of the files, by their flags
}

func (o *exampleFlags) flags(cmd *cobra.Command, file string) {
	f := cmd.Flags()
	f.StringVar(&o.file, "file", "", file+"; or the lines themselves as a JSON list")
	f.StringVar(&o.heldOut, "held-out", "0.2", "what is held out to try it on: a part of the lines, chosen at random, or a second file; 0 for none")
	f.Uint64Var(&o.seed, "seed", 0, "the seed of that choice")
	f.StringVar(&o.site, "site", "", "where states are read (mlxlens help sites; default resid_post)")
	f.StringVar(&o.layers, "layers", "", "rows, a direction each: 0,4,8:12,-1 (default all that have the site)")
	f.StringVar(&o.positions, "positions", "", "positions that are read, of several the mean: 0,4,8:12,-1, or turns of a conversation such as user:0 (default -1)")
	o.spanFlag.flags(cmd, "read the positions")
	o.given = f.Changed
}

// fraction reads --held-out, which may name a file instead.
func (o *exampleFlags) fraction() (part float64, isFile bool, err error) {
	if part, err = strconv.ParseFloat(o.heldOut, 64); err != nil {
		return 0, true, nil
	}
	if !(part >= 0 && part < 1) {
		return 0, false, usagef("--held-out %s: want a part from 0 to below 1, such as 0.2, or a second file", o.heldOut)
	}
	return part, false, nil
}

// heldOutFile is where the lines that are held out come from.
func (o *exampleFlags) heldOutFile() string {
	if _, isFile, _ := o.fraction(); isFile {
		return listed(o.heldOut)
	}
	return listed(o.file)
}

func (o *exampleFlags) check() error {
	_, isFile, err := o.fraction()
	switch {
	case o.file == "":
		return usagef("there is no --file to learn from")
	case err != nil:
		return err
	case isFile && o.given("seed"):
		return usagef("--seed is of a part that is held out at random: --held-out names a file")
	case isFile && o.file == "-" && o.heldOut == "-":
		return usagef("--file and --held-out cannot both be read from stdin")
	}
	return o.spanFlag.check(o.positions)
}

// read reads the lines to learn from, and those that are held out; label is a line's class.
func (o *exampleFlags) read(s *streams, quiet bool, parse func(line int, text string) task, label func(task) string) (train, heldOut []task, split *experiment.Split, err error) {
	o.digests = map[string]string{}
	if train, err = o.readLines(s, "file", o.file, quiet, parse); err != nil {
		return nil, nil, nil, err
	}
	part, isFile, err := o.fraction()
	if isFile {
		if heldOut, err = o.readLines(s, "held-out", o.heldOut, quiet, parse); err == nil && !quiet && sameFile(o.file, o.heldOut) {
			s.say("--held-out is the file that is learnt from: what is found is tried on what it was made of, and says nothing of others")
		}
		return train, heldOut, nil, err
	}
	split = &experiment.Split{Fraction: part, Seed: o.seed}
	var labels []string
	for _, t := range train {
		labels = append(labels, label(t))
	}
	all := train
	in, out := split.Divide(labels)
	train = make([]task, len(in))
	for i, at := range in {
		train[i] = all[at]
	}
	for _, at := range out {
		heldOut = append(heldOut, all[at])
	}
	if part > 0 && len(heldOut) == 0 && !quiet {
		s.say("%s has %s: too few to hold a part of %g out, and nothing is tried on others", listed(o.file), english.Plural(len(all), "line", ""), part)
	}
	return train, heldOut, split, err
}

// originOfFiles adds the options that name files, with the digests of these, which read has made.
func (o *exampleFlags) originOfFiles(options map[string]string) error {
	maps.Copy(options, o.digests)
	return nil
}

// sameFile reports whether two names are of one file.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// readLines reads the file that a flag names, of which every line must be right.
func (o *exampleFlags) readLines(s *streams, flag theFlag, given string, quiet bool, parse func(line int, text string) task) ([]task, error) {
	from, file, where, wrong := *s, given, any(given), failf
	if inlineJSON(file) { // what was asked, and no file
		where, wrong = flag, usagef
		lines, err := linesOf(file)
		if err != nil {
			return nil, wrong("%v: %w", flag, err)
		}
		from.in, file = strings.NewReader(lines), "-"
	}
	p, err := readPrompts(&from, file, stdinLines, quiet, parse)
	if err != nil {
		return nil, wrong("%v: %w", flag, err)
	}
	o.digests[flag.String()] = p.digest
	s.depends(flag.String(), p.digest)
	for _, t := range p.tasks {
		if t.err != nil {
			return nil, wrong("%v: line %d: %w", where, t.line, t.err)
		}
	}
	return p.tasks, nil
}

// listed is the name of a file of lines in a sentence.
func listed(file string) string {
	if inlineJSON(file) {
		return "the list"
	}
	return file
}

// linesOf writes the items of a JSON list as the lines of a file.
func linesOf(list string) (string, error) {
	var items []json.RawMessage
	if err := json.Unmarshal([]byte(list), &items); err != nil {
		return "", fmt.Errorf("want the name of a file, or a JSON list: %w", err)
	}
	if len(items) == 0 {
		return "", errors.New("the list is empty")
	}
	var lines bytes.Buffer
	for _, item := range items {
		if err := json.Compact(&lines, item); err != nil {
			return "", err
		}
		lines.WriteByte('\n')
	}
	return lines.String(), nil
}

// checkPrompt finds what is wrong with a prompt of a line: a text, token ids, or a conversation.
func checkPrompt(key string, raw json.RawMessage) error {
	_, _, _, err := promptOf(raw)
	if err != nil {
		return fmt.Errorf("%q: %w", key, err)
	}
	return nil
}

func promptOf(raw json.RawMessage) (text *string, ids []int, chat *tokenizer.Chat, err error) {
	var whole string
	switch {
	case exactjson.Unmarshal(raw, &whole) == nil && len(raw) > 0 && raw[0] == '"':
		if whole == "" {
			return nil, nil, nil, errors.New("the prompt is empty")
		}
		return &whole, nil, nil, nil
	case exactjson.Unmarshal(raw, &ids) == nil && len(ids) > 0:
		return nil, ids, nil, nil
	case bytes.HasPrefix(raw, []byte("[{")) || bytes.HasPrefix(raw, []byte("{")):
		chat, err = tokenizer.ParseChat(raw)
		return nil, nil, chat, err
	}
	return nil, nil, nil, errors.New(`want a text, token ids such as [1, 2], or messages such as [{"role": "user", "content": "Hi"}]`)
}

// inLine is the prompt of a line, encoded by the options that the command has for all.
func (o *promptOptions) inLine(raw json.RawMessage) (each *promptOptions, text *string, ids []int, err error) {
	text, ids, chat, err := promptOf(raw)
	if chat != nil {
		text = new(string) // which the template writes
	}
	return &promptOptions{noBOS: o.noBOS, chatFlags: chatFlags{chat: o.chat || o.messages != "", system: o.system, conversation: chat}}, text, ids, err
}

// input encodes a prompt of a line, and chooses what is read of it.
func (o *exampleFlags) input(opened *auto.Opened, prompt *promptOptions, raw json.RawMessage) (edit.Input, error) {
	each, text, ids, err := prompt.inLine(raw)
	if err != nil {
		return edit.Input{}, err
	}
	e, err := each.encode(opened, text, ids)
	if err != nil {
		return edit.Input{}, err
	}
	in := edit.Input{IDs: e.ids}
	in.Positions, err = e.turns.at(o.or(o.positions), len(e.ids))
	return in, err
}

// place resolves the site and the layers.
func (o *exampleFlags) place(m model.Model) (site model.Site, layers []int, err error) {
	found, err := sites(m, "site", o.site)
	if err != nil {
		return "", nil, err
	}
	if len(found) > 1 {
		return "", nil, usagef("--site %s: name one", o.site)
	}
	if len(found) == 1 {
		site = found[0]
	}
	layers, err = layersWith(m, o.layers, cmp.Or(site, model.ResidPost))
	return site, layers, err
}

// needsTokenizer reports whether a line has a text or a conversation.
func needsTokenizer(tasks []task, keys ...string) bool {
	for _, t := range tasks {
		for _, key := range keys {
			var of map[string]json.RawMessage
			if json.Unmarshal(t.input, &of) != nil {
				continue
			}
			if raw, there := of[key]; there {
				if _, ids, _, _ := promptOf(raw); ids == nil {
					return true
				}
			}
		}
	}
	return false
}

// directions are what an experiment finds that edits add or project out.
type directions interface {
	found
	File() *states.Vectors
}

// vectorFormats are those of a file of directions.
var vectorFormats = []string{"safetensors", "npz"}

// showVectors writes directions to the output where its format is one of theirs, and shows what is
// known of them on stdout; another output gets that.
func (o *foundFlags) showVectors(s *streams, file *answer, result directions) error {
	as := o.format()
	if as != "npz" && as != "safetensors" {
		return o.show(s, file, result)
	}
	if file == nil { // the first rank writes
		return nil
	}
	vectors := result.File()
	if len(vectors.Arrays) == 0 {
		return fmt.Errorf("there is no direction to write: the states are the same in all prompts; read other positions, or a later site")
	}
	write := vectors.WriteNPZ
	if as == "safetensors" {
		write = vectors.WriteSafetensors
	}
	if err := file.write(write); err != nil || s.answer.Stdout() {
		return err
	}
	return o.show(s, nil, result)
}
