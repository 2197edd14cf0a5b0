package cli

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/tokenizer"
)

type tokenizeOptions struct {
	modelOptions
	chatFlags
	text     *string
	file     string
	ids      string
	noBOS    bool
	rendered bool
	json     bool
}

func newTokenizeCmd(s *streams) *cobra.Command {
	o := &tokenizeOptions{}
	cmd := &cobra.Command{
		Use:   "tokenize [text]",
		Short: "Show the tokens of a text: ids, pieces and bytes",
		Long: `Tokenize shows the ids that a model sees for a text, what each stands for, and
whether BOS was added. It needs no weights and no MLX: a folder with a
tokenizer.json, or a GGUF file. The text "-" is read from stdin.

With --chat or --messages the text is what the model's chat template writes, each token
stands beside the turn that it belongs to, and --text prints that text alone.

With --file each line is a JSON string, and --json prints an object for each. With --ids
it shows what these stand for.`,
		Example: `  mlxlens tokenize "The capital of France is"
  mlxlens tokenize "naïve 😀" --json
  mlxlens tokenize --ids 504,3575
  mlxlens tokenize "Name three rivers." --chat --text`,
		Args: cobra.ArbitraryArgs, // words of a prompt without quotes
		RunE: func(cmd *cobra.Command, args []string) error {
			o.text = onePrompt(s, args, o.quiet)
			return runTokenize(s, o)
		},
	}
	o.refFlags(cmd)
	o.chatFlags.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.file, "file", "", "a file with one JSON string a line")
	f.StringVar(&o.ids, "ids", "", "token ids instead of a text: 504,3575,282")
	f.BoolVar(&o.noBOS, "no-bos", false, "do not add the tokenizer's special tokens")
	f.BoolVar(&o.rendered, "text", false, "print the text that the chat template writes, and no tokens")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// check finds what is wrong before a tokenizer is opened.
func (o *tokenizeOptions) check() error {
	inChat := o.chat || o.messages != ""
	switch {
	case o.ids != "" && (inChat || o.text != nil || o.file != "" || o.noBOS):
		return usagef("--ids excludes a text, --file, --chat, --messages and --no-bos")
	case o.ids != "":
		return nil
	case o.messages != "" && (o.text != nil || o.file != ""):
		return usagef("--messages excludes a text and --file")
	case o.messages == "" && (o.text == nil) == (o.file == ""):
		return usagef("give either a text, --file, --ids or --messages")
	case o.file != "" && inChat:
		return usagef("--file and --chat exclude each other")
	case o.rendered && !inChat:
		return usagef("--text needs --chat or --messages")
	case o.rendered && o.json:
		return usagef("--text and --json exclude each other: the JSON has the text as prompt")
	}
	return o.chatFlags.check(o.noBOS)
}

func runTokenize(s *streams, o *tokenizeOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.messages != "" {
		if err := o.load(s); err != nil {
			return err
		}
	}
	t, err := o.tokenizer(s)
	if err != nil {
		return err
	}
	o.noteAll(s, t.Notes())
	switch {
	case o.ids != "":
		return o.pieces(s.out, t)
	case o.file != "":
		return o.lines(s, t)
	}
	text := ""
	if o.text != nil {
		text = *o.text
	}
	if text == "-" {
		if text, err = readPrompt(s.in); err != nil {
			return err
		}
		text = strings.TrimSuffix(text, "\n")
	}
	if !o.chat && o.conversation == nil {
		return o.print(s.out, t, text)
	}
	e, written, err := o.chatFlags.encode(t, &text)
	switch {
	case err != nil:
		return err
	case o.rendered && terminal(s.out) > 0:
		_, err = fmt.Fprintln(s.out, render.Safe(written))
		return err
	case o.rendered:
		_, err = io.WriteString(s.out, written)
		return err
	}
	return o.write(s.out, t, e, &written)
}

// tokenizer is that of the model.
func (o *tokenizeOptions) tokenizer(s *streams) (*tokenizer.Tokenizer, error) {
	if s.served != nil {
		opened, err := o.open(s, true)
		if err != nil {
			return nil, err
		}
		return opened.Tokenizer, nil
	}
	path, err := o.locate(s)
	if err != nil {
		return nil, err
	}
	return openTokenizer(path)
}

// openTokenizer opens a tokenizer without its model.
func openTokenizer(path string) (*tokenizer.Tokenizer, error) {
	if !strings.HasSuffix(path, ".gguf") {
		return tokenizer.Open(path)
	}
	ck, err := checkpoint.OpenMetadata(path)
	if err != nil {
		return nil, err
	}
	defer ck.Close()
	return tokenizer.FromGGUF(ck.Metadata)
}

// lines answers each line of a file.
func (o *tokenizeOptions) lines(s *streams, t *tokenizer.Tokenizer) error {
	f, err := openPrompts(o.file)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(s.out)
	in := bufio.NewReader(f)
	if start, err := in.Peek(len(bomUTF8)); err == nil && bytes.Equal(start, bomUTF8) {
		s.say("%s begins with a byte order mark, which is left out", o.file)
		_, _ = in.Discard(len(bomUTF8)) // they are in the buffer
	}
	d := json.NewDecoder(in)
	for n := 1; ; n++ {
		var text string
		if err := d.Decode(&text); errors.Is(err, io.EOF) {
			return out.Flush()
		} else if err != nil {
			return fmt.Errorf("%s: string %d: %w", o.file, n, err)
		}
		if err := o.print(out, t, text); err != nil {
			return err
		}
	}
}

// pieces writes what ids stand for.
func (o *tokenizeOptions) pieces(w io.Writer, t *tokenizer.Tokenizer) error {
	ids, err := parseIDs(o.ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, ok := t.Piece(id); !ok {
			return usagef("token id %d has no text in the tokenizer, whose ids end at %d", id, t.VocabSize()-1)
		}
	}
	return o.write(w, t, encoded{ids: ids}, nil)
}

type pieceJSON struct {
	ID    int    `json:"id"`
	Text  string `json:"text"`
	Bytes string `json:"bytes"` // base64
}

// turnJSON is where a message's text stands; its positions are null where that is not known.
type turnJSON struct {
	Name string `json:"name"`
	From *int   `json:"from"`
	To   *int   `json:"to"`
}

// print encodes a text and writes its tokens.
func (o *tokenizeOptions) print(w io.Writer, t *tokenizer.Tokenizer, text string) error {
	ids, err := t.Encode(text, !o.noBOS)
	if err != nil {
		return err
	}
	return o.write(w, t, encoded{ids: ids, bos: !o.noBOS && t.AddsBOS()}, nil)
}

// write writes tokens; prompt is what a chat template wrote.
func (o *tokenizeOptions) write(w io.Writer, t *tokenizer.Tokenizer, e encoded, prompt *string) error {
	if o.json {
		result := struct {
			Tokens   []pieceJSON `json:"tokens"`
			BOSAdded bool        `json:"bos_added"`
			Prompt   *string     `json:"prompt,omitempty"`
			Turns    []turnJSON  `json:"turns,omitempty"`
		}{Tokens: []pieceJSON{}, BOSAdded: e.bos, Prompt: prompt}
		for _, id := range e.ids {
			piece, _ := t.Piece(id)
			result.Tokens = append(result.Tokens, pieceJSON{id, lens.Token{Bytes: piece}.Text(), base64.StdEncoding.EncodeToString([]byte(piece))})
		}
		for _, turn := range e.turns {
			j := turnJSON{Name: turn.Name()}
			if turn.Err() == nil {
				j.From, j.To = &turn.From, &turn.To
			}
			result.Turns = append(result.Turns, j)
		}
		return render.WriteJSON(w, result)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	heading := "position\tid\ttext\tbytes"
	if len(e.turns) > 0 {
		heading = "position\tid\ttext\tturn\tbytes"
	}
	fmt.Fprintln(tw, heading)
	shown := make([]lens.Token, len(e.ids))
	for i, id := range e.ids {
		shown[i].Bytes, _ = t.Piece(id)
	}
	for i, id := range e.ids {
		piece := shown[i].Bytes
		note := ""
		if t.IsSpecial(id) {
			note = "  (special)"
		} else if !utf8.ValidString(piece) {
			note = "  (part of a character: " + render.Piece(shown, i) + ")"
		}
		if len(e.turns) > 0 {
			note += "\t" + e.turns.of(i)
		}
		fmt.Fprintf(tw, "%d\t%d\t%s%s\t% x\n", i, id, render.Visible(piece), note, piece)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	added := "no BOS was added"
	switch {
	case e.bos:
		added = "BOS was added"
	case prompt != nil:
		added = "by the chat template"
	}
	_, err := fmt.Fprintf(w, "%s, %s\n", english.Plural(len(e.ids), "token", ""), added)
	return err
}
