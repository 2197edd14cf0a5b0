package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"github.com/sugarme/tokenizer/model/bpe"
	"golang.org/x/text/unicode/norm"
)

// maxID bounds the ids of a file, so that a corrupt one cannot ask for all memory. The largest vocabularies in
// use have 2^18 tokens.
const maxID = 1 << 22

// file is the layout of tokenizer.json. Its truncation and padding are for training and batches: they are not
// applied, as transformers does not unless asked.
type file struct {
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         *modelFile      `json:"model"`
}

type modelFile struct {
	Type         *string         `json:"type"` // may be missing (GPT-2)
	Dropout      *float64        `json:"dropout"`
	UnkToken     *string         `json:"unk_token"`
	Prefix       *string         `json:"continuing_subword_prefix"`
	Suffix       *string         `json:"end_of_word_suffix"`
	FuseUnk      bool            `json:"fuse_unk"`
	ByteFallback bool            `json:"byte_fallback"`
	IgnoreMerges bool            `json:"ignore_merges"`
	Vocab        json.RawMessage `json:"vocab"`
	Merges       json.RawMessage `json:"merges"`
}

// parseJSON reads tokenizer.json.
func parseJSON(data []byte) (*parts, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, describeJSON(data, err)
	}
	if f.Model == nil {
		return nil, errors.New("it has no model, so it is not a tokenizer.json of Hugging Face")
	}
	p := &parts{added: f.AddedTokens}
	if err := p.readModel(f.Model); err != nil {
		return nil, err
	}
	var err error
	if p.normalize, err = readNormalizer(f.Normalizer); err != nil {
		return nil, err
	}
	if p.steps, err = readPreTokenizer(f.PreTokenizer); err != nil {
		return nil, err
	}
	if err = p.readPostProcessor(f.PostProcessor); err != nil {
		return nil, err
	}
	if p.decoder, err = readDecoder(f.Decoder); err != nil {
		return nil, err
	}
	return p, nil
}

// describeJSON says what is wrong with a file that encoding/json rejects, and what to do about it.
func describeJSON(data []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return errors.New("the file is empty: download it again")
	case bytes.HasPrefix(data, []byte("version https://git-lfs")):
		return errors.New("it is a Git LFS pointer, not the file itself: download it again (git lfs pull)")
	case errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input":
		return fmt.Errorf("the JSON ends early, after %d bytes: the file is truncated, download it again", len(data))
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON at byte %d of %d (%v): the file is corrupt, download it again", syntax.Offset, len(data), syntax)
	case errors.As(err, &kind):
		want := jsonKind(kind.Type.Kind().String())
		if kind.Field == "" {
			return fmt.Errorf("it holds a JSON %s, want %s: the file is corrupt, download it again", kind.Value, want)
		}
		return fmt.Errorf("%q holds a JSON %s at byte %d, want %s: the file is corrupt, download it again", kind.Field, kind.Value, kind.Offset, want)
	}
	return err
}

// jsonKind names a Go kind as JSON does.
func jsonKind(kind string) string {
	switch kind {
	case "struct", "map":
		return "an object"
	case "slice":
		return "a list"
	case "bool":
		return "true or false"
	case "string":
		return "a string"
	}
	return "a number"
}

// unknownComponent is the error of a component that the file names and this package does not know.
func unknownComponent(where, kind string, have ...string) error {
	if kind == "" {
		return fmt.Errorf("a %s has no type (have: %s)", where, strings.Join(have, ", "))
	}
	return fmt.Errorf("%s type %q is not implemented (have: %s)", where, kind, strings.Join(have, ", "))
}

func (p *parts) readModel(m *modelFile) error {
	if m.Type != nil && *m.Type != "BPE" {
		return unknownComponent("model", *m.Type, "BPE")
	}
	if m.Dropout != nil && *m.Dropout != 0 {
		return fmt.Errorf("model dropout %v is not implemented: tokens would differ from run to run (want null or 0)", *m.Dropout)
	}
	if m.Prefix != nil && *m.Prefix != "" {
		return fmt.Errorf("model continuing_subword_prefix %q is not implemented (want none)", *m.Prefix)
	}
	if m.Suffix != nil && *m.Suffix != "" {
		return fmt.Errorf("model end_of_word_suffix %q is not implemented (want none)", *m.Suffix)
	}
	var err error
	if p.vocab, err = readVocab(m.Vocab); err != nil {
		return err
	}
	merges, err := readMerges(m.Merges)
	if err != nil {
		return err
	}
	if p.merges, err = resolveMerges(p.vocab, merges); err != nil {
		return err
	}
	p.unknown = -1
	if m.UnkToken != nil {
		id, ok := p.vocab[*m.UnkToken]
		if !ok {
			return fmt.Errorf("model unk_token %q is not in the vocabulary", *m.UnkToken)
		}
		p.unknown = id
	}
	p.fuseUnknown, p.byteFallback, p.ignoreMerges = m.FuseUnk, m.ByteFallback, m.IgnoreMerges
	return nil
}

// resolveMerges looks up the ids of each merge and of what it makes; the rank is the place in the list.
func resolveMerges(vocab map[string]int, merges [][2]string) (bpe.Merges, error) {
	out := make(bpe.Merges, len(merges))
	var joined []byte
	for rank, m := range merges {
		left, ok1 := vocab[m[0]]
		right, ok2 := vocab[m[1]]
		joined = append(append(joined[:0], m[0]...), m[1]...)
		id, ok3 := vocab[string(joined)]
		if !ok1 || !ok2 || !ok3 {
			missing := string(joined)
			if !ok1 {
				missing = m[0]
			} else if !ok2 {
				missing = m[1]
			}
			return nil, fmt.Errorf("merge %d (%q + %q) needs the token %q, which is not in the vocabulary", rank, m[0], m[1], missing)
		}
		out[bpe.Pair{C1: left, C2: right}] = bpe.PairVal{Rank: rank, NewId: id}
	}
	return out, nil
}

// A scan walks JSON that is known to be valid, for the two lists that are too long for reflection.
type jsonScan struct {
	s string
	i int
}

// peek returns the next byte that is not white space, 0 at the end.
func (j *jsonScan) peek() byte {
	for j.i < len(j.s) {
		switch c := j.s[j.i]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
			j.i++
		default:
			return c
		}
	}
	return 0
}

// text reads a string; ok is false where something else stands.
func (j *jsonScan) text() (s string, ok bool) {
	if j.peek() != '"' {
		return "", false
	}
	start := j.i + 1
	for i := start; i < len(j.s); i++ {
		switch j.s[i] {
		case '"':
			j.i = i + 1
			return j.s[start:i], true
		case '\\':
			return j.escaped(start)
		}
	}
	return "", false
}

func (j *jsonScan) escaped(start int) (string, bool) {
	var b []byte
	for i := start; i < len(j.s); i++ {
		c := j.s[i]
		if c == '"' {
			j.i = i + 1
			return string(b), true
		}
		if c != '\\' {
			b = append(b, c)
			continue
		}
		i++
		switch c := j.s[i]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := j.hex(i + 1)
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(utf8.RuneError)
				if i+6 < len(j.s) && j.s[i+1] == '\\' && j.s[i+2] == 'u' {
					low = j.hex(i + 3)
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			b = utf8.AppendRune(b, r)
		default: // " \ /
			b = append(b, c)
		}
	}
	return "", false
}

// hex reads the four digits of \uXXXX.
func (j *jsonScan) hex(i int) rune {
	v, err := strconv.ParseUint(j.s[i:i+4], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(v)
}

// integer reads a whole number up to maxID.
func (j *jsonScan) integer() (n int, ok bool) {
	j.peek()
	start := j.i
	for j.i < len(j.s) && '0' <= j.s[j.i] && j.s[j.i] <= '9' && n <= maxID {
		n = 10*n + int(j.s[j.i]-'0')
		j.i++
	}
	if j.i == start || j.i < len(j.s) && strings.IndexByte("0123456789.eE", j.s[j.i]) >= 0 {
		return 0, false
	}
	return n, n <= maxID
}

// readVocab reads {"token": id, …}.
func readVocab(raw json.RawMessage) (map[string]int, error) {
	j := &jsonScan{s: string(raw)}
	if j.peek() != '{' {
		return nil, errors.New("model.vocab is not an object of tokens and ids")
	}
	j.i++
	vocab := make(map[string]int, strings.Count(j.s, ":"))
	for j.peek() != '}' {
		token, ok := j.text()
		if !ok {
			return nil, fmt.Errorf("model.vocab is not an object of tokens and ids (entry %d)", len(vocab))
		}
		id, ok := j.integer()
		if !ok {
			return nil, fmt.Errorf("model.vocab: the id of %q is not a whole number from 0 to %d", token, maxID)
		}
		vocab[token] = id
	}
	if len(vocab) == 0 {
		return nil, errors.New("model.vocab is empty")
	}
	return vocab, nil
}

// readMerges reads ["a b", …] or [["a", "b"], …].
func readMerges(raw json.RawMessage) ([][2]string, error) {
	j := &jsonScan{s: string(raw)}
	if j.peek() != '[' {
		return nil, errors.New("model.merges is not a list")
	}
	j.i++
	var merges [][2]string
	for j.peek() != ']' {
		if j.peek() != '[' {
			text, ok := j.text()
			if !ok {
				return nil, fmt.Errorf("model.merges: entry %d is neither a string nor a pair of strings", len(merges))
			}
			left, right, ok := strings.Cut(text, " ")
			if !ok || strings.Contains(right, " ") {
				return nil, fmt.Errorf("model.merges: entry %d (%q) is not two tokens with a space between", len(merges), text)
			}
			merges = append(merges, [2]string{left, right})
			continue
		}
		j.i++
		left, ok1 := j.text()
		right, ok2 := j.text()
		if !ok1 || !ok2 || j.peek() != ']' {
			return nil, fmt.Errorf("model.merges: entry %d is neither a string nor a pair of strings", len(merges))
		}
		j.i++
		merges = append(merges, [2]string{left, right})
	}
	return merges, nil
}

// component is the part of a component that says what the rest is.
type component struct {
	Type string `json:"type"`
}

// decodeInto reads a component's own fields.
func decodeInto(raw json.RawMessage, where string, v any) error {
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %w", where, describeJSON(raw, err))
	}
	return nil
}

func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || string(bytes.TrimSpace(raw)) == "null"
}

// textPattern is {"String": s} or {"Regex": s}.
type textPattern struct {
	String *string `json:"String"`
	Regex  *string `json:"Regex"`
}

func readNormalizer(raw json.RawMessage) (normalizer, error) {
	if isNull(raw) {
		return nil, nil
	}
	var c struct {
		component
		Normalizers []json.RawMessage `json:"normalizers"`
		Prepend     string            `json:"prepend"`
		Pattern     textPattern       `json:"pattern"`
		Content     string            `json:"content"`
	}
	if err := decodeInto(raw, "normalizer", &c); err != nil {
		return nil, err
	}
	switch c.Type {
	case "Sequence":
		var steps []normalizer
		for _, r := range c.Normalizers {
			step, err := readNormalizer(r)
			if err != nil {
				return nil, err
			}
			if step != nil {
				steps = append(steps, step)
			}
		}
		if len(steps) == 0 {
			return nil, nil
		}
		return inOrder(steps), nil
	case "NFC":
		return unicodeForm(norm.NFC), nil
	case "NFD":
		return unicodeForm(norm.NFD), nil
	case "NFKC":
		return unicodeForm(norm.NFKC), nil
	case "NFKD":
		return unicodeForm(norm.NFKD), nil
	case "Lowercase":
		return lowercase, nil
	case "Prepend":
		return prepend(c.Prepend), nil
	case "Replace":
		switch {
		case c.Pattern.String != nil && *c.Pattern.String != "":
			return replace(*c.Pattern.String, c.Content), nil
		case c.Pattern.Regex != nil:
			re, err := compile(*c.Pattern.Regex)
			if err != nil {
				return nil, err
			}
			return replaceRegexp(re, c.Content), nil
		}
		return nil, errors.New("normalizer Replace has neither pattern.String nor pattern.Regex")
	}
	return nil, unknownComponent("normalizer", c.Type, "Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Prepend", "Replace")
}

func readPreTokenizer(raw json.RawMessage) ([]step, error) {
	if isNull(raw) {
		return nil, nil
	}
	var c struct {
		component
		PreTokenizers    []json.RawMessage `json:"pretokenizers"`
		AddPrefixSpace   *bool             `json:"add_prefix_space"`
		UseRegex         *bool             `json:"use_regex"`
		Pattern          textPattern       `json:"pattern"`
		Behavior         string            `json:"behavior"`
		Invert           bool              `json:"invert"`
		IndividualDigits bool              `json:"individual_digits"`
		Replacement      string            `json:"replacement"`
		PrependScheme    *string           `json:"prepend_scheme"`
		Split            *bool             `json:"split"`
	}
	if err := decodeInto(raw, "pre_tokenizer", &c); err != nil {
		return nil, err
	}
	switch c.Type {
	case "Sequence":
		var steps []step
		for _, r := range c.PreTokenizers {
			inner, err := readPreTokenizer(r)
			if err != nil {
				return nil, err
			}
			steps = append(steps, inner...)
		}
		return steps, nil
	case "ByteLevel":
		var steps []step
		if c.AddPrefixSpace == nil || *c.AddPrefixSpace {
			steps = append(steps, prefixStep(" ", false))
		}
		if c.UseRegex == nil || *c.UseRegex {
			steps = append(steps, scanStep(scanGPT2))
		}
		return append(steps, byteLevelStep), nil
	case "Digits":
		return []step{digitsStep(c.IndividualDigits)}, nil
	case "Split":
		behavior, ok := behaviors[c.Behavior]
		if !ok {
			return nil, fmt.Errorf("pre_tokenizer Split has behavior %q (have: Contiguous, Isolated, MergedWithNext, MergedWithPrevious, Removed)", c.Behavior)
		}
		switch {
		case c.Pattern.String != nil:
			return []step{splitStep(findString(*c.Pattern.String), c.Invert, behavior)}, nil
		case c.Pattern.Regex != nil:
			// A known pattern matches all of a text, so that there are no gaps for Removed with invert, the older
			// spelling of Isolated, to remove.
			scan := scannerFor(*c.Pattern.Regex)
			if scan != nil && (c.Behavior == "Isolated" || c.Behavior == "Removed" && c.Invert) {
				return []step{scanStep(scan)}, nil
			}
			re, err := compile(*c.Pattern.Regex)
			if err != nil {
				return nil, err
			}
			return []step{splitStep(findRegexp(re), c.Invert, behavior)}, nil
		}
		return nil, errors.New("pre_tokenizer Split has neither pattern.String nor pattern.Regex")
	case "Metaspace":
		mark, scheme, err := metaspace("pre_tokenizer", c.Replacement, c.PrependScheme, c.AddPrefixSpace)
		if err != nil {
			return nil, err
		}
		steps := []step{replaceStep(" ", mark)}
		if scheme != "never" {
			steps = append(steps, prefixStep(mark, scheme == "first"))
		}
		if c.Split == nil || *c.Split {
			steps = append(steps, splitStep(findString(mark), false, behaviors["MergedWithNext"]))
		}
		return steps, nil
	}
	return nil, unknownComponent("pre_tokenizer", c.Type, "Sequence", "ByteLevel", "Digits", "Split", "Metaspace")
}

// metaspace reads the fields that Metaspace has as a pre-tokenizer and as a decoder. Files older than
// prepend_scheme say add_prefix_space.
func metaspace(where, replacement string, scheme *string, addPrefixSpace *bool) (mark, prepend string, err error) {
	if replacement == "" {
		replacement = "▁"
	}
	switch {
	case scheme == nil && addPrefixSpace != nil && !*addPrefixSpace:
		return replacement, "never", nil
	case scheme == nil:
		return replacement, "always", nil
	case *scheme == "always" || *scheme == "first" || *scheme == "never":
		return replacement, *scheme, nil
	}
	return "", "", fmt.Errorf("%s Metaspace has prepend_scheme %q (have: always, first, never)", where, *scheme)
}

// compile makes a regular expression of a pattern that has no scanner.
func compile(pattern string) (*regexp2.Regexp, error) {
	re, err := regexp2.Compile(pattern, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("the pattern %q cannot be read: %w", pattern, err)
	}
	return re, nil
}

func (p *parts) readPostProcessor(raw json.RawMessage) error {
	if isNull(raw) {
		return nil
	}
	type templatePiece struct {
		SpecialToken *struct {
			ID string `json:"id"`
		} `json:"SpecialToken"`
		Sequence *struct {
			ID string `json:"id"`
		} `json:"Sequence"`
	}
	var c struct {
		component
		Processors    []json.RawMessage `json:"processors"`
		Single        []templatePiece   `json:"single"`
		SpecialTokens map[string]struct {
			IDs []int `json:"ids"`
		} `json:"special_tokens"`
	}
	if err := decodeInto(raw, "post_processor", &c); err != nil {
		return err
	}
	switch c.Type {
	case "Sequence":
		for _, r := range c.Processors {
			if err := p.readPostProcessor(r); err != nil {
				return err
			}
		}
		return nil
	case "ByteLevel": // moves offsets alone
		return nil
	case "TemplateProcessing":
		if p.template != nil {
			return errors.New("post_processor has two TemplateProcessing, one is implemented")
		}
		t := &template{}
		for _, piece := range c.Single {
			switch {
			case piece.Sequence != nil && piece.Sequence.ID == "A" && !t.hasText:
				t.hasText = true
			case piece.SpecialToken != nil:
				tokens, ok := c.SpecialTokens[piece.SpecialToken.ID]
				if !ok {
					return fmt.Errorf("post_processor TemplateProcessing uses %q, which its special_tokens lack", piece.SpecialToken.ID)
				}
				t.add(tokens.IDs...)
			default:
				return errors.New("post_processor TemplateProcessing: single is not special tokens around one sequence A")
			}
		}
		if !t.hasText {
			return errors.New("post_processor TemplateProcessing: single has no sequence A")
		}
		p.template = t
		return nil
	}
	return unknownComponent("post_processor", c.Type, "Sequence", "ByteLevel", "TemplateProcessing")
}

func readDecoder(raw json.RawMessage) (decoderChain, error) {
	if isNull(raw) {
		return decoderChain{func() stage { return &joinStage{} }}, nil
	}
	fused := false
	return readStages(raw, &fused)
}

// readStages reads one decoder. fused says whether the stages before it made one text of the tokens.
func readStages(raw json.RawMessage, fused *bool) (decoderChain, error) {
	var c struct {
		component
		Decoders       []json.RawMessage `json:"decoders"`
		Pattern        textPattern       `json:"pattern"`
		Content        string            `json:"content"`
		Start          int               `json:"start"`
		Stop           int               `json:"stop"`
		Replacement    string            `json:"replacement"`
		PrependScheme  *string           `json:"prepend_scheme"`
		AddPrefixSpace *bool             `json:"add_prefix_space"`
	}
	if err := decodeInto(raw, "decoder", &c); err != nil {
		return nil, err
	}
	if *fused && c.Type != "Strip" && c.Type != "Fuse" {
		return nil, fmt.Errorf("decoder %q after Fuse or ByteLevel is not implemented (have: Fuse, Strip)", c.Type)
	}
	switch c.Type {
	case "Sequence":
		var chain decoderChain
		for _, r := range c.Decoders {
			inner, err := readStages(r, fused)
			if err != nil {
				return nil, err
			}
			chain = append(chain, inner...)
		}
		return chain, nil
	case "ByteLevel":
		*fused = true
		return decoderChain{func() stage { return &byteLevelStage{} }}, nil
	case "ByteFallback":
		return decoderChain{func() stage { return &byteFallbackStage{} }}, nil
	case "Fuse":
		*fused = true
		return nil, nil
	case "Metaspace":
		mark, scheme, err := metaspace("decoder", c.Replacement, c.PrependScheme, c.AddPrefixSpace)
		if err != nil {
			return nil, err
		}
		return decoderChain{func() stage { return &metaspaceStage{replacement: mark, keepFirst: scheme == "never"} }}, nil
	case "Replace":
		if c.Pattern.String == nil || *c.Pattern.String == "" {
			return nil, errors.New("decoder Replace without pattern.String is not implemented")
		}
		s := replaceStage{*c.Pattern.String, c.Content}
		return decoderChain{func() stage { return s }}, nil
	case "Strip":
		if utf8.RuneCountInString(c.Content) != 1 || c.Start < 0 || c.Stop < 0 {
			return nil, fmt.Errorf("decoder Strip: content %q, start %d, stop %d: want one character and counts from 0", c.Content, c.Start, c.Stop)
		}
		if *fused {
			return decoderChain{func() stage { return &stripTextStage{char: c.Content, start: c.Start, stop: c.Stop} }}, nil
		}
		s := stripTokenStage{c.Content, c.Start, c.Stop}
		return decoderChain{func() stage { return s }}, nil
	}
	return nil, unknownComponent("decoder", c.Type, "Sequence", "ByteLevel", "ByteFallback", "Fuse", "Metaspace", "Replace", "Strip")
}

// sortedByID returns added tokens in the order of their ids, as Hugging Face registers them.
func sortedByID(tokens []addedToken) []addedToken {
	out := append([]addedToken(nil), tokens...)
	sort.SliceStable(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}
