package mlxlens_test

import (
	"fmt"
	"strings"

	"github.com/mlxlens/mlxlens"
)

func Example() {
	first, _, _ := strings.Cut(mlxlens.License(), "\n")
	fmt.Println(first)
	fmt.Println(strings.Contains(mlxlens.Notices(), "### github.com/spf13/cobra "))
	// Output:
	// MIT License
	// true
}
