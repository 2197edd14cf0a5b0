package hub

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// envPull makes the test binary a second process that pulls the model it names.
const envPull = "HUB_TEST_PULL"

func TestMain(m *testing.M) {
	if name := os.Getenv(envPull); name != "" {
		os.Exit(pullInThisProcess(name))
	}
	// what the machine's user has set must not reach the tests
	for _, v := range []string{"HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH",
		"HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_SYMLINKS", "HF_HUB_DISABLE_IMPLICIT_TOKEN",
		"XDG_CACHE_HOME", "http_proxy", "HTTP_PROXY"} {
		os.Unsetenv(v)
	}
	home, err := os.MkdirTemp("", "hub-home")
	if err != nil {
		panic(err)
	}
	os.Setenv("HOME", home)
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

func pullInThisProcess(name string) int {
	c, err := New(Options{})
	if err == nil {
		var ref Ref
		if ref, err = ParseRef(name); err == nil {
			_, err = c.Pull(context.Background(), ref, PullOptions{})
		}
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}
