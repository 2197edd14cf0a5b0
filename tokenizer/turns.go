package tokenizer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/mlxlens/mlxlens/tokenizer/jinja"
)

// A Turn is where the text of a message stands among the tokens of a conversation, without what the template writes
// around it.
type Turn struct {
	Role  string
	Index int // of the messages of this role, from 0
	From  int // its first token
	To    int // one more than its last token
	err   error
}

// Err says why the text of the message cannot be found: the template leaves it out, changes it, or it has none.
func (t *Turn) Err() error { return t.err }

// Name is the turn's role and number: user:0.
func (t *Turn) Name() string { return fmt.Sprintf("%s:%d", t.Role, t.Index) }

// EncodeChat writes a conversation by ApplyChat, and returns the text, its ids and the turns of its messages.
func (t *Tokenizer) EncodeChat(c *Chat, addGenerationPrompt bool) (text string, ids []int, turns []Turn, err error) {
	if text, err = t.ApplyChat(c, addGenerationPrompt); err != nil {
		return "", nil, nil, err
	}
	if ids, err = t.Encode(text, false); err != nil {
		return "", nil, nil, err
	}
	found, err := t.locate(c, text, addGenerationPrompt)
	if err != nil {
		return "", nil, nil, err
	}
	ends, aligned := t.align(text, ids)
	counts := map[string]int{}
	for i := range c.messages.Items {
		turn := Turn{Role: c.role(i), Index: counts[c.role(i)], err: found[i].err}
		counts[turn.Role]++
		switch {
		case turn.err != nil:
		case !aligned:
			turn.err = errors.New("the tokenizer changes the text, so that its tokens cannot be told apart by it")
		default:
			turn.From, turn.To = tokensOf(ends, found[i].from, found[i].to)
		}
		turns = append(turns, turn)
	}
	return text, ids, turns, nil
}

// A stretch is where the text of a message stands in the conversation's, by bytes, or why that is not known.
type stretch struct {
	from, to int
	err      error
}

// Marks stand before the first and behind the last character of a message that is no white space (which templates take
// off): two characters for private use for each message.
const (
	firstMark = 0xf0000
	lastMark  = 0xffffd
)

// fewMessages is how many messages are marked one by one where the template minds the marks of all.
const fewMessages = 64

// ErrNoText is what Err of a turn wraps where its message has no text, or only white space.
var ErrNoText = errors.New("the message has no text")

var errChanged = errors.New("the template leaves the message's text out, writes it twice, or changes it")

// locate finds the texts of the messages. It renders the conversation once more, with marks. Without these the result must
// be the text itself: then the template did not mind them.
func (t *Tokenizer) locate(c *Chat, text string, addGenerationPrompt bool) ([]stretch, error) {
	template, err := t.templateFor(c)
	if err != nil {
		return nil, err
	}
	n := len(c.messages.Items)
	found := make([]stretch, n)
	all := make([]int, min(n, (lastMark-firstMark)/2))
	for i := range found {
		found[i].err = errChanged
		if i < len(all) {
			all[i] = i
		}
	}
	try := func(which []int) bool {
		messages, marked := c.withMarks(which)
		out, err := t.render(template, c, messages, addGenerationPrompt)
		if err != nil {
			return false // the template looked into the text
		}
		return readMarks(out, text, marked, found)
	}
	if !try(all) && n <= fewMessages {
		for i := range found {
			try([]int{i})
		}
	}
	for i, m := range c.messages.Items {
		if _, ok := mark(m.(*jinja.Dict), "", ""); !ok {
			found[i].err = ErrNoText
		}
	}
	return found, nil
}

// withMarks returns the messages, those of which numbers are given with marks, and which have them.
func (c *Chat) withMarks(which []int) (messages *jinja.List, marked []int) {
	messages = &jinja.List{Items: append([]any(nil), c.messages.Items...)}
	for _, i := range which {
		begin := rune(firstMark + 2*i)
		if m, ok := mark(c.messages.Items[i].(*jinja.Dict), string(begin), string(begin+1)); ok {
			messages.Items[i] = m
			marked = append(marked, i)
		}
	}
	return messages, marked
}

// readMarks takes the marks out of a text, and notes where they stood. It returns false where the rest is not the plain text.
func readMarks(out, plain string, marked []int, found []stretch) bool {
	at := map[rune][]int{}
	var b strings.Builder
	for _, r := range out {
		if r >= firstMark && r <= lastMark {
			at[r] = append(at[r], b.Len())
			continue
		}
		b.WriteRune(r)
	}
	if b.String() != plain {
		return false
	}
	for _, i := range marked {
		begin, end := at[rune(firstMark+2*i)], at[rune(firstMark+2*i+1)]
		if len(begin) == 1 && len(end) == 1 && begin[0] < end[0] {
			found[i] = stretch{begin[0], end[0], nil}
		}
	}
	return true
}

// mark returns a message whose text has marks; ok is false for one without a text.
func mark(message *jinja.Dict, begin, end string) (marked *jinja.Dict, ok bool) {
	content, _ := message.Get("content")
	marked = jinja.NewDict()
	for _, key := range message.Keys() {
		v, _ := message.Get(key)
		marked.Set(key, v)
	}
	switch v := content.(type) {
	case string:
		if strings.TrimSpace(v) == "" {
			return nil, false
		}
		marked.Set("content", behind(before(v, begin), end))
		return marked, true
	case *jinja.List: // the first and the last part that have a text
		parts := append([]any(nil), v.Items...)
		first, last := -1, -1
		for i, part := range parts {
			if text, ok := partText(part); ok && strings.TrimSpace(text) != "" {
				if first < 0 {
					first = i
				}
				last = i
			}
		}
		if first < 0 {
			return nil, false
		}
		parts[first] = withText(parts[first], func(s string) string { return before(s, begin) })
		parts[last] = withText(parts[last], func(s string) string { return behind(s, end) })
		marked.Set("content", &jinja.List{Items: parts})
		return marked, true
	}
	return nil, false
}

// before puts a mark before the first character that is no white space.
func before(s, mark string) string {
	i := len(s) - len(strings.TrimLeftFunc(s, unicode.IsSpace))
	return s[:i] + mark + s[i:]
}

// behind puts a mark behind the last character that is no white space.
func behind(s, mark string) string {
	i := len(strings.TrimRightFunc(s, unicode.IsSpace))
	return s[:i] + mark + s[i:]
}

func partText(part any) (string, bool) {
	d, ok := part.(*jinja.Dict)
	if !ok {
		return "", false
	}
	v, _ := d.Get("text")
	text, ok := v.(string)
	return text, ok
}

func withText(part any, f func(string) string) *jinja.Dict {
	out := jinja.NewDict()
	d := part.(*jinja.Dict)
	for _, key := range d.Keys() {
		v, _ := d.Get(key)
		if key == "text" {
			v = f(v.(string))
		}
		out.Set(key, v)
	}
	return out
}

// align returns where each token ends in a text, by bytes. ok is false where the tokens are not the text's own bytes.
func (t *Tokenizer) align(text string, ids []int) (ends []int, ok bool) {
	at := 0
	for _, id := range ids {
		piece, _ := t.Piece(id)
		if !strings.HasPrefix(text[at:], piece) {
			var begins bool // a space that SentencePiece puts before a text
			if piece, begins = strings.CutPrefix(piece, " "); !begins || !strings.HasPrefix(text[at:], piece) {
				return nil, false
			}
		}
		at += len(piece)
		ends = append(ends, at)
	}
	return ends, at == len(text)
}

// tokensOf returns the tokens that have a byte of text[from:to].
func tokensOf(ends []int, from, to int) (first, after int) {
	for first < len(ends) && ends[first] <= from {
		first++
	}
	for after = first; after < len(ends) && (after == 0 || ends[after-1] < to); after++ {
	}
	return first, after
}
