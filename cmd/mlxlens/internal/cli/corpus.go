package cli

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// corpusFlags name the texts that something is fitted to or measured on, and how they become
// sequences.
type corpusFlags struct {
	file    string
	prompts int
	skip    int
	counted bool // the same sequence is told apart by where it stands: those that --skip leaves out are encoded for it
	length  int
	join    bool
	bare    bool // --no-bos
	bos     bool

	// lengthGiven reports whether somebody asked for the length: the usual one falls to what the model allows.
	lengthGiven func() bool
}

// flags adds them; length is the longest sequence where nobody says.
func (o *corpusFlags) flags(cmd *cobra.Command, length int) {
	f := cmd.Flags()
	f.StringVar(&o.file, "file", "", "the corpus, a text a line (.jsonl: JSON strings, or objects with text, prompt or ids); - for stdin")
	f.IntVar(&o.prompts, "prompts", 0, "use at most so many sequences (0: all)")
	f.IntVar(&o.skip, "skip", 0, "leave out so many sequences before the first that is used")
	o.lengthGiven = func() bool { return f.Changed("length") }
	f.IntVar(&o.length, "length", length, "the longest sequence, in tokens: a longer text is cut there")
	f.BoolVar(&o.join, "join", false, "the file is one text, cut into sequences of --length tokens; what is left at the end is not used")
	f.BoolVar(&o.bare, "no-bos", false, "do not add the tokenizer's special tokens")
	f.BoolVar(&o.bos, "bos", false, "begin each text with the tokenizer's BOS where it adds none by itself, as TransformerLens does for most models")
}

func (o *corpusFlags) check() error {
	switch {
	case o.file == "":
		return usagef("there is no corpus: name one with --file")
	case o.bos && o.bare:
		return usagef("--bos and --no-bos exclude each other")
	case o.prompts < 0 || o.skip < 0:
		return usagef("--prompts %d, --skip %d: want 0 or more", o.prompts, o.skip)
	case o.length < 2:
		return usagef("--length %d: want 2 tokens or more", o.length)
	}
	return nil
}

// texts are a corpus before it is encoded.
type texts struct {
	tasks []task
	whole *string // with --join, of a file that is text
}

// corpus is what it is made of.
type corpus struct {
	name      string
	sequences [][]int
	tokens    int
	digest    string // of the ids and their lengths
	cut       int    // texts that were longer than a sequence

	names []string // of each sequence: a digest of its ids, and of how many times they stood before, also where they were left out
	times map[string]int
}

// add adds a sequence of a corpus, or counts one that is left out.
func (c *corpus) add(ids []int, out bool) {
	name := digestOf(idsText(ids))
	before := c.times[name]
	c.times[name]++
	if out {
		return
	}
	if before > 0 {
		name = digestOf(fmt.Appendf(idsText(ids), " again %d", before))
	}
	c.sequences, c.names = append(c.sequences, ids), append(c.names, name)
}

// read reads the texts, which needs no model.
func (o *corpusFlags) read(s *streams, quiet bool) (texts, error) {
	if !o.join || strings.EqualFold(filepath.Ext(o.file), ".jsonl") {
		tasks, err := readFile(s, o.file, stdinTexts, quiet, parseText)
		if err == nil && len(tasks) == 0 {
			err = fmt.Errorf("%s has no text", o.file)
		}
		return texts{tasks: tasks}, err
	}
	in, name := s.in, "stdin"
	if o.file == "-" {
		if err := s.readsStdin(); err != nil {
			return texts{}, err
		}
	} else {
		if err := s.reads(o.file, "the corpus"); err != nil {
			return texts{}, err
		}
		f, err := openCorpus(o.file)
		if err != nil {
			return texts{}, err
		}
		defer f.Close()
		in, name = f, o.file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxJoined+1))
	switch {
	case err != nil:
		return texts{}, fmt.Errorf("%s: %w", name, err)
	case len(data) > maxJoined:
		return texts{}, failf("%s has more than %d bytes, and --join encodes it as one text: give a part of it, or a text a line without --join", name, maxJoined)
	case strings.TrimSpace(string(data)) == "":
		return texts{}, fmt.Errorf("%s has no text", name)
	}
	text := textOf(s, name, data)
	if strings.ContainsRune(text, 0) {
		return texts{}, fmt.Errorf("%s has zero bytes, which are in no text: save it as UTF-8, if it is UTF-16", name)
	}
	return texts{whole: &text}, nil
}

// parseText reads a line of a .jsonl corpus. A text may stand under "text", as in data sets.
func parseText(line int, text string) task {
	var object struct {
		Text *string `json:"text"`
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{") && exactjson.Unmarshal([]byte(text), &object) == nil && object.Text != nil {
		if err := exactjson.Repeated([]byte(text)); err != nil {
			return task{line: line, err: err}
		}
		var keys map[string]json.RawMessage
		if err := exactjson.Unmarshal([]byte(text), &keys); err != nil || keys["prompt"] != nil || keys["ids"] != nil {
			return task{line: line, err: errors.New(`want one of "text", "prompt" and "ids"`)}
		}
		return task{line: line, prompt: object.Text}
	}
	return parseTask(line, text)
}

// readable refuses texts for a model whose tokenizer cannot be read: ids need none.
func (from texts) readable(opened *auto.Opened) error {
	if from.whole == nil && !slices.ContainsFunc(from.tasks, func(t task) bool { return t.prompt != nil }) {
		return nil
	}
	return unreadable(opened)
}

// encode makes the sequences for a model.
func (o *corpusFlags) encode(opened *auto.Opened, from texts) (*corpus, error) {
	if err := o.fitsContext(opened.Model.Shape()); err != nil {
		return nil, err
	}
	c := &corpus{name: o.file, times: map[string]int{}}
	_, err := o.first(opened)
	if err != nil {
		return nil, err
	}
	if o.join {
		err = o.encodeJoined(opened, from, c)
	} else {
		err = o.encodeEach(opened, from, c)
	}
	if err != nil {
		return nil, err
	}
	if len(c.sequences) == 0 {
		return nil, failf("%s gives no sequence: it has fewer than --skip %d leaves out, or with --join than --length %d tokens", o.file, o.skip, o.length)
	}
	h := sha256.New()
	for _, ids := range c.sequences {
		c.tokens += len(ids)
		h.Write(append(idsText(ids), '\n'))
	}
	c.digest = shorter([sha256.Size]byte(h.Sum(nil)))
	return c, nil
}

// fitsContext bounds the usual length by what a model allows, and refuses a longer one that is asked for.
func (o *corpusFlags) fitsContext(shape model.Shape) error {
	if o.length > shape.Context && o.lengthGiven() {
		limit, _ := contextWords(shape)
		return usagef("--length %d, and %s: give --length %d, or allow more with --context", o.length, limit, shape.Context)
	}
	o.length = min(o.length, shape.Context)
	return nil
}

// full reports whether there are as many sequences as are wanted.
func (o *corpusFlags) full(c *corpus) bool { return o.prompts > 0 && len(c.sequences) == o.prompts }

// encodeEach makes a sequence of each text.
func (o *corpusFlags) encodeEach(opened *auto.Opened, from texts, c *corpus) error {
	for i := range from.tasks {
		if o.full(c) {
			break
		}
		out := i < o.skip
		if out && !o.counted {
			continue
		}
		ids, err := o.ids(opened, &from.tasks[i], !o.bare)
		if err != nil {
			return err
		}
		if len(ids) > o.length {
			ids = ids[:o.length]
			if !out {
				c.cut++
			}
		}
		if len(ids) > 0 {
			c.add(ids, out)
		}
	}
	return nil
}

// ids encodes a text, or checks ids that were given.
func (o *corpusFlags) ids(opened *auto.Opened, t *task, special bool) ([]int, error) {
	at := func(err error) error {
		if t.line == 0 {
			return fmt.Errorf("%s: %w", o.file, err)
		}
		return fmt.Errorf("%s: line %d: %w", o.file, t.line, err)
	}
	if t.err != nil {
		return nil, at(t.err)
	}
	ids := t.ids
	if t.prompt != nil {
		if opened.Tokenizer == nil {
			return nil, at(fmt.Errorf("%w: give it as ids, in a .jsonl file", opened.TokenizerErr))
		}
		var err error
		if ids, err = opened.Tokenizer.Encode(*t.prompt, special); err != nil {
			return nil, at(err)
		}
		if o.bos && special && !opened.Tokenizer.AddsBOS() {
			bos, _ := opened.Tokenizer.BOS()
			ids = append([]int{bos}, ids...)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if err := edit.CheckIDs(ids, opened.Model.Shape().DVocab, "id"); err != nil {
		return nil, at(err)
	}
	return ids, nil
}

// first returns the BOS that stands in place of the first token of each sequence of joined texts, −1 for
// none.
func (o *corpusFlags) first(opened *auto.Opened) (int, error) {
	t := opened.Tokenizer
	if t == nil && o.bos {
		return 0, failf("%w: --bos needs one", opened.TokenizerErr)
	}
	if t == nil || o.bare || !t.AddsBOS() && !o.bos {
		return -1, nil
	}
	bos, ok := t.BOS()
	switch {
	case !ok && o.bos:
		return 0, usagef("--bos: the tokenizer has no BOS: leave it out")
	case !ok:
		return -1, nil
	}
	return bos, nil
}

// encodeJoined cuts all texts, one behind another, into sequences of one length. Where the
// tokenizer adds a BOS, or --bos does, it stands in place of the first token of each, as llama-perplexity has it.
func (o *corpusFlags) encodeJoined(opened *auto.Opened, from texts, c *corpus) error {
	first, err := o.first(opened)
	if err != nil {
		return err
	}
	tasks := from.tasks
	if from.whole != nil {
		tasks = []task{{prompt: from.whole}}
	}
	var all []int
	for i := range tasks {
		ids, err := o.ids(opened, &tasks[i], i == 0 && !o.bare)
		if err != nil {
			return err
		}
		all = append(all, ids...)
	}
	for from := 0; from+o.length <= len(all) && !o.full(c); from += o.length {
		ids := all[from : from+o.length : from+o.length]
		if first >= 0 {
			ids[0] = first
		}
		c.add(ids, from < o.skip*o.length)
	}
	return nil
}

// say tells what a corpus has.
func (c *corpus) say(s *streams) {
	cut := ""
	if c.cut > 0 {
		cut = fmt.Sprintf(" (%s longer, and cut: --length)", english.Plural(c.cut, "text was", "texts were"))
	}
	s.say("%s: %s, %s%s", c.name, english.Plural(len(c.sequences), "sequence", ""), english.Plural(c.tokens, "token", ""), cut)
}
