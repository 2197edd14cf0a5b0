package origin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnEnvironmentIsChangedByWhatMadeIt(t *testing.T) {
	const by = "home = /usr/bin\nuv = 0.13.9\nversion_info = 3.12.1\n"
	for name, c := range map[string]struct {
		root                          string
		files                         map[string]string
		own                           bool
		install, uninstall, reinstall string
	}{
		"pip's": {"venv", map[string]string{"bin/pip": ""}, false, "pip install p==1", "pip uninstall q", "pip install --force-reinstall p==1"},
		"without a pip beside": {"a venv", nil, false, "'ROOT/bin/python' -m pip install p==1", "'ROOT/bin/python' -m pip uninstall q",
			"'ROOT/bin/python' -m pip install --force-reinstall p==1"},
		"uv's": {".venv", map[string]string{config: by}, false, "uv pip install --python ROOT/bin/python p==1", "uv pip uninstall --python ROOT/bin/python q",
			"uv pip install --python ROOT/bin/python --reinstall p==1"},
		"uv's, with pip in it": {".venv", map[string]string{config: by, "lib/python3.12/site-packages/pip/__init__.py": ""}, false, "ROOT/bin/python -m pip install p==1",
			"ROOT/bin/python -m pip uninstall q", "ROOT/bin/python -m pip install --force-reinstall p==1"},
		"a tool of uv": {"tools/mlxlens", map[string]string{config: by, "uv-receipt.toml": ""}, true, "uv tool install --reinstall mlxlens", "",
			"uv tool install --reinstall mlxlens"},
		"another tool of uv": {"tools/other", map[string]string{config: by, "uv-receipt.toml": ""}, false, "uv pip install --python ROOT/bin/python p==1",
			"uv pip uninstall --python ROOT/bin/python q", "uv pip install --python ROOT/bin/python --reinstall p==1"},
		"pipx's": {"venvs/mlxlens", map[string]string{"pipx_metadata.json": "{}"}, true, "pipx reinstall mlxlens", "pipx uninject mlxlens q", "pipx reinstall mlxlens"},
		"pipx's, with a suffix": {"venvs/mlxlens@1", map[string]string{"pipx_metadata.json": "{}"}, true, "pipx reinstall mlxlens@1", "pipx uninject mlxlens@1 q",
			"pipx reinstall mlxlens@1"},
		"of pipx run": {".cache/mlxlens0a1b2c", map[string]string{"pipx_metadata.json": "{}"}, false, "ROOT/bin/python -m pip install p==1", "ROOT/bin/python -m pip uninstall q",
			"ROOT/bin/python -m pip install --force-reinstall p==1"},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), c.root)
			site := filepath.Join(root, "lib", "python3.12", "site-packages")
			put := func(name, text string) {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
			}
			put("lib/python3.12/site-packages/x", "")
			put(config, "home = /usr/bin\n")
			for file, text := range c.files {
				put(file, text)
			}
			at := func(command string) string { return strings.ReplaceAll(command, "ROOT", root) }
			e := EnvironmentOf(site)
			require.Equal(t, c.own, e.Own())
			require.Equal(t, at(c.install), e.Install("p==1"))
			require.Equal(t, at(c.reinstall), e.Reinstall("p==1"))
			require.Equal(t, at(c.uninstall), e.Uninstall("q"))
			require.NoError(t, os.Remove(filepath.Join(root, config)))
			require.Equal(t, "pip install p==1", EnvironmentOf(site).Install("p==1"))
		})
	}
	require.Equal(t, `'/a b/it'\''s'`, ShellWord("/a b/it's"))
}
