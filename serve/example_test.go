package serve_test

import (
	"context"
	"fmt"
	"io"

	"github.com/mlxlens/mlxlens/serve"
)

// shout is an engine of one command.
type shout struct{}

func (shout) Commands() []serve.Command {
	return []serve.Command{{Name: "shout", Runs: "shout", Prompts: []string{"text"}, Formats: []string{"json"}}}
}

func (shout) Loaded() any { return nil }

func (shout) Run(_ context.Context, call serve.Call, answer io.Writer, w serve.Watch) error {
	w.Note("loud")
	_, err := fmt.Fprintf(answer, "{\"said\": %q}", call.Args[len(call.Args)-1]+"!")
	return err
}

// A service runs an engine's commands for all who ask. Its Handler is the HTTP of it.
func Example() {
	s := serve.New(shout{}, serve.Options{Waiting: 8})
	answer, err := s.Run(context.Background(), "shout", []byte(`{"text": "hello"}`), serve.Watch{})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s %q %q\n", answer.Body, answer.Notes, answer.Args)
	// Output: {"said": "hello!"} ["loud"] ["shout" "--json" "--" "hello"]
}
