package mlx

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/internal/regular"
)

// The variables by which MLX's ring, and mlx.launch, say who is where.
const (
	envHostFile = "MLX_HOSTFILE"
	envRank     = "MLX_RANK"
)

// ownAddresses are those at which this rank waits for a neighbour, none without a host file. It
// finds what is wrong with the file and the rank: MLX waits for ever for ranks that cannot come,
// and ends the process where there are none.
func ownAddresses(op string) ([]string, *Error) {
	file, rank := os.Getenv(envHostFile), os.Getenv(envRank)
	if file == "" || rank == "" {
		return nil, nil // MLX says that both are needed
	}
	hosts, err := readHosts(file)
	if err != nil {
		return nil, newError(op, ErrFile, fmt.Sprintf("the host file %q of $%s: %v", file, envHostFile, err))
	}
	r, err := strconv.Atoi(rank)
	if err != nil || r < 0 || r >= len(hosts) {
		return nil, newError(op, ErrIndex, fmt.Sprintf("$%s is %q, and the host file %q has ranks 0 to %d", envRank, rank, file, len(hosts)-1))
	}
	return hosts[r], nil
}

// maxHostFile is far more than a ring's hosts take.
const maxHostFile = 1 << 20

// readHosts reads a host file, a list of each rank's addresses: [["10.0.0.1:5000"], …].
func readHosts(file string) ([][]string, error) {
	text, err := regular.Read(file, maxHostFile)
	if err != nil {
		return nil, err
	}
	var hosts [][]string
	if err := json.Unmarshal(text, &hosts); err != nil {
		return nil, fmt.Errorf(`want a list of each rank's addresses, [["10.0.0.1:5000"], ["10.0.0.2:5000"]]: %w`, err)
	}
	if len(hosts) < 2 {
		return nil, fmt.Errorf("it has %d ranks, and a ring takes 2 or more", len(hosts))
	}
	whose := map[string]int{}
	for rank, addresses := range hosts {
		if len(addresses) != len(hosts[0]) || len(addresses) == 0 {
			return nil, fmt.Errorf("rank %d has %d addresses, and rank 0 has %d: all need as many, 1 or more", rank, len(addresses), len(hosts[0]))
		}
		for _, address := range addresses {
			if err := checkAddress(address); err != nil {
				return nil, fmt.Errorf("rank %d: %w", rank, err)
			}
			if other, twice := whose[address]; twice {
				return nil, fmt.Errorf("%q stands twice, at ranks %d and %d", address, other, rank)
			}
			whose[address] = rank
		}
	}
	return hosts, nil
}

// checkAddress checks what MLX reads as a host, a colon and a port.
func checkAddress(address string) error {
	host, port, found := strings.Cut(address, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	if !found || host == "" || strings.ContainsAny(host, " \t\r\n") || err != nil || n == 0 {
		return fmt.Errorf("the address %q: want IP:PORT, the port from 1 to 65535", address)
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		return fmt.Errorf("the address %q is where one listens, and nobody can connect to: give the host's own", address)
	}
	return nil
}
