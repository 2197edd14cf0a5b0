package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// stampName is the file in a finished folder that says which recipe made it.
const stampName = ".recipe"

// installation is one run of the recipe.
type installation struct {
	recipe fs.FS                               // third_party
	folder string                              // where the library goes
	own    bool                                // not Homebrew's
	dry    bool                                // only say what would be done
	check  func(folder string) (string, error) // whether a library works, and what it is
	log    io.Writer
}

func (i *installation) say(format string, args ...any) {
	fmt.Fprintf(i.log, "mlxlib: "+format+"\n", args...)
}

func (i *installation) run() error {
	stamp, err := i.stamp()
	if err != nil {
		return err
	}
	if i.finished(stamp) {
		i.say("%s has it already", i.folder)
		return nil
	}
	i.say("the library for %s/%s goes to %s", runtime.GOOS, runtime.GOARCH, i.folder)
	if i.dry {
		return nil
	}
	parent := filepath.Dir(i.folder)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	sweep(parent)
	// beside its place, so that the finished folder need only be renamed
	work, err := os.MkdirTemp(parent, workPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	made, err := i.make(work)
	if err != nil || made == "" {
		return err
	}
	what, err := i.check(made)
	if err != nil {
		return fmt.Errorf("the library was made and cannot be used: %w", err)
	}
	if err := os.WriteFile(filepath.Join(made, stampName), []byte(stamp), 0o644); err != nil {
		return err
	}
	if err := i.replace(made, filepath.Join(work, "old"), stamp); err != nil {
		return err
	}
	i.say("ready: %s has %s", i.folder, what)
	return nil
}

const workPrefix = ".mlxlib-"

// sweep removes what killed runs left behind a day ago or earlier.
func sweep(parent string) {
	left, _ := filepath.Glob(filepath.Join(parent, workPrefix+"*"))
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Now().After(info.ModTime().Add(24*time.Hour)) {
			_ = os.RemoveAll(dir)
		}
	}
}

// stamp names all that a library depends on: the recipe and the kind of machine.
func (i *installation) stamp() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(i.recipe, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(i.recipe, path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(data), data)
		return err
	})
	return fmt.Sprintf("%s/%s %x\n", runtime.GOOS, runtime.GOARCH, sum.Sum(nil)), err
}

// finished reports whether the folder has what this recipe makes.
func (i *installation) finished(stamp string) bool {
	text, err := os.ReadFile(filepath.Join(i.folder, stampName))
	return err == nil && string(text) == stamp
}

// make runs the recipe in a folder and returns where the library is then, "" when the recipe
// found that nothing need be made.
func (i *installation) make(work string) (string, error) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		return "", errors.New("there is no bash, which the recipe is written for: install it")
	}
	if err := os.CopyFS(work, i.recipe); err != nil {
		return "", err
	}
	// $0 of the script tells it where it is
	cmd := exec.Command(bash, filepath.Join(work, "mlx-c", "build.sh"))
	cmd.Dir = work
	if i.own {
		cmd.Env = append(os.Environ(), "MLX_C_OWN=1")
	}
	cmd.Stdout, cmd.Stderr = i.log, i.log
	if err := cmd.Run(); err != nil {
		kept := ""
		if log, err := os.ReadFile(filepath.Join(work, "mlx-c", "build", "log.txt")); err == nil && len(log) > 0 {
			path := filepath.Join(filepath.Dir(work), "mlxlib.log")
			if os.WriteFile(path, log, 0o644) == nil {
				kept = "; the log is kept as " + path
			}
		}
		return "", fmt.Errorf("the recipe failed (%w)%s", err, kept)
	}
	made := filepath.Join(work, "mlx-c", "lib")
	found, err := filepath.Glob(filepath.Join(made, "libmlxc.*"))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		i.say("nothing was made: package mlx finds the library that is there")
		return "", nil
	}
	return made, nil
}

// replace gives the finished folder its name. Of two runs at once either may win.
func (i *installation) replace(made, old, stamp string) error {
	if err := os.Rename(i.folder, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := os.Rename(made, i.folder)
	if err != nil && i.finished(stamp) {
		return nil
	}
	if err != nil {
		return errors.Join(err, os.Rename(old, i.folder))
	}
	return nil
}
