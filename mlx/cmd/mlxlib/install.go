package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stampName is the file in a finished folder that says which recipe made it. The recipe's own say for what, and list the files.
const (
	stampName  = ".recipe"
	ownStamp   = ".stamp"
	listName   = ".files"
	backendEnv = "MLX_C_BACKEND"
)

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

// run makes the library unless it is there. A context that ends takes the recipe with it, and all that it has started.
func (i *installation) run(ctx context.Context) error {
	stamp, err := i.stamp()
	if err != nil {
		return err
	}
	parent := filepath.Dir(i.folder)
	if !i.dry {
		sweep(parent)
	}
	switch why := i.unfinished(stamp); why {
	case "":
		i.say("%s has it already", i.folder)
		return nil
	case nothingThere:
	default:
		i.say("%s has one, and %s", i.folder, why)
	}
	i.say("the library for %s/%s goes to %s", runtime.GOOS, runtime.GOARCH, i.folder)
	if i.dry {
		return nil
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	// beside its place, so that the finished folder need only be renamed
	work, err := os.MkdirTemp(parent, workPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	made, err := i.make(ctx, work)
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

const nothingThere = "nothing is there"

// unfinished says what the folder lacks of what this recipe makes for the backend that is asked for, "" when it is whole.
func (i *installation) unfinished(stamp string) string {
	text, err := os.ReadFile(filepath.Join(i.folder, stampName))
	asked := os.Getenv(backendEnv)
	switch {
	case err != nil:
		return nothingThere
	case string(text) != stamp:
		return "another recipe made it"
	case asked != "" && asked != i.backend():
		return fmt.Sprintf("it is for %s, where $%s asks for %s", cmp.Or(i.backend(), "nothing that it says"), backendEnv, asked)
	}
	return damage(i.folder)
}

// backend is what the library in the folder computes with, as the recipe wrote it down ("mlx-c 0.7.0, MLX 0.32.2, cpu, …"),
// "" where there is none.
func (i *installation) backend() string {
	text, _ := os.ReadFile(filepath.Join(i.folder, ownStamp))
	if words := strings.Split(string(text), ", "); len(words) > 3 {
		return words[2]
	}
	return ""
}

// damage says which of the files that the recipe listed, by sizes, are not as it made them.
func damage(folder string) string {
	list, err := os.ReadFile(filepath.Join(folder, listName))
	if err != nil {
		return "the list of its files is gone"
	}
	for line := range strings.Lines(string(list)) {
		size, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil || !filepath.IsLocal(name) {
			return fmt.Sprintf("the list of its files is damaged (%q)", strings.TrimSpace(line))
		}
		switch info, err := os.Stat(filepath.Join(folder, name)); {
		case errors.Is(err, fs.ErrNotExist):
			return filepath.Clean(name) + " is gone"
		case err != nil:
			return err.Error()
		case info.Size() != n:
			return fmt.Sprintf("%s has %d bytes, where it had %d", filepath.Clean(name), info.Size(), n)
		}
	}
	return ""
}

// make runs the recipe in a folder and returns where the library is then, "" when the recipe
// found that nothing need be made.
func (i *installation) make(ctx context.Context, work string) (string, error) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		return "", errors.New("there is no bash, which the recipe is written for: install it")
	}
	if err := os.CopyFS(work, i.recipe); err != nil {
		return "", err
	}
	// $0 of the script tells it where it is
	cmd := exec.CommandContext(ctx, bash, filepath.Join(work, "mlx-c", "build.sh"))
	cmd.Dir = work
	log := filepath.Join(filepath.Dir(work), "mlxlib.log") // which outlives the folder
	cmd.Env = append(os.Environ(), "RECIPE_LOG="+log, backendEnv+"="+cmp.Or(os.Getenv(backendEnv), i.backend()))
	if i.own {
		cmd.Env = append(cmd.Env, "MLX_C_OWN=1")
	}
	cmd.Stdout, cmd.Stderr = i.log, i.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that what it starts ends with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", errors.New("interrupted: nothing is changed")
		}
		return "", fmt.Errorf("the recipe failed (%w)", err)
	}
	_ = os.Remove(log)
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
	if err != nil && i.unfinished(stamp) == "" {
		return nil
	}
	if err != nil {
		return errors.Join(err, os.Rename(old, i.folder))
	}
	return nil
}
