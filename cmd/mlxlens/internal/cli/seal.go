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
	body := bytes.TrimSuffix(b.Bytes(), []byte("}\n"))
	_, err := w.Write(fmt.Appendf(nil, "%s%s%s%s", body, sealHead, digestOf(body), sealTail))
	return err
}

// sealed reports whether a line ends with its sum.
func sealed(line []byte) bool {
	at := bytes.LastIndex(line, []byte(sealHead))
	return at >= 0 && string(line[at:]) == sealHead+digestOf(line[:at])+sealTail
}
