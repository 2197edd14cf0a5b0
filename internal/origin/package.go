package origin

import (
	"os"
	"path/filepath"
)

// Packages returns the folder of Python packages (site-packages) that the program was installed into by mlxlens' wheel, "" when it
// was not. Who has it so need have neither Go nor a checkout.
func Packages() string {
	return packages(Program())
}

// packages returns the folder that has the package whose bin/ a program stands in.
func packages(program string) string {
	own := filepath.Dir(filepath.Dir(program)) // SITE/mlxlens/bin/mlxlens
	if filepath.Base(filepath.Dir(program)) != "bin" || filepath.Base(own) != "mlxlens" {
		return ""
	}
	if _, err := os.Stat(filepath.Join(own, "__init__.py")); err != nil {
		return ""
	}
	return filepath.Dir(own)
}
