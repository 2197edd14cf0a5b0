package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/internal/exactjson"
)

// task is a line of a prompts file.
type task struct {
	line   int // from 1
	prompt *string
	ids    []int
	input  json.RawMessage // what the line says, of a task that is more than a prompt, as it stands in the answer
	label  string          // of a labelled prompt
	err    error           // the line cannot be read
	shard  *mark           // of a task of a part of its file
}

// prompts are the tasks of a file, and what was not text in it.
type prompts struct {
	tasks   []task
	bom     bool
	invalid []int  // lines that are not UTF-8
	digest  string // of the file's bytes
}

// The byte order marks of UTF-8 and UTF-16 (Unicode 17, table 2-4).
var (
	bomUTF8  = []byte("\xef\xbb\xbf")
	bomUTF16 = [][]byte{[]byte("\xff\xfe"), []byte("\xfe\xff")}
)

// replaced stands for bytes that are not text.
const replaced = string(utf8.RuneError)

// readTasks reads the prompts of a file: a line each, or in a .jsonl file what parse reads: a
// JSON string or {"prompt": …} or {"ids": […]} each, or the tasks of an experiment. Empty lines are none. The text is UTF-8: a byte order
// mark before it is left out, and a byte that is not UTF-8 is read as U+FFFD.
func readTasks(name string, in io.Reader, parse func(line int, text string) task) (*prompts, error) {
	isJSON := strings.EqualFold(filepath.Ext(name), ".jsonl")
	p := &prompts{}
	r := bufio.NewReader(in)
	if start, err := r.Peek(len(bomUTF8)); bytes.HasPrefix(start, bomUTF16[0]) || bytes.HasPrefix(start, bomUTF16[1]) {
		return nil, fmt.Errorf("%s is UTF-16 or UTF-32 text: save it as UTF-8", name)
	} else if err == nil && bytes.Equal(start, bomUTF8) {
		p.bom = true
		_, _ = r.Discard(len(bomUTF8)) // they are in the buffer
	}
	for n := 1; ; n++ {
		text, err := r.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		if strings.ContainsRune(text, 0) {
			return nil, fmt.Errorf("%s: line %d has zero bytes, which are in no text: save it as UTF-8, if it is UTF-16", name, n)
		}
		if strings.TrimSpace(text) != "" {
			t := task{line: n, prompt: &text}
			if isJSON {
				t = parse(n, text)
			}
			p.add(t, text)
		}
		if err != nil {
			return p, nil
		}
	}
}

// add keeps a task. What is not UTF-8 is replaced, as encoding/json has done in its strings.
func (p *prompts) add(t task, line string) {
	var text string
	switch {
	case t.prompt != nil:
		text = strings.ToValidUTF8(*t.prompt, replaced)
		t.prompt = &text
	case t.input != nil:
		text = textsOf(t.input)
	default:
		p.tasks = append(p.tasks, t)
		return
	}
	asked := strings.Contains(line, replaced) || strings.Contains(strings.ToLower(line), `\ufffd`)
	if strings.Contains(text, replaced) && !asked || !utf8.ValidString(line) {
		p.invalid = append(p.invalid, t.line)
	}
	p.tasks = append(p.tasks, t)
}

// textsOf is JSON with its strings as they are read: half a pair of UTF-16 is U+FFFD.
func textsOf(data []byte) string {
	var v any
	_ = json.Unmarshal(data, &v) // what is no JSON has its error in the task
	read, _ := json.Marshal(v)   // what was read can be written
	return string(read)
}

// warn says what was not text.
func (p *prompts) warn(s *streams, name string) {
	if p.bom {
		s.say("%s begins with a byte order mark, which is left out", name)
	}
	if n := len(p.invalid); n > 0 {
		s.say("%s: %s not UTF-8, the first line %d: what is not text is read as U+FFFD", name, english.Plural(n, "line is", "lines are"), p.invalid[0])
	}
}

// validText returns a prompt as text, and says what was not.
func validText(s *streams, what, text string) string {
	text, bom := strings.CutPrefix(text, string(bomUTF8))
	if bom {
		s.say("%s begins with a byte order mark, which is left out", what)
	}
	if utf8.ValidString(text) {
		return text
	}
	s.say("%s is not UTF-8: what is not text is read as U+FFFD", what)
	return strings.ToValidUTF8(text, replaced)
}

// textOf is validText of what may be UTF-16, which is left for the reader to refuse.
func textOf(s *streams, what string, data []byte) string {
	if bytes.HasPrefix(data, bomUTF16[0]) || bytes.HasPrefix(data, bomUTF16[1]) || bytes.IndexByte(data, 0) >= 0 {
		return string(data)
	}
	return validText(s, what, string(data))
}

// parseTask reads a line of a .jsonl file.
func parseTask(line int, text string) task {
	t := task{line: line}
	var v any
	if err := exactjson.Unmarshal([]byte(text), &v); err != nil {
		t.err = err
		return t
	}
	switch v := v.(type) {
	case string:
		t.prompt = &v
		return t
	case map[string]any:
	default:
		t.err = errors.New(`it is neither a JSON text nor an object: want "…", {"prompt": "…"} or {"ids": [1, 2]}`)
		return t
	}
	var object struct {
		Prompt   *string         `json:"prompt"`
		IDs      []int           `json:"ids"`
		Messages json.RawMessage `json:"messages"`
	}
	if err := exactjson.Unmarshal([]byte(text), &object); err != nil {
		t.err = err
		return t
	}
	if t.err = exactjson.Repeated([]byte(text)); t.err != nil {
		return t
	}
	if object.Messages != nil {
		t.err = errors.New(`"messages" is not read from a file of prompts: write each conversation to a file of its own, for --messages FILE`)
		return t
	}
	if t.prompt, t.ids = object.Prompt, object.IDs; (t.prompt == nil) == (t.ids == nil) {
		t.err = errors.New(`want either "prompt" or "ids"`)
	}
	return t
}
