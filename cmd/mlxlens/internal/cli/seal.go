package cli

import (
	"bytes"
	"fmt"
	"io"

	"github.com/mlxlens/mlxlens/lens/render"
)

// The last key of a line of a batch is a digest of all that stands before it, so that a line that
// was changed is known without computing it again.
const sealHead, sealTail = `,"sum":"`, "\"}\n"

// writeSealed writes a line with its sum; v is an object with a key or more.
func writeSealed(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := render.WriteJSON(&b, v); err != nil {
		return err
	}
	_, err := w.Write(seal(bytes.TrimSuffix(b.Bytes(), []byte("}\n"))))
	return err
}

// seal ends a line that has no end yet.
func seal(body []byte) []byte {
	return fmt.Appendf(nil, "%s%s%s%s", body, sealHead, digestOf(body), sealTail)
}

// unseal is a line without its sum.
func unseal(line []byte) []byte { return line[:bytes.LastIndex(line, []byte(sealHead))] }

// sealed reports whether a line ends with its sum.
func sealed(line []byte) bool {
	at := bytes.LastIndex(line, []byte(sealHead))
	return at >= 0 && string(line[at:]) == sealHead+digestOf(line[:at])+sealTail
}
