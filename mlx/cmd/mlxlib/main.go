// Mlxlib gets a library for package mlx, wherever it is run:
//
//	go run github.com/mlxlens/mlxlens/mlx/cmd/mlxlib@latest
//
// It runs the recipe of third_party/mlx-c, which this program carries, and puts libmlxc, libmlx
// and what they need into the folder of the user's cache in which package mlx looks. That takes
// a minute or two the first time, and nothing when the library is there already. The recipe needs
// python3 with pip, a C++ compiler, and go or cargo, and names what is missing.
//
// Where Homebrew has a library that package mlx takes, none is made, unless -own asks for the one that
// the package was proven with; it is looked for before Homebrew's. With -n it says where the library
// would go, and whether it is there. $MLX_C_BACKEND chooses as in a checkout (cuda, on Linux with an NVIDIA GPU); what is there for a
// backend stays for it until another is asked for.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/mlxlens/mlxlens/mlx"
	thirdparty "github.com/mlxlens/mlxlens/third_party"
)

func main() {
	flags := flag.NewFlagSet("mlxlib", flag.ExitOnError)
	dry := flags.Bool("n", false, "only say where the library would go")
	own := flags.Bool("own", false, "make one even where Homebrew has one")
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "usage: mlxlib [-n] [-own]\n\nGets a library for package mlx and puts it where the package looks.\n")
		flags.PrintDefaults()
	}
	_ = flags.Parse(os.Args[1:]) // it exits
	if flags.NArg() > 0 {
		flags.Usage()
		os.Exit(2)
	}
	folder, err := mlx.LibraryFolder()
	if err == nil {
		i := &installation{recipe: thirdparty.Recipe, folder: folder, dry: *dry, own: *own, check: loads, log: os.Stderr}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		err = i.run(ctx)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mlxlib:", err)
		os.Exit(1)
	}
}

// loads opens the library in a folder as a program does, and says what it is.
func loads(folder string) (string, error) {
	if err := mlx.SetLibrary(folder); err != nil {
		return "", err
	}
	lib, err := mlx.LoadedLibrary()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("MLX %s, which computes on %v", lib.MLX, lib.Devices), nil
}
