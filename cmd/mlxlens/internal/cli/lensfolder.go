package cli

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/hub"
	"github.com/mlxlens/mlxlens/lens/jacobian"
	"github.com/mlxlens/mlxlens/lens/tuned"
)

// noJacobians returns an error where a folder, called so in answers, has Jacobian lenses: it stands for the one tuned lens in
// it, and a Jacobian lens is named by its file.
func noJacobians(folder, called string) error {
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	lenses, err := tuned.Lenses(folder)
	if err != nil {
		return err
	}
	kinds := map[string]string{}
	for _, file := range lenses {
		kinds[filepath.Base(file)] = "tuned"
	}
	found := false
	for _, f := range files {
		if ext := filepath.Ext(f.Name()); ext != ".pt" && ext != ".safetensors" || f.Name() == "params.pt" {
			continue
		}
		l, err := jacobian.Open(filepath.Join(folder, f.Name()))
		if err != nil {
			continue // it is something else, or by that name a tuned lens, of which is told what is wrong
		}
		_ = l.Close() // it was only read
		kinds[f.Name()], found = "Jacobian", true
	}
	if !found {
		return nil
	}
	var all []string
	for name, kind := range kinds {
		if name = inFolder(called, name); len(kinds) == 1 {
			return usagef("%s is a folder with a Jacobian lens, which is named by its file: give %s", called, name)
		}
		all = append(all, name+" ("+kind+")")
	}
	slices.Sort(all)
	return usagef("%s: the folder has %d lenses: give one of %s", called, len(all), strings.Join(all, ", "))
}

// inFolder is what a file in a folder is called, which may be on the hub.
func inFolder(folder, name string) string {
	if text, onHub := strings.CutPrefix(folder, hubScheme); onHub {
		if f, err := hub.ParseFiles(text); err == nil {
			f.Names = []string{path.Join(f.Names[0], name)}
			return hubScheme + f.String()
		}
	}
	return filepath.Join(folder, name)
}
