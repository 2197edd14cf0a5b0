package origin

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Environment is an environment of Python packages, which mlxlens' wheel was installed into.
type Environment struct {
	tool string    // who made it for mlxlens alone, "uv" or "pipx", else ""
	name string    // what that tool calls it
	pip  [2]string // what stands before and behind the verb of a command that changes its packages
	anew string    // the flag for packages that are there
}

// EnvironmentOf returns the environment that a folder of packages belongs to.
func EnvironmentOf(site string) Environment {
	e := Environment{pip: [2]string{"pip ", " "}, anew: "--force-reinstall "}
	root := virtual(site)
	if root == "" {
		return e
	}
	e.name = filepath.Base(root)
	switch {
	case e.name == "mlxlens" && exists(filepath.Join(root, "uv-receipt.toml")):
		e.tool = "uv"
	case strings.HasPrefix(e.name, "mlxlens") && filepath.Base(filepath.Dir(root)) == "venvs" && exists(filepath.Join(root, "pipx_metadata.json")): // not pipx run's
		e.tool = "pipx"
	}
	if exists(filepath.Join(root, "bin", "pip")) {
		return e
	}
	python := ShellWord(filepath.Join(root, "bin", "python"))
	e.pip[0] = python + " -m pip "
	if cfg, _ := os.ReadFile(filepath.Join(root, config)); byUV.Match(cfg) && !exists(filepath.Join(site, "pip")) {
		e.pip, e.anew = [2]string{"uv pip ", " --python " + python + " "}, "--reinstall "
	}
	return e
}

// config is the file at the root of a virtual environment.
const config = "pyvenv.cfg"

// virtual is the root of the virtual environment that has a folder of packages (ROOT/lib/python3.12/site-packages), "" of one in none.
func virtual(site string) string {
	dir := site
	for range 4 {
		if exists(filepath.Join(dir, config)) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// byUV is the line of a pyvenv.cfg that uv wrote. Its environments have no pip of their own.
var byUV = regexp.MustCompile(`(?m)^uv *=`)

// Own reports whether the environment was made for mlxlens alone, by uv or pipx.
func (e Environment) Own() bool { return e.tool != "" }

// Install is the command that brings packages into the environment, or makes it anew with all that mlxlens needs where it is mlxlens' own.
func (e Environment) Install(packages string) string {
	switch e.tool {
	case "uv":
		return "uv tool install --reinstall " + ShellWord(e.name)
	case "pipx":
		return "pipx reinstall " + ShellWord(e.name)
	}
	return e.pip[0] + "install" + e.pip[1] + packages
}

// Reinstall is Install, of packages that are there and damaged too.
func (e Environment) Reinstall(packages string) string {
	if e.Own() {
		return e.Install(packages)
	}
	return e.pip[0] + "install" + e.pip[1] + e.anew + packages
}

// Uninstall is the command that takes a package out of the environment, "" where Install does that.
func (e Environment) Uninstall(name string) string {
	switch e.tool {
	case "uv": // which has those packages alone that the command names
		return ""
	case "pipx":
		return "pipx uninject " + ShellWord(e.name) + " " + name
	}
	return e.pip[0] + "uninstall" + e.pip[1] + name
}

// ShellWord is a text as a shell takes it for one word.
func ShellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
