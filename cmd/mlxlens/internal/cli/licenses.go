package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens"
)

func newLicensesCmd(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "licenses",
		Short: "Print the licences of mlxlens and of all that it is built of",
		Long: `Licenses prints the licence of mlxlens, and the texts that go with the Go modules and
fonts in the program and with the libraries that are installed beside it.`,
		Example: `  mlxlens licenses`,
		Args:    wantArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(s.out, "%s\n%s", mlxlens.License(), mlxlens.Notices())
			return err
		},
	}
}
