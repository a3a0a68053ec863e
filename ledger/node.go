package ledger

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
)

// The files of a node folder. It lies apart from the data, in no backup of it.
const (
	fileKey        = "key"        // Ed25519 seed that signs heads
	fileSecret     = "secret"     // root of everything that is sealed
	fileDeployment = "deployment" // the deployment's name
	fileHead       = "head"       // the newest head this node saw
)

// Node is a node's own folder: its keys, and its memory of the newest head.
type Node struct {
	folder string
	signer Signer
	secret *seal.Ring // changes only by RotateSecret, which its caller guards

	saving   chan struct{} // holds a token while the head is being written
	mu       sync.Mutex
	newest   Head      // guarded by mu
	written  uint64    // guarded by mu; size of the head on disk
	lastSave time.Time // guarded by mu
}

// CreateNode makes the folder of a new deployment's first node.
func CreateNode(folder, deployment string) (*Node, error) {
	if err := curfew.CheckName(deployment); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(folder, fileKey)); err == nil {
		return nil, curfew.Errorf(curfew.Conflict, "the folder %s has a node already", folder)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "make the node's folder")
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "make a key")
	}
	for _, file := range [][2]string{ // the key last: with it the node exists
		{fileDeployment, deployment},
		{fileSecret, seal.NewKey().Text()},
		{fileKey, base64.StdEncoding.EncodeToString(key.Seed())},
	} {
		if err := writeFile(filepath.Join(folder, file[0]), []byte(file[1]+"\n")); err != nil {
			return nil, err
		}
	}
	return OpenNode(folder)
}

// OpenNode opens a node's folder; curfew.NotFound where there is none.
func OpenNode(folder string) (*Node, error) {
	n := &Node{folder: folder, saving: make(chan struct{}, 1)}
	texts := map[string]string{}
	for _, name := range []string{fileKey, fileSecret, fileDeployment} {
		text, err := readSecret(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		texts[name] = text
	}
	seed, err := base64.StdEncoding.DecodeString(texts[fileKey])
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, curfew.Errorf(curfew.Corrupt, "the node's key in %s is damaged", folder)
	}
	if n.secret, err = parseRing(texts[fileSecret]); err != nil {
		return nil, err
	}
	n.signer = NewSigner(texts[fileDeployment], ed25519.NewKeyFromSeed(seed))
	signed, err := os.ReadFile(filepath.Join(folder, fileHead))
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the node's memory")
	}
	n.newest, err = ParseHead(signed, texts[fileDeployment], n.signer.Public())
	n.written = n.newest.Size
	return n, err
}

// parseRing reads the secret's file: a key a line, newest first.
func parseRing(text string) (*seal.Ring, error) {
	var keys []seal.Key
	for line := range strings.Lines(text) {
		k, err := seal.ParseKey(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, curfew.Errorf(curfew.Corrupt, "the node's secret is empty")
	}
	return seal.NewRing(keys[0], keys[1:]...), nil
}

func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", curfew.Errorf(curfew.NotFound, "there is no node in %s", filepath.Dir(path))
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return "", curfew.Errorf(curfew.Denied, "%s can be read by others", path).WithFix("chmod 600 %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", curfew.Wrap(curfew.Unavailable, err, "read %s", filepath.Base(path))
	}
	return strings.TrimSpace(string(text)), nil
}

// writeFile writes whole or not at all, durably.
func writeFile(path string, text []byte) error {
	wrap := func(err error) error {
		return curfew.Wrap(curfew.Unavailable, err, "write %s", filepath.Base(path))
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return wrap(err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return wrap(errors.Join(err, os.Remove(f.Name())))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return wrap(err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Signer signs this node's heads.
func (n *Node) Signer() Signer { return n.signer }

// Secret is the ring that everything sealed by this node comes from.
func (n *Node) Secret() *seal.Ring { return n.secret }

// RotateSecret makes a new secret; the old ones still open what they sealed. Rings
// handed out before do not change: restart with the new one.
func (n *Node) RotateSecret() error {
	ring := n.secret.Rotate(seal.NewKey())
	var text strings.Builder
	for _, k := range ring.Keys() {
		text.WriteString(k.Text() + "\n")
	}
	if err := writeFile(filepath.Join(n.folder, fileSecret), []byte(text.String())); err != nil {
		return err
	}
	n.secret = ring
	return nil
}

// Folder is where the node lies.
func (n *Node) Folder() string { return n.folder }
