package hub

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/internal/regular"
)

// maxSmall bounds a file that holds a token or a revision, in bytes.
const maxSmall = 64 << 10

// forbids is what switches the network off, "" where nothing does. As in huggingface_hub the second variable counts only
// where the first is not set.
func forbids(o Options) string {
	if o.Offline {
		return "Options.Offline"
	}
	for _, name := range []string{"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} {
		if value := os.Getenv(name); truth(value) {
			return name
		} else if value != "" {
			break
		}
	}
	return ""
}

// withheld reports whether the user's token is kept back, unless a program gives it.
func withheld() bool { return truth(os.Getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) }

// token is the user's, "" when there is none.
func token(home string) string {
	if withheld() {
		return ""
	}
	if t := clean(first(os.Getenv("HF_TOKEN"), os.Getenv("HUGGING_FACE_HUB_TOKEN"))); t != "" {
		return t
	}
	path := envPath("HF_TOKEN_PATH")
	if path == "" && home != "" {
		path = filepath.Join(home, "token")
	}
	if path == "" {
		return ""
	}
	text, err := regular.Read(path, maxSmall)
	if err != nil {
		return "" // as without a login; the hub says when one is needed
	}
	return clean(string(text))
}

// clean takes line ends out of a token: they may not stand in a header.
func clean(token string) string {
	return strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(token))
}

// truth reads a switch in the environment as huggingface_hub does.
func truth(s string) bool {
	return slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(s))
}

var variable = regexp.MustCompile(`\$(\w+|\{[^}]*\})`)

// envPath is a path from the environment, with ~ and $variables replaced; an unknown
// variable stays as it is written.
func envPath(name string) string {
	path := os.Getenv(name)
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || rest[0] == '/') {
		if home, err := os.UserHomeDir(); err == nil {
			path = home + rest
		}
	}
	return variable.ReplaceAllStringFunc(path, func(found string) string {
		if value, ok := os.LookupEnv(strings.Trim(found, "${}")); ok {
			return value
		}
		return found
	})
}
