// Command pages writes a page for each command and help topic of mlxlens, from what the program
// itself says of them: as Markdown for docs/commands, or as man pages.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/mlxlens/mlxlens/cmd/mlxlens/internal/cli"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("pages: ")
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("want: pages markdown|man FOLDER")
	}
	all := pagesOf(cli.Root())
	files := map[string]string{}
	switch args[0] {
	case "markdown":
		files["README.md"] = markdownList(all)
		for _, p := range all[1:] {
			files[p.file()+".md"] = p.markdown()
		}
	case "man":
		for _, p := range all {
			files[p.file()+".1"] = p.man(all)
		}
	default:
		return fmt.Errorf("there is no form %q (have: markdown, man)", args[0])
	}
	if err := os.MkdirAll(args[1], 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(args[1], name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
