package ledger

import (
	"context"
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
	secret seal.Key

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
	for name, text := range map[string]string{
		fileDeployment: deployment, fileSecret: seal.NewKey().Text(), fileKey: base64.StdEncoding.EncodeToString(key.Seed()),
	} {
		if err := writeFile(filepath.Join(folder, name), []byte(text+"\n")); err != nil {
			return nil, err
		}
	}
	return OpenNode(folder)
}

// OpenNode opens a node's folder; curfew.NotFound where there is none.
func OpenNode(folder string) (*Node, error) {
	n := &Node{folder: folder}
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
	if n.secret, err = seal.ParseKey(texts[fileSecret]); err != nil {
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
func (n *Node) Secret() *seal.Ring { return seal.NewRing(n.secret) }

// Folder is where the node lies.
func (n *Node) Folder() string { return n.folder }

// Newest is the newest head this node remembers; of size 0 if it has no memory.
func (n *Node) Newest() Head {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.newest
}

// Remember keeps a head if it is newer. It is on disk at once if now is set,
// else within a second of Keep's.
func (n *Node) Remember(h Head, now bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.Size > n.newest.Size {
		n.newest = h
	}
	if !now && time.Since(n.lastSave) < time.Second {
		return nil
	}
	return n.save()
}

// Restart makes h the newest head, whatever was remembered: a restored ledger is
// shorter. Only the lawful way back may call it.
func (n *Node) Restart(h Head) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.newest, n.written = h, 0
	return n.save()
}

// save writes the newest head. The caller holds mu.
func (n *Node) save() error {
	if n.written == n.newest.Size {
		return nil
	}
	n.lastSave = time.Now()
	if err := writeFile(filepath.Join(n.folder, fileHead), n.newest.Note); err != nil {
		return err
	}
	n.written = n.newest.Size
	return nil
}

// Follow remembers a ledger's heads until ctx ends: within a second, and at once
// after an event for which urgent says so.
func (n *Node) Follow(ctx context.Context, l Ledger, urgent func(curfew.Kind) bool) error {
	after := n.Newest().Size
	for {
		wait, cancel := context.WithTimeout(ctx, time.Second)
		err := l.Wait(wait, after)
		cancel()
		if ctx.Err() != nil {
			return n.Remember(l.Head(), true)
		}
		now := err != nil // nothing new for a second: write what is not written
		h := l.Head()
		if h.Size > after {
			events, err := l.Read(ctx, after+1, int(min(h.Size-after, 4096)))
			if err == nil {
				for _, e := range events {
					now = now || urgent(e.Kind)
				}
			}
			after = h.Size
		}
		if err := n.Remember(h, now); err != nil {
			return err
		}
	}
}
