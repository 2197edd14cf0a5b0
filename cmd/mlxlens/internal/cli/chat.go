package cli

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/tokenizer"
)

// maxMessages is how many bytes a file of messages may have.
const maxMessages = 16 << 20

// chatFlags put a prompt, or the messages of a file, into the model's chat template.
type chatFlags struct {
	chat         bool
	system       string
	messages     string
	second       theFlag         // that messages stand for, of a second side; "": --messages
	conversation *tokenizer.Chat // what --messages names
	long         bool            // it may take long to encode
}

func (o *chatFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.chat, "chat", false, "put the prompt into the model's chat template, as a user's message")
	f.StringVar(&o.system, "system", "", "a system message before the prompt, with --chat")
	f.StringVar(&o.messages, "messages", "", "a conversation for the chat template instead of a prompt: a JSON `FILE` (- for stdin), or the JSON itself: a list of messages, or an object with messages and tools")
}

// check finds flags that exclude each other, whatever the prompt.
func (o *chatFlags) check(noBOS bool) error {
	switch {
	case o.messages != "" && (o.chat || o.system != ""):
		return usagef("--messages excludes --chat and --system: the file has the roles")
	case o.messages != "" && noBOS:
		return usagef("--messages and --no-bos exclude each other: the template writes the special tokens")
	case o.chat && noBOS:
		return usagef("--chat and --no-bos exclude each other: the template writes the special tokens")
	case o.system != "" && !o.chat:
		return usagef("--system needs --chat")
	}
	return nil
}

// inlineJSON reports whether the value of a flag is JSON, where it may be the name of a file; that of a file which
// begins so has ./ before it.
func inlineJSON(value string) bool {
	return strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{")
}

// load reads what --messages names, or is.
func (o *chatFlags) load(s *streams) error {
	named := s.naming.write("%v %q", cmp.Or(o.second, "messages"), o.messages)
	in := s.in
	switch {
	case inlineJSON(o.messages):
		named, in = s.naming.name(string(cmp.Or(o.second, "messages"))), strings.NewReader(o.messages)
	case o.messages == "-":
		if err := s.readsStdin(); err != nil {
			return err
		}
	default:
		if err := s.reads(o.messages, "the file of the messages"); err != nil {
			return err
		}
		f, err := regular.OpenText(o.messages, maxMessages, maxMessages)
		if err != nil {
			return failf("%v: %w", cmp.Or(o.second, "messages"), err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxMessages+1))
	if err == nil && len(data) > maxMessages {
		err = regular.TooLarge(int64(len(data)), maxMessages)
	}
	if err == nil {
		if !inlineJSON(o.messages) {
			s.depends(o.messages, shorter(sha256.Sum256(data)))
		}
		o.long = len(data) > surelyEncoded
		o.conversation, err = tokenizer.ParseChat([]byte(textOf(s, named, data)))
	}
	switch {
	case err != nil && inlineJSON(o.messages): // what was asked, and no file
		return usageError{fmt.Errorf("%s: %w", named, err)}
	case err != nil:
		return fmt.Errorf("%s: %w", named, err)
	}
	return nil
}

// encoded is a prompt as the model gets it.
type encoded struct {
	ids   []int
	bos   bool    // was added by the tokenizer
	text  *string // the prompt; of --messages what the template wrote
	turns turns
	chat  bool // the chat template wrote the ids
}

// describe says in a grid of which prompt and model it is.
func (e *encoded) describe(g *lens.Grid, model auto.Info) {
	g.Prompt, g.Chat, g.BOSAdded = e.text, e.chat, e.bos
	g.Model.Ref, g.Model.Type, g.Model.Quantization = model.Ref, model.Type, model.Quantization
}

// encode writes a prompt, or the conversation, by the chat template. The answer's beginning follows unless the last
// message is the assistant's.
func (o *chatFlags) encode(t *tokenizer.Tokenizer, prompt *string) (e encoded, written string, err error) {
	c := o.conversation
	if c == nil {
		messages := []tokenizer.Message{{Role: "user", Content: *prompt}}
		if o.system != "" {
			messages = append([]tokenizer.Message{{Role: "system", Content: o.system}}, messages...)
		}
		c = tokenizer.NewChat(messages...)
	}
	if written, e.ids, e.turns, err = t.EncodeChat(c, !c.EndsWithAssistant()); err != nil {
		return e, "", err
	}
	e.chat = true
	if e.text = prompt; o.conversation != nil {
		e.text = &written
	}
	return e, written, nil
}

// turns are the messages of a conversation, which selections of positions name: user:0, assistant:-1, or user for all
// of a role.
type turns []tokenizer.Turn

var turnName = regexp.MustCompile(`^([A-Za-z_][\w.-]*)(?::(-?\d+))?$`)

// checkTurn finds what is wrong with the name of a turn; a selection of numbers is none.
func checkTurn(part string) error {
	role, number, _ := strings.Cut(part, ":")
	switch {
	case !turnName.MatchString(role) || turnName.MatchString(part):
		return nil
	case number == "":
		return fmt.Errorf("%q has no number behind the colon: want %s:0, %s:-1, or %s for all of the role", part, role, role, role)
	}
	return fmt.Errorf("%q: %q is no number of a message: want %s:0, %s:-1, or %s for all of the role", part, number, role, role, role)
}

// resolve writes the turns in a selection such as 0,user:1,-1 as ranges of positions.
func (t turns) resolve(selection string) (string, error) {
	parts := strings.Split(selection, ",")
	for i, part := range parts {
		part = strings.TrimSpace(part)
		if err := checkTurn(part); err != nil {
			return "", err
		}
		name := turnName.FindStringSubmatch(part)
		if name == nil {
			continue
		}
		found, err := t.named(name[1], name[2])
		if err != nil {
			return "", err
		}
		ranges := make([]string, len(found))
		for k, turn := range found {
			if err := turn.Err(); err != nil {
				return "", fmt.Errorf("where %s stands is not known: %w: give positions as numbers (mlxlens tokenize shows them)", turn.Name(), err)
			}
			ranges[k] = fmt.Sprintf("%d:%d", turn.From, turn.To)
		}
		parts[i] = strings.Join(ranges, ",")
	}
	return strings.Join(parts, ","), nil
}

// named returns the turn of a role with this number, which may count from the end, or all of a role.
func (t turns) named(role, number string) ([]tokenizer.Turn, error) {
	if len(t) == 0 {
		return nil, failf("%q names a turn of a conversation: give --chat or --messages, or positions such as 0,4,8:12,-1", strings.TrimSuffix(role+":"+number, ":"))
	}
	var of []tokenizer.Turn
	var names []string
	for _, turn := range t {
		names = append(names, turn.Name())
		if turn.Role == role {
			of = append(of, turn)
		}
	}
	if number == "" && len(of) > 0 {
		texts := slices.DeleteFunc(slices.Clone(of), func(turn tokenizer.Turn) bool { return errors.Is(turn.Err(), tokenizer.ErrNoText) })
		if len(texts) == 0 {
			return of, nil
		}
		return texts, nil
	}
	n := 0
	if _, err := fmt.Sscanf(number, "%d", &n); err == nil {
		if n < 0 {
			n += len(of)
		}
		if i := slices.IndexFunc(of, func(turn tokenizer.Turn) bool { return turn.Index == n }); i >= 0 {
			return of[i : i+1], nil
		}
	}
	return nil, fmt.Errorf("there is no turn %s (have: %s)", strings.TrimSuffix(role+":"+number, ":"), strings.Join(names, ", "))
}

// of names the turn that has a position, "" for one between turns.
func (t turns) of(position int) string {
	for i := range t {
		if t[i].Err() == nil && t[i].From <= position && position < t[i].To {
			return t[i].Name()
		}
	}
	return ""
}

// inEdit resolves the turns among the positions and keys of an edit.
func (t turns) inEdit(text string) (string, error) {
	where, what, ok := strings.Cut(text, "=")
	if !ok {
		return text, nil
	}
	where, heads, hasHeads := strings.Cut(where, "#")
	where, keys, hasKeys := strings.Cut(where, "/")
	where, at, hasPositions := strings.Cut(where, "@")
	for _, part := range []struct {
		has  bool
		mark string
		text *string
	}{{hasPositions, "@", &at}, {hasKeys, "/", &keys}} {
		if !part.has {
			continue
		}
		resolved, err := t.resolve(*part.text)
		if err != nil {
			return "", fmt.Errorf("edit %q: %w", edit.Brief(text), err)
		}
		where += part.mark + resolved
	}
	if hasHeads {
		where += "#" + heads
	}
	return where + "=" + what, nil
}

// at reads a selection of positions among so many tokens, nil for an empty one.
func (t turns) at(selected string, tokens int) ([]int, error) {
	resolved, err := t.resolve(selected)
	if err != nil {
		return nil, usageError{err}
	}
	return selection(resolved, tokens, "position")
}

// spanFlag chooses turns as positions.
type spanFlag struct {
	spans []string
	given func() bool
}

func (o *spanFlag) flags(cmd *cobra.Command, what string) {
	cmd.Flags().StringSliceVar(&o.spans, "span", nil, what+" of a turn of the conversation: user:0, assistant:-1, or user for all of a role (repeatable)")
	o.given = func() bool { return cmd.Flags().Changed("span") }
}

// check refuses what names no turn, and turns beside positions.
func (o *spanFlag) check(positions string) error {
	if len(o.spans) > 0 && positions != "" {
		return usagef("--span and --positions exclude each other: name turns among the positions instead, as in --positions user:0,-1")
	}
	if o.given != nil && o.given() && len(o.spans) == 0 {
		return usagef("--span is empty: name a turn, such as user:0, assistant:-1, or user for all of a role")
	}
	for _, span := range o.spans {
		part := strings.TrimSpace(span)
		if err := checkTurn(part); err != nil {
			return usagef("--span %w", err)
		}
		if !turnName.MatchString(part) {
			return usagef("--span %q names no turn: want one such as user:0, assistant:-1, or user for all of a role; numbers are for --positions", span)
		}
	}
	return nil
}

// or returns the selection that the flag stands for, or another.
func (o *spanFlag) or(positions string) string {
	if len(o.spans) > 0 {
		return strings.Join(o.spans, ",")
	}
	return positions
}
