package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
)

// A recording is a header and chunks. Each chunk is a length and a box: a mark and
// items, a line of JSON each, compressed, sealed under the session's key, with the session, the chunk's
// number and the head before it as associated data. The head after a chunk is
// SHA-256 of the head before it and the box.
const (
	magic = "curfew recording 1\n"
	// MaxChunk bounds a chunk's box, and with it what a reader allocates.
	MaxChunk = 16 << 20
	// MaxLine bounds an item's line: whatever it holds, its chunk can be read back.
	MaxLine = MaxChunk - 64<<10
)

// Mark says how far the store's journal was when a chunk was written: what the
// journal holds after a crash must reach at least as far.
type Mark struct {
	Journal string
	Record  uint64
}

// marked is the first line of a chunk: its Mark. Readers never see it.
const marked Kind = "journal"

// Chain seals or opens the chunks of one recording in order.
type Chain struct {
	id   curfew.SessionID
	ring *seal.Ring
	next uint64
	head [32]byte
	mark Mark // of the chunk opened last
	pack *Packer
}

// Packer compresses and decompresses; one serves all chains.
type Packer struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// NewPacker makes a Packer.
func NewPacker() (*Packer, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(2), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(128<<10))
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "compress")
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(8*MaxChunk))
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "decompress")
	}
	return &Packer{enc, dec}, nil
}

// NewChain starts a chain under the session's own key.
func NewChain(id curfew.SessionID, key seal.Key, p *Packer) *Chain {
	return &Chain{id: id, ring: seal.NewRing(key), head: sha256.Sum256([]byte(magic + string(id))), pack: p}
}

// Head commits to every chunk so far.
func (c *Chain) Head() [32]byte { return c.head }

// Mark is the mark of the chunk that was opened last.
func (c *Chain) Mark() Mark { return c.mark }

func (c *Chain) ad() []byte {
	return seal.Join([]byte("recording"), []byte(c.id), binary.BigEndian.AppendUint64(nil, c.next), c.head[:])
}

func (c *Chain) advance(box []byte) {
	h := sha256.New()
	h.Write(c.head[:])
	h.Write(box)
	h.Sum(c.head[:0])
	c.next++
}

// Seal returns the chunk that holds the lines, as AppendLine writes them, with its
// length before it. Each line is an item; none is broken in two.
func (c *Chain) Seal(m Mark, lines []byte) ([]byte, error) {
	plain := AppendLine(make([]byte, 0, len(lines)+128), &Item{Kind: marked, Text: m.Journal, Ref: m.Record})
	box := c.ring.Seal(c.ad(), c.pack.enc.EncodeAll(append(plain, lines...), nil))
	if len(box) > MaxChunk {
		return nil, curfew.Errorf(curfew.Invalid, "an item of the session %s is too large to be recorded", c.id)
	}
	c.advance(box)
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(box)), uint32(len(box))), box...), nil
}

// Open reads the next chunk from r: io.EOF where there is none, or one that was torn.
func (c *Chain) Open(r io.Reader) ([]Item, error) {
	box, err := ReadBox(r)
	if err != nil {
		return nil, err
	}
	return c.OpenBox(box)
}

// Skip advances over a chunk's box without opening it: the head comes out the same,
// whether it is the session's or not.
func (c *Chain) Skip(box []byte) { c.advance(box) }

// OpenBox opens the next chunk's box. What it holds after an error is not advanced over.
func (c *Chain) OpenBox(box []byte) ([]Item, error) {
	packed, err := c.ring.Open(c.ad(), box)
	if err != nil {
		return nil, curfew.Errorf(curfew.Corrupt, "chunk %d of the recording %s is not what was written", c.next+1, c.id)
	}
	c.advance(box)
	plain, err := c.pack.dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, curfew.Wrap(curfew.Corrupt, err, "chunk %d of the recording %s", c.next, c.id)
	}
	var items []Item
	for dec := json.NewDecoder(bytes.NewReader(plain)); ; {
		var it Item
		if err := dec.Decode(&it); err == io.EOF {
			return items, nil
		} else if err != nil {
			return nil, curfew.Wrap(curfew.Corrupt, err, "chunk %d of the recording %s", c.next, c.id)
		}
		if it.Kind == marked {
			c.mark = Mark{Journal: it.Text, Record: it.Ref}
			continue
		}
		items = append(items, it)
	}
}

// ReadBox reads a length and that much: io.EOF where there is nothing whole.
func ReadBox(r io.Reader) ([]byte, error) {
	var n [4]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, io.EOF // torn, or the end
	}
	size := binary.BigEndian.Uint32(n[:])
	if size == 0 || size > MaxChunk {
		return nil, curfew.Errorf(curfew.Corrupt, "a chunk of %d bytes", size)
	}
	box := make([]byte, size)
	if _, err := io.ReadFull(r, box); err != nil {
		return nil, io.EOF
	}
	return box, nil
}

// WriteHeader writes the magic and the session's key and header, sealed for the gateway.
func WriteHeader(w io.Writer, ring *seal.Ring, h Header, key seal.Key) error {
	text, err := json.Marshal(struct {
		Header
		Key string `json:"key"`
	}{h, key.Text()})
	if err != nil {
		return curfew.Wrap(curfew.Internal, err, "encode a recording's header")
	}
	box := ring.Seal(headerAD(h.Session), text)
	_, err = w.Write(append(binary.BigEndian.AppendUint32([]byte(magic), uint32(len(box))), box...))
	return err
}

// ReadHeader reads what WriteHeader wrote for the session.
func ReadHeader(r io.Reader, ring *seal.Ring, id curfew.SessionID) (h Header, key seal.Key, err error) {
	start := make([]byte, len(magic))
	if _, err := io.ReadFull(r, start); err != nil || string(start) != magic {
		return h, key, curfew.Errorf(curfew.Corrupt, "%s is no recording", id)
	}
	box, err := ReadBox(r)
	if err != nil {
		return h, key, curfew.Errorf(curfew.Corrupt, "the recording %s has no header", id)
	}
	text, err := ring.Open(headerAD(id), box)
	if err != nil {
		return h, key, err
	}
	var both struct {
		Header
		Key string `json:"key"`
	}
	if err := json.Unmarshal(text, &both); err != nil {
		return h, key, curfew.Wrap(curfew.Corrupt, err, "the header of %s", id)
	}
	key, err = seal.ParseKey(both.Key)
	return both.Header, key, err
}

func headerAD(id curfew.SessionID) []byte { return seal.Join([]byte("recording header"), []byte(id)) }
