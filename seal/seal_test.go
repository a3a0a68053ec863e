package seal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew"
)

func TestBoxOpensOnlyAsItWasSealed(t *testing.T) {
	ring := NewRing(NewKey())
	box := ring.Seal([]byte("row 1"), []byte("secret"))
	other := ring.Seal([]byte("row 2"), []byte("theirs"))
	version2 := bytes.Clone(box)
	version2[0] = 2

	cases := []struct {
		name string
		ring *Ring
		ad   string
		box  []byte
	}{
		{"a box moved to another row does not open", ring, "row 2", box},
		{"another row's box does not open here", ring, "row 1", other},
		{"a box without its associated data does not open", ring, "", box},
		{"another key does not open it", NewRing(NewKey()), "row 1", box},
		{"another purpose does not open it", ring.Derive("shelf"), "row 1", box},
		{"another version does not open", ring, "row 1", version2},
		{"an empty box does not open", ring, "row 1", nil},
		{"a box cut short does not open", ring, "row 1", box[:len(box)-1]},
		{"a box made longer does not open", ring, "row 1", append(bytes.Clone(box), 0)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			plain, err := c.ring.Open([]byte(c.ad), c.box)
			if curfew.CodeOf(err) != curfew.Corrupt || plain != nil {
				t.Fatalf("Open = %q, %v; want curfew.Corrupt", plain, err)
			}
		})
	}
	plain, err := ring.Open([]byte("row 1"), box)
	if err != nil || string(plain) != "secret" {
		t.Fatalf("Open = %q, %v", plain, err)
	}
	if len(box) != len("secret")+Overhead {
		t.Errorf("a box of %d bytes; Overhead says %d", len(box), len("secret")+Overhead)
	}
}

func TestEveryFlippedBitIsSeen(t *testing.T) {
	ring := NewRing(NewKey())
	box := ring.Seal([]byte("ad"), []byte("plain"))
	for i := range len(box) * 8 {
		bad := bytes.Clone(box)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := ring.Open([]byte("ad"), bad); curfew.CodeOf(err) != curfew.Corrupt {
			t.Fatalf("bit %d flipped: %v", i, err)
		}
	}
}

func TestRotationOpensOldAndSealsNew(t *testing.T) {
	old := NewRing(NewKey())
	box := old.Derive("vault").Seal(nil, []byte("from before"))
	mac := old.MAC([]byte("x"))

	ring := old.Rotate(NewKey())
	if plain, err := ring.Derive("vault").Open(nil, box); err != nil || string(plain) != "from before" {
		t.Fatalf("Open = %q, %v", plain, err)
	}
	if ring.Derive("vault").Current(box) {
		t.Error("an old box counts as current")
	}
	fresh := ring.Seal(nil, []byte("new"))
	if !ring.Current(fresh) {
		t.Error("a new box does not count as current")
	}
	if _, err := old.Open(nil, fresh); curfew.CodeOf(err) != curfew.Corrupt {
		t.Errorf("the old ring opened a new box: %v", err)
	}
	if !ring.CheckMAC(mac, []byte("x")) || old.CheckMAC(ring.MAC([]byte("x")), []byte("x")) {
		t.Error("MACs do not follow the rotation")
	}
	if again := NewRing(ring.Keys()[0], ring.Keys()[1:]...); again.MAC() != ring.MAC() {
		t.Error("a ring made of its keys is another ring")
	}
}

func TestMACDelimitsItsParts(t *testing.T) {
	ring := NewRing(NewKey())
	m := ring.MAC([]byte("ab"), []byte("c"))
	if ring.CheckMAC(m, []byte("a"), []byte("bc")) || !ring.CheckMAC(m, []byte("ab"), []byte("c")) {
		t.Error("parts run into each other")
	}
	if ring.Derive("a").MAC() == ring.Derive("b").MAC() {
		t.Error("two purposes share a key")
	}
	if !Equal([]byte("a"), []byte("a")) || Equal([]byte("a"), []byte("b")) || Equal([]byte("a"), nil) {
		t.Error("Equal is wrong")
	}
}

func TestKeyIsNeverPrinted(t *testing.T) {
	k := NewKey()
	holder := struct{ K Key }{k}
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%x %v %+v %#v %s", k, holder, holder, holder, &k)} {
		if strings.Contains(s, fmt.Sprintf("%x", k[:4])) || strings.Contains(s, fmt.Sprint(k[0], k[1], k[2])) {
			t.Errorf("the key is in %q", s)
		}
	}
	if _, err := json.Marshal(holder); err == nil {
		t.Error("a key was marshalled")
	}
	back, err := ParseKey(k.Text())
	if err != nil || back != k {
		t.Errorf("ParseKey(Text) = %v", err)
	}
	for _, bad := range []string{"", "x", k.Text()[1:], k.Text() + "A", keyPrefix, k.Text() + "\n"} {
		if _, err := ParseKey(bad); curfew.CodeOf(err) != curfew.Invalid {
			t.Errorf("ParseKey took a damaged key: %v", err)
		}
	}
}

func TestSealThenOpenIsTheSame(t *testing.T) {
	root := NewRing(NewKey(), NewKey())
	rapid.Check(t, func(t *rapid.T) {
		ad := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "ad")
		plain := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "plain")
		ring := root.Derive(rapid.StringN(0, 8, 8).Draw(t, "purpose"))
		got, err := ring.Open(ad, ring.Seal(ad, plain))
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open = %x, %v", got, err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	ring := NewRing(Key{1})
	f.Add([]byte("ad"), ring.Seal([]byte("ad"), []byte("x")))
	f.Add([]byte{}, []byte{1})
	f.Fuzz(func(t *testing.T, ad, box []byte) {
		if plain, err := ring.Open(ad, box); err == nil && len(plain)+Overhead != len(box) {
			t.Fatal("opened to another length")
		}
	})
}
