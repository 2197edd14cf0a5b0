package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mlxlens/mlxlens/serve"
)

// longest is how many bytes of JSON are repeated as text, for clients that read no structured content.
const longest = 8 << 10

// longestWords is how many bytes of what the command line prints stand in a text. A client may take no more for one answer.
const longestWords = 24 << 10

// result is an answer in the protocol's terms: structured content, then text, then remarks. words are what the command
// line prints of it, "" where that is nothing else.
func (t *tool) result(a *serve.Answer, words string) *sdk.CallToolResult {
	r := &sdk.CallToolResult{Meta: sdk.Meta{"mlxlens/command": append([]string{"mlxlens"}, a.Args...)}}
	if a.Format == "json" {
		structured := t.structured(a)
		r.StructuredContent = structured
		r.Content = []sdk.Content{&sdk.TextContent{Text: t.text(structured, words)}}
	} else {
		r.StructuredContent = map[string]any{"format": a.Format, "bytes": len(a.Body)}
		r.Content = []sdk.Content{t.file(a)}
	}
	for _, note := range a.Notes {
		r.Content = append(r.Content, &sdk.TextContent{Text: "Note: " + note})
	}
	return r
}

// structured is an answer as one JSON object: as it was printed where it is an object of the command's schema,
// else below a name.
func (t *tool) structured(a *serve.Answer) json.RawMessage {
	body := bytes.TrimSpace(a.Body)
	if a.Lines {
		lines := bytes.ReplaceAll(body, []byte("\n"), []byte(","))
		return bytes.Join([][]byte{[]byte(`{"lines":[`), lines, []byte(`]}`)}, nil)
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if json.Unmarshal(body, &head) == nil && bytes.HasPrefix(body, []byte("{")) && head.Schema == t.command.Schema {
		return body
	}
	return bytes.Join([][]byte{[]byte(`{"format":"json","answer":`), body, []byte(`}`)}, nil)
}

// longestPart is how many bytes a value of an answer may have in its outline.
const longestPart = 1 << 10

// outline is an object without its long values, and what these are, with their sizes.
func outline(structured json.RawMessage) (text string, out []string) {
	var all map[string]json.RawMessage
	if json.Unmarshal(structured, &all) != nil {
		return "", nil
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if n := len(all[key]); n > longestPart {
			out = append(out, fmt.Sprintf("%q (%d bytes)", key, n))
			delete(all, key)
		}
	}
	if kept, err := json.Marshal(all); err == nil && len(kept) <= longest {
		return string(kept), out
	}
	return "", nil
}

// text is an answer for who reads no structured content, such as the model of a client that hands it texts: the same
// where it is short, else what the command line prints, or what is short in it. How to ask for less stands below.
func (t *tool) text(structured json.RawMessage, words string) string {
	if len(structured) <= longest {
		return string(structured)
	}
	said := fmt.Sprintf("The structured content has %d bytes of JSON", len(structured))
	if t.command.Schema != "" {
		said += " (" + t.command.Schema + ")"
	}
	said += "." + t.advice()
	if words != "" {
		return within(words, longestWords) + "\n" + said
	}
	if kept, out := outline(structured); len(out) > 0 && kept != "{}" {
		return kept + "\n" + said + " Left out of this text: " + strings.Join(out, ", ") + "."
	}
	return said
}

// within is a text of no more than so many bytes, or little more: without the lines in its middle, for what is asked
// for begins it, and what it comes to ends it.
func within(text string, most int) string {
	if len(text) <= most {
		return text
	}
	from := strings.LastIndexByte(text[:most*3/4], '\n') + 1
	to := len(text) - most/4
	if next := strings.IndexByte(text[to:], '\n'); next >= 0 {
		to += next + 1
	}
	return fmt.Sprintf("%s… (%s left out)\n%s", text[:from], english.Plural(strings.Count(text[from:to], "\n"), "line", ""), text[to:])
}

// file is an answer in a format of its own.
func (t *tool) file(a *serve.Answer) sdk.Content {
	kind, _, _ := strings.Cut(serve.MediaType(a.Format), ";")
	at := &sdk.ResourceContents{URI: "mlxlens:///" + t.command.Name + "." + a.Format, MIMEType: kind}
	switch {
	case a.Format == "png":
		return &sdk.ImageContent{Data: a.Body, MIMEType: kind}
	case a.Format == "csv":
		return &sdk.TextContent{Text: string(a.Body)}
	case strings.HasPrefix(kind, "text/") || a.Format == "svg":
		at.Text = string(a.Body)
	default:
		at.Blob = a.Body
	}
	return &sdk.EmbeddedResource{Resource: at}
}
