package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// said is a part of each licence's text that no other here has.
var said = map[string]string{
	"Apache-2.0":       "Apache License Version 2.0",
	"BSD-2-Clause":     "Redistributions in binary form must reproduce the above copyright notice, this list of conditions",
	"BSD-3-Clause":     "used to endorse or promote products derived from this software without specific prior written permission",
	"CC-BY-4.0":        "Creative Commons Attribution 4.0 International Public License",
	"FTL":              "The FreeType Project LICENSE",
	"GPL-2.0-or-later": "GNU GENERAL PUBLIC LICENSE Version 2, June 1991",
	"ISC":              "Permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted",
	"MIT":              "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated",
}

func words(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "*", " ")), " ")
}

// Each module of the program has an expression, each id of it stands for a text of the module, and the list names no other module.
func TestSPDXExpressionsAreThoseOfTheModulesTexts(t *testing.T) {
	t.Chdir("../..")
	modules, err := modulesOf("linux", "darwin")
	require.NoError(t, err)
	want := []string{goItself}
	for _, m := range modules {
		want = append(want, m.Path)
		spdx, err := moduleLicence(m.Path)
		require.NoError(t, err)
		texts, err := licences(m.Dir)
		require.NoError(t, err)
		text := words(strings.Join(texts, "\n"))
		for _, id := range strings.Fields(spdx) {
			if id != "AND" && id != "OR" {
				require.NotEmpty(t, said[id], id)
				require.Contains(t, text, said[id], "%s: %s", m.Path, id)
			}
		}
		if slices.Contains(strings.Fields(spdx), "BSD-2-Clause") {
			require.NotContains(t, text, said["BSD-3-Clause"], m.Path)
		}
	}
	slices.Sort(want)
	require.Equal(t, want, slices.Sorted(maps.Keys(moduleLicences)))
	own, err := os.ReadFile("LICENSE")
	require.NoError(t, err)
	require.Contains(t, words(string(own)), said[program])
}

// list is what cyclonedx-gomod writes of a program of some modules.
func list(modules ...string) []byte {
	var components []map[string]string
	for _, m := range modules {
		components = append(components, map[string]string{"type": "library", "name": m, "version": "v1.0.0", "bom-ref": m})
	}
	text, err := json.Marshal(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
		"metadata":     map[string]any{"component": map[string]string{"type": "application", "name": "mlxlens", "bom-ref": "program"}},
		"components":   components,
		"dependencies": []map[string]any{{"ref": "module"}, {"ref": "program", "dependsOn": modules}},
	})
	if err != nil {
		panic(err)
	}
	return text
}

type component struct {
	Type, Name, Version string
	Ref                 string `json:"bom-ref"`
	PURL                string
	References          []struct {
		Type, URL string
		Hashes    []struct{ Alg, Content string }
	} `json:"externalReferences"`
	Properties []struct{ Name, Value string }
	Licenses   []struct {
		License    struct{ ID string }
		Expression string
	}
	Components []component
}

func (c component) licence(t *testing.T) string {
	t.Helper()
	require.Len(t, c.Licenses, 1, c.Name)
	return c.Licenses[0].License.ID + c.Licenses[0].Expression
}

func TestSBOMHasTheLicencesOfAllThatAReleaseHolds(t *testing.T) {
	t.Chdir("../..")
	in := list(slices.Sorted(maps.Keys(moduleLicences))...)
	text, err := sbom(in)
	require.NoError(t, err)
	again, err := sbom(in)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
	var bom struct {
		Metadata     struct{ Component component }
		Components   []component
		Dependencies []struct {
			Ref       string
			DependsOn []string
		}
	}
	require.NoError(t, json.Unmarshal(text, &bom))
	require.Equal(t, "MIT", bom.Metadata.Component.licence(t))
	byName, refs := map[string]component{}, []string{}
	for _, c := range bom.Components {
		refs = append(refs, c.Ref)
		for _, c := range append(c.Components, c) {
			require.NotContains(t, byName, c.Name)
			byName[c.Name] = c
		}
	}
	require.Equal(t, refs, bom.Dependencies[1].DependsOn)
	for path, spdx := range moduleLicences {
		require.Equal(t, spdx, byName[path].licence(t))
	}
	for _, f := range fonts {
		require.Equal(t, f.spdx, byName[f.name].licence(t))
	}
	require.Equal(t, strings.Count(libraries, "\n\n### ")+1, len(bom.Components)-len(moduleLicences))
	for name, want := range map[string][3]string{
		"MLX": {"0.32.2", "MIT", "pkg:github/ml-explore/mlx@v0.32.2"}, "mlx-c": {"0.7.0", "MIT", "pkg:github/ml-explore/mlx-c@v0.7.0"},
		"{fmt}": {"12.1.0", "MIT", "pkg:github/fmtlib/fmt@12.1.0"}, "metal-cpp": {"26", "Apache-2.0", "pkg:generic/metal-cpp@26"},
		"OpenBLAS": {"", "BSD-3-Clause", ""}, "GCC runtime library": {"", "GPL-3.0-or-later WITH GCC-exception-3.1", ""}, "libquadmath": {"", "LGPL-2.1-or-later", ""},
	} {
		require.Equal(t, want, [3]string{byName[name].Version, byName[name].licence(t), byName[name].PURL}, name)
	}
}

// Of each library the list says which one it is, or that it does not know.
func TestSBOMHasAVersionAndAPackageURLOfALibraryOrNoAssertion(t *testing.T) {
	t.Chdir("../..")
	text, err := sbom(list(goItself))
	require.NoError(t, err)
	var bom struct{ Components []component }
	require.NoError(t, json.Unmarshal(text, &bom))
	purl := regexp.MustCompile(`^pkg:(github|generic|pypi|cargo|golang)/([a-z0-9.-]+/)*[a-z0-9.-]+@v?([0-9a-f.]+)$`)
	from := map[string][]string{}
	var unknown []string
	for _, c := range bom.Components[1:] {
		if c.Version == "" {
			require.Equal(t, []struct{ Name, Value string }{{"mlxlens:version", "NOASSERTION"}}, c.Properties, c.Name)
			require.Empty(t, c.PURL, c.Name)
			unknown = append(unknown, c.Name)
			continue
		}
		require.Empty(t, c.Properties, c.Name)
		require.Equal(t, c.Version, purl.FindStringSubmatch(c.PURL)[3], c.Name)
		for _, r := range c.References {
			require.Equal(t, "distribution", r.Type)
			require.Equal(t, c.Version, purl.FindStringSubmatch(r.URL)[3], c.Name)
			from[c.Name] = append(from[c.Name], r.URL)
			for _, h := range r.Hashes {
				require.Equal(t, "SHA-256", h.Alg)
				require.Len(t, h.Content, 64)
				from[c.Name] = append(from[c.Name], h.Content)
			}
		}
	}
	require.Equal(t, []string{"PocketFFT", "FP16", "OpenBLAS", "GCC runtime library", "libquadmath"}, unknown)
	lock, err := os.ReadFile(crates)
	require.NoError(t, err)
	require.Contains(t, string(lock), `checksum = "`+from["mlx-c"][1]+`"`)
	require.Equal(t, map[string][]string{
		"MLX":   {"pkg:pypi/mlx-cpu@0.32.2", "pkg:pypi/mlx-metal@0.32.2"},
		"mlx-c": {"pkg:cargo/mlx-sys@0.7.0", from["mlx-c"][1], "pkg:golang/github.com/ml-explore/mlx-c@v0.7.0"},
	}, from)
}

// A recipe that takes another MLX, or two places of it that differ, is found when the list is made.
func TestSBOMOfARecipeThatContradictsItselfFails(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile("../../" + name)
		require.NoError(t, err)
		return string(text)
	}
	files := map[string]string{}
	for _, name := range []string{recipe, crates, requirements + "cpu.txt", requirements + "metal.txt"} {
		files[name] = read(name)
	}
	t.Chdir(t.TempDir())
	for name, c := range map[string]struct{ file, from, to, want string }{
		"as it is":            {"none", "", "", ""},
		"no stamp":            {recipe, "stamp=", "mark=", "want a line stamp="},
		"a wheel of another":  {requirements + "metal.txt", "mlx-metal==0.32.2", "mlx-metal==0.32.3", "metal.txt: want one package of version 0.32.2"},
		"a crate of another":  {crates, `version = "0.7.0"`, `version = "0.7.1"`, "want mlx-c 0.7.0 of both"},
		"a module of another": {recipe, "mlx-c@v0.7.0", "mlx-c@v0.7.1", "want mlx-c 0.7.0 of both"},
		"all of another":      {"", "0.32.2", "0.32.4", "takes MLX 0.32.4, and internal/notices/libraries.go has the parts of 0.32.2"},
	} {
		for file, text := range files {
			if c.file == file || c.file == "" {
				text = strings.NewReplacer(c.from, c.to).Replace(text)
			}
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		}
		_, err := librariesBeside()
		if c.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestSBOMOfAModuleWithoutALicenceFails(t *testing.T) {
	t.Chdir("../..")
	name := filepath.Join(t.TempDir(), "modules.json")
	require.NoError(t, os.WriteFile(name, list("example.org/new", "example.org/newer", goItself), 0o600))
	_, err := readSBOM(name)
	require.ErrorContains(t, err, name+": example.org/new has no SPDX expression: read its files of licences, and add it to moduleLicences")
	require.ErrorContains(t, err, "example.org/newer has no SPDX expression")
	_, err = sbom([]byte(`{"components": []}`))
	require.ErrorContains(t, err, "not a list of a program's modules")
	_, err = sbom([]byte(`{"metadata": {"component": {"bom-ref": "program"}}, "components": [{"name": "std"}]}`))
	require.ErrorContains(t, err, "none of program, its program")
}
