package local

import (
	"io"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/seal"
)

// chunks reads a recording as it is sealed.
type chunks struct{ *reader }

// Chunks opens a recording chunk by chunk. See record.Store.
func (s *Store) Chunks(id curfew.SessionID) (record.Chunks, error) {
	r, err := s.Read(id)
	if err != nil {
		return nil, err
	}
	return chunks{r.(*reader)}, nil
}

func (c chunks) Key() seal.Key { return c.key }

func (c chunks) Head() [32]byte { return c.chain.Head() }

// Next returns the next whole chunk that is there now.
func (c chunks) Next() (box []byte, items []record.Item, err error) {
	if more, _ := c.durable(); !more {
		return nil, nil, io.EOF
	}
	counted := &counter{r: c.buf}
	if box, err = record.ReadBox(counted); err != nil {
		return nil, nil, err
	}
	if items, err = c.chain.OpenBox(box); err != nil {
		return nil, nil, err
	}
	c.offset += counted.n
	return box, items, nil
}
