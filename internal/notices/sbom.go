package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// readSBOM is sbom of a file.
func readSBOM(name string) ([]byte, error) {
	list, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	text, err := sbom(list)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

// sbom adds to a CycloneDX list of the modules in the program what NOTICES.md knows: the licences of the program and of each
// module, the fonts in the modules, and the libraries that are installed beside the program. The same list gives the same
// bytes. The working directory is the root of the checkout.
func sbom(list []byte) ([]byte, error) {
	var bom map[string]any
	if err := json.Unmarshal(list, &bom); err != nil {
		return nil, err
	}
	metadata, _ := bom["metadata"].(map[string]any)
	main, _ := metadata["component"].(map[string]any)
	modules, _ := bom["components"].([]any)
	if main == nil || len(modules) == 0 {
		return nil, errors.New("not a list of a program's modules: want metadata.component and components, as `cyclonedx-gomod bin` writes them")
	}
	main["licenses"] = licensed(program)
	var problems []error
	for _, m := range modules {
		problems = append(problems, describeModule(m.(map[string]any)))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	beside, err := librariesBeside()
	if err != nil {
		return nil, err
	}
	var refs []any
	for _, l := range beside {
		c := l.component()
		modules, refs = append(modules, c), append(refs, c["bom-ref"])
	}
	bom["components"] = modules
	if err := dependOn(bom, main["bom-ref"], refs); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(bom)
	return b.Bytes(), err
}

// component is a library as CycloneDX has it. Where no version is known it says so, in the word that SPDX 2.3 has for that.
func (l library) component() map[string]any {
	c := map[string]any{"type": "library", "bom-ref": "library:" + l.name, "name": l.name, "description": l.where, "licenses": licensed(l.spdx)}
	if l.version == "" {
		c["properties"] = []any{map[string]any{"name": "mlxlens:version", "value": "NOASSERTION"}}
		return c
	}
	c["version"], c["purl"] = l.version, l.purl
	var from []any
	for _, d := range l.from {
		reference := map[string]any{"type": "distribution", "url": d.purl}
		if d.sha256 != "" {
			reference["hashes"] = []any{map[string]any{"alg": "SHA-256", "content": d.sha256}}
		}
		from = append(from, reference)
	}
	if from != nil {
		c["externalReferences"] = from
	}
	return c
}

// describeModule adds a module's licence, and the fonts that it carries as its parts.
func describeModule(m map[string]any) error {
	path, _ := m["name"].(string)
	spdx, err := moduleLicence(path)
	if err != nil {
		return err
	}
	m["licenses"] = licensed(spdx)
	var carried []any
	for _, f := range fonts {
		if path == f.module || strings.HasPrefix(path, f.module+"/v") {
			carried = append(carried, map[string]any{"type": "data", "bom-ref": "font:" + f.name, "name": f.name, "description": "font; " + f.terms, "licenses": licensed(f.spdx)})
		}
	}
	if carried != nil {
		m["components"] = carried
	}
	return nil
}

// licensed is CycloneDX's form of an SPDX expression: an id of SPDX's list stands by itself.
func licensed(spdx string) []any {
	if strings.Contains(spdx, " ") || strings.HasPrefix(spdx, "LicenseRef-") {
		return []any{map[string]any{"expression": spdx}}
	}
	return []any{map[string]any{"license": map[string]any{"id": spdx}}}
}

// dependOn adds refs to what the component named ref depends on.
func dependOn(bom map[string]any, ref any, refs []any) error {
	all, _ := bom["dependencies"].([]any)
	for _, d := range all {
		if d := d.(map[string]any); d["ref"] == ref {
			on, _ := d["dependsOn"].([]any)
			d["dependsOn"] = append(on, refs...)
			return nil
		}
	}
	return fmt.Errorf("the list's dependencies have none of %v, its program", ref)
}
