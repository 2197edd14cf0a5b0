package mcp_test

import (
	"context"
	"fmt"
	"io"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mlxlens/mlxlens/serve"
	"github.com/mlxlens/mlxlens/serve/mcp"
)

// shout is an engine of one command.
type shout struct{}

func (shout) Commands() []serve.Command {
	return []serve.Command{{Name: "shout", Runs: "shout", Short: "Say it louder", Prompts: []string{"text"}, Formats: []string{"json"}}}
}

func (shout) Loaded() any { return nil }

func (shout) Run(_ context.Context, call serve.Call, answer io.Writer, _ serve.Watch) error {
	_, err := fmt.Fprintf(answer, "{\"said\": %q}", call.Args[len(call.Args)-1]+"!")
	return err
}

// A server has a tool for each command of a service, which a client calls.
func Example() {
	ctx := context.Background()
	server := mcp.NewServer(serve.New(shout{}, serve.Options{}), mcp.Options{Name: "shouting", Version: "1"})
	here, there := sdk.NewInMemoryTransports()
	if _, err := server.Connect(ctx, there, nil); err != nil {
		panic(err)
	}
	client, err := sdk.NewClient(&sdk.Implementation{Name: "example", Version: "1"}, nil).Connect(ctx, here, nil)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	answer, err := client.CallTool(ctx, &sdk.CallToolParams{Name: "shout", Arguments: map[string]any{"text": "hello"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(answer.Content[0].(*sdk.TextContent).Text)
	// Output: {"said": "hello!"}
}
