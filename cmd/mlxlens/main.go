// Command mlxlens shows what a language model thinks layer by layer.
package main

import (
	"os"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/cli"
)

func main() {
	os.Exit(cli.Main())
}
