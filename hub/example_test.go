package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/mlxlens/mlxlens/hub"
	"github.com/mlxlens/mlxlens/internal/hubtest"
)

// A hub on this machine stands in for the one of Hugging Face.
func Example() {
	server := hubtest.New(map[string]*hubtest.Repo{"someone/tiny": {
		Commit: "1111111111111111111111111111111111111111",
		Files: map[string][]byte{
			"README.md": []byte("# tiny\n"), "config.json": []byte("{}"), "model.safetensors": []byte("weights"),
		},
	}})
	defer server.Close()
	cache, err := os.MkdirTemp("", "hub")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(cache)

	c, err := hub.New(hub.Options{Cache: cache, Endpoint: server.URL})
	if err != nil {
		log.Fatal(err)
	}
	ref, err := hub.ParseRef("someone/tiny")
	if err != nil {
		log.Fatal(err)
	}
	snapshot, err := c.Find(ref)
	if errors.Is(err, hub.ErrNotCached) {
		snapshot, err = c.Pull(context.Background(), ref, hub.PullOptions{})
	}
	if err != nil {
		log.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(snapshot.Path, "*"))
	for _, file := range files {
		fmt.Println(filepath.Base(file))
	}
	fmt.Println(snapshot.Commit, err)
	// Output:
	// config.json
	// model.safetensors
	// 1111111111111111111111111111111111111111 <nil>
}

func ExampleParseRef() {
	ref, err := hub.ParseRef("mlx-community/Llama-3.2-1B-Instruct-4bit@main")
	fmt.Println(ref.Owner, ref.Name, ref.Revision, err)
	// Output: mlx-community Llama-3.2-1B-Instruct-4bit main <nil>
}
