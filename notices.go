// Package mlxlens carries the texts that go with the program: its licence, and those of what it
// is built of. What the program does is in the packages below.
package mlxlens

import _ "embed"

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
