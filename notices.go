// Package mlxlens carries the texts that go with the program: its licence, those of what it is built
// of, and the schemas of its answers. What the program does is in the packages below.
package mlxlens

import (
	"embed"
	"encoding/json"
	"strings"
)

//go:generate go run ./internal/notices

//go:embed LICENSE
var license string

//go:embed NOTICES.md
var notices string

// License returns the licence of mlxlens.
func License() string { return license }

// Notices returns the licences of the Go modules and fonts in the program, and of the libraries
// that are installed beside it, as Markdown.
func Notices() string { return notices }

//go:embed docs/schema/*.schema.json
var schemas embed.FS

// Schema returns the JSON schema of answers whose key schema has a name, such as mlxlens.trace/1; nil where
// there is none.
func Schema(name string) map[string]any {
	file := strings.ReplaceAll(strings.TrimPrefix(name, "mlxlens."), "/", "-") + ".schema.json"
	text, err := schemas.ReadFile("docs/schema/" + file)
	var schema map[string]any
	if err != nil || json.Unmarshal(text, &schema) != nil {
		return nil
	}
	return schema
}
