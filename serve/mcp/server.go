package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mlxlens/mlxlens/serve"
)

// Options say what a server tells of itself.
type Options struct {
	Name, Version string
	Instructions  string                           // for the model that uses the tools
	Schema        func(name string) map[string]any // the JSON schema of an answer by its name, nil where there is none; nil: no answer has one
	Beat          time.Duration                    // after which a client that wants progress is told that work goes on; 5 seconds
}

// NewServer makes a server with a tool for each command of a service.
func NewServer(s *serve.Service, o Options) *sdk.Server {
	if o.Beat == 0 {
		o.Beat = 5 * time.Second
	}
	server := sdk.NewServer(&sdk.Implementation{Name: o.Name, Version: o.Version}, &sdk.ServerOptions{
		Instructions: o.Instructions,
		Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}}, // which stay as they are; and no log
	})
	for _, c := range s.Commands() {
		t := &tool{service: s, command: c, beat: o.Beat}
		server.AddTool(t.describe(o.Schema), t.call)
	}
	return server
}

// Serve answers a client that writes to in and reads from out, a JSON object a line, until it leaves or ctx
// ends. Nothing else is written to out.
func Serve(ctx context.Context, server *sdk.Server, in io.Reader, out io.Writer) error {
	err := server.Run(ctx, &sdk.IOTransport{Reader: io.NopCloser(in), Writer: kept{out}})
	if errors.Is(err, io.EOF) {
		return nil // the client has left
	}
	return err
}

// kept is a writer that is not closed.
type kept struct{ io.Writer }

func (kept) Close() error { return nil }

// tool is a command.
type tool struct {
	service *serve.Service
	command serve.Command
	beat    time.Duration
}

// describe says what a client must know.
func (t *tool) describe(schema func(string) map[string]any) *sdk.Tool {
	c, closed := &t.command, false
	d := &sdk.Tool{
		Name: c.Name, Title: c.Short, Description: c.Short + ". What `mlxlens " + c.Runs + "` does, with the same options." + t.advice(), InputSchema: c.RequestSchema(),
		Annotations: &sdk.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, OpenWorldHint: &closed},
	}
	if schema != nil && c.Schema != "" {
		if published := schema(c.Schema); published != nil {
			d.OutputSchema = outputSchema(published)
		}
	}
	return d
}

// advice says how an answer is kept small, where a command has the options.
func (t *tool) advice() string {
	var have []string
	for i := range t.command.Options {
		switch key := t.command.Options[i].Key(); key {
		case "last", "layers", "positions", "top", "heads":
			have = append(have, "`"+key+"`")
		}
	}
	if len(have) == 0 {
		return ""
	}
	return " The answer is as long as what was asked for: keep it small with " + strings.Join(have, ", ") + "."
}

// outputSchema is the schema of structured content: an answer as it is published, or what stands for one in
// another format. Its type is object, as some clients demand.
func outputSchema(published map[string]any) map[string]any {
	answer, all := map[string]any{}, map[string]any{"type": "object"}
	for key, value := range published {
		switch key {
		case "$schema", "$defs", "title", "description":
			all[key] = value // $defs stand where the references look for them
		default:
			answer[key] = value
		}
	}
	all["anyOf"] = []any{answer, map[string]any{
		"description": "the answer in another format, which stands in the content or under answer",
		"required":    []string{"format"},
		"properties":  map[string]any{"format": map[string]any{"type": "string"}, "bytes": map[string]any{"type": "integer"}, "answer": map[string]any{}},
	}}
	return all
}

// call runs the command.
func (t *tool) call(ctx context.Context, request *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	asked := request.Params.Arguments
	if len(asked) == 0 {
		asked = json.RawMessage("{}")
	}
	p := tellProgress(ctx, request)
	defer p.keepTelling(t.beat)()
	words := ""
	a, err := t.service.Run(ctx, t.command.Name, asked, serve.Watch{
		Queued: func(place int) { p.say(fmt.Sprintf("waiting in line, place %d", place)) },
		Note:   p.say, Progress: p.done, Line: p.line, Words: func(text string) { words = text },
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, err // the client has taken it back
		}
		r := &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: t.service.Sentence(err)}}}
		r.IsError = true
		return r, nil
	}
	return t.result(a, words), nil
}
