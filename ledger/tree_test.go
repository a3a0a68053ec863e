package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew"
)

// TestTreeIsRFC6962 compares every size with Go's own checksum database's tree.
func TestTreeIsRFC6962(t *testing.T) {
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	f := Frontier{}
	for n := range int64(300) {
		want, err := tlog.TreeHash(n, read)
		if err != nil {
			t.Fatal(err)
		}
		if f.Root() != Hash(want) && n > 0 { // tlog has no hash for the empty tree
			t.Fatalf("size %d: root %x, want %x", n, f.Root(), want)
		}
		again, err := ParseFrontier(f.Size, f.Bytes())
		if err != nil || again.Root() != f.Root() {
			t.Fatalf("size %d: the edge does not come back: %v", n, err)
		}
		e := curfew.Event{Position: uint64(n) + 1, Time: time.Unix(n, 0), Kind: "x", Body: []byte("{}")}
		hashes, err := tlog.StoredHashes(n, AppendLeaf(nil, e), read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
		f.Append(LeafHash(e))
	}
	empty := Frontier{}
	if empty.Root() != sha256.Sum256(nil) {
		t.Error("the empty tree has another hash than RFC 6962 says")
	}
	if _, err := ParseFrontier(5, f.Bytes()); curfew.CodeOf(err) != curfew.Corrupt {
		t.Errorf("an edge of another size: %v", err)
	}
}

var update = flag.Bool("update", false, "write testdata again")

// TestLeafEncodingIsForEver: an encoding, once written, is hashed the same for ever.
func TestLeafEncodingIsForEver(t *testing.T) {
	var got strings.Builder
	for _, e := range []curfew.Event{
		{Position: 1, Time: time.Unix(0, 0), Kind: "deployment.created", Body: []byte(`{"deployment":"acme"}`)},
		{Position: 1<<63 - 1, Time: time.Unix(1774533780, 123456789), Kind: "grant.ended", Body: []byte{}},
		{Position: 256, Time: time.Unix(0, -1), Kind: "é", Body: []byte("\x00\xff not JSON")},
		{Position: 2, Time: time.Unix(1, 0), Kind: curfew.Kind(strings.Repeat("k", MaxKind)), Body: []byte("{}")},
	} {
		leaf := AppendLeaf(nil, e)
		back, err := ParseLeaf(leaf)
		if err != nil || back.Position != e.Position || !back.Time.Equal(e.Time) || back.Kind != e.Kind || string(back.Body) != string(e.Body) {
			t.Errorf("%+v came back as %+v, %v", e, back, err)
		}
		fmt.Fprintf(&got, "%s\n%x\n\n", hex.EncodeToString(leaf), LeafHash(e))
	}
	const path = "testdata/leaf-1.txt"
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the encoding has changed:\n%s", got.String())
	}
}

func FuzzParseLeaf(f *testing.F) {
	f.Add(AppendLeaf(nil, curfew.Event{Position: 1, Time: time.Unix(1, 2), Kind: "x", Body: []byte("{}")}))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseLeaf(b)
		if err == nil && string(AppendLeaf(nil, e)) != string(b) {
			t.Fatalf("%x is read as %+v, which is written as %x", b, e, AppendLeaf(nil, e))
		}
	})
}
