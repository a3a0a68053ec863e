package postgres

import (
	"encoding/binary"
	"fmt"
)

// framing finds the messages in what a client sends. What passes is what was
// looked at, to the byte, however the pieces arrive.
type framing struct {
	left    int                                // bytes of a CopyData message that are still to pass
	message func(kind byte, body []byte) error // sees every whole message before it passes
	copied  func(bytes int)
	instead *byte // set by message: the kind that the message is given before it passes
}

// scan looks at the messages in b. pass is how many bytes may go on; more how
// many a message that is not whole yet needs in all; leave that the client said
// good-bye.
func (f *framing) scan(b []byte) (pass, more int, leave bool, err error) {
	for {
		if f.left > 0 {
			n := min(f.left, len(b)-pass)
			f.left -= n
			pass += n
			f.copied(n)
		}
		rest := b[pass:]
		if len(rest) < headerBytes {
			return pass, headerBytes, false, nil
		}
		size := int(int32(binary.BigEndian.Uint32(rest[1:])))
		if size < 4 {
			return pass, 0, false, malformed("a message of this length")
		}
		if !known(rest[0]) {
			return pass, 0, false, malformed(fmt.Sprintf("a message of the unknown kind %q", rune(rest[0])))
		}
		whole := size + 1
		if rest[0] == 'd' { // CopyData passes as it comes; after a copy that failed the target ignores it
			f.left = whole
			continue
		}
		if rest[0] == 'X' {
			if whole != headerBytes {
				return pass, 0, false, malformed("a good-bye of this length")
			}
			return pass + whole, 0, true, nil
		}
		if whole > maxMessage {
			return pass, 0, false, malformed("a message longer than the gateway takes")
		}
		if len(rest) < whole {
			return pass, whole, false, nil
		}
		if err := f.message(rest[0], rest[headerBytes:whole]); err != nil {
			return pass, 0, false, err
		}
		if f.instead != nil && *f.instead != 0 {
			rest[0], *f.instead = *f.instead, 0
		}
		pass += whole
	}
}

func known(kind byte) bool {
	switch kind {
	case 'Q', 'P', 'B', 'E', 'D', 'C', 'S', 'H', 'F', 'c', 'f', 'd', 'X':
		return true
	}
	return false
}
