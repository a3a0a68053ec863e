package evidence

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/curfewhq/curfew"
)

// lines reads a file line by line, each of bounded length.
type lines struct {
	r      *bufio.Reader
	number int    // of the line, from 1
	line   []byte // with its end
	kind   string
	value  json.RawMessage
	again  bool // the line is to be read once more
}

// back gives the line back.
func (l *lines) back() { l.again = true }

// next reads the next line and says what it is; io.EOF at the end.
func (l *lines) next() (string, error) {
	if l.again {
		l.again = false
		return l.kind, nil
	}
	l.line = l.line[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		l.line = append(l.line, part...)
		if len(l.line) > lineBound {
			l.number++
			return "", bad("the line is longer than any line is")
		}
		if err == nil {
			break
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) {
			if len(l.line) == 0 {
				return "", io.EOF
			}
			l.number++
			return "", bad("the file was cut short in the middle of a line")
		}
		return "", curfew.Wrap(curfew.Unavailable, err, "read the evidence")
	}
	l.number++
	return l.take()
}

// take finds the one key of the line, and what is under it.
func (l *lines) take() (string, error) {
	rest, ok := bytes.CutPrefix(l.line, []byte(`{"`))
	name, value, ok1 := bytes.Cut(rest, []byte(`":`))
	value, ok2 := bytes.CutSuffix(value, []byte("}\n"))
	if !ok || !ok1 || !ok2 || len(name) > 20 || bytes.ContainsAny(name, `"\`) || !json.Valid(value) {
		return "", bad("the line was edited: it is no line of such a file")
	}
	l.kind, l.value = string(name), value
	return l.kind, nil
}

// decode reads what is under the line's key.
func (l *lines) decode(into any) error {
	if err := json.Unmarshal(l.value, into); err != nil {
		return bad("the line was edited: what it says of its %s cannot be read", l.kind)
	}
	return nil
}

// same demands that the line is written as it would be written here.
func (l *lines) same(write func([]byte) ([]byte, error)) error {
	want, err := write(nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, l.line) {
		return bad("the line was edited: it is not as such a line is written")
	}
	return nil
}
