package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/hub"
)

func Example() {
	c, err := hub.New(hub.Options{})
	if err != nil {
		log.Fatal(err)
	}
	ref, err := hub.ParseRef("mlx-community/Llama-3.2-1B-Instruct-4bit")
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
	fmt.Println(snapshot.Path)
}
