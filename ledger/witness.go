package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"slices"

	"github.com/curfewhq/curfew"
)

// readWitness reads the heads that left the machine; called once the deployment is known.
func (v *verifying) readWitness() bool {
	for _, text := range v.checks.Witnessed {
		h, err := readHead(text)
		if err != nil {
			v.fault(0, "a witnessed head cannot be read")
			return false
		}
		v.witness = append(v.witness, h)
	}
	slices.SortFunc(v.witness, func(a, b said) int { return cmp.Compare(a.Size, b.Size) })
	return true
}

// witnessed compares the tree with the witnessed heads over exactly its events.
func (v *verifying) witnessed() {
	for len(v.witness) > 0 && v.witness[0].Size <= v.tree.Size {
		w := v.witness[0]
		v.witness = v.witness[1:]
		if !w.signedBy(v.report.Deployment, append(v.keys, v.admitted...)) {
			v.fault(0, "a witnessed head over %d events is not signed by this deployment", w.Size)
			return
		}
		if w.Root != v.tree.Root() {
			if v.lost(w) {
				continue
			}
			v.fault(v.seen+1, "history was written again: the first %d events are not those of a head that left the machine", w.Size)
			v.report.Until = w.Size
			return
		}
		v.seen = w.Size
	}
}

// restored notes which events a restore says are lost.
func (v *verifying) restored(e curfew.Event) {
	var b curfew.LedgerRestored
	if json.Unmarshal(e.Body, &b) == nil {
		v.report.Restored = append(v.report.Restored, Restored{Position: e.Position, At: e.Time, LostTo: b.LostTo, How: b.How})
	}
}

// lost says whether a witnessed head is over events that a restore says are lost,
// and counts it there. It must be older than the restore.
func (v *verifying) lost(w said) bool {
	for i, r := range v.report.Restored {
		if r.How == curfew.TakeOver && w.Size >= r.Position && (r.LostTo == 0 || w.Size <= r.LostTo) && !w.Time.After(r.At) {
			v.report.Restored[i].Heads++
			return true
		}
	}
	return false
}

// missedWitness finds a ledger that ends before a witnessed head.
func (v *verifying) missedWitness() {
	v.witness = slices.DeleteFunc(v.witness, func(w said) bool {
		return w.signedBy(v.report.Deployment, append(v.keys, v.admitted...)) && v.lost(w)
	})
	if v.report.Problem == "" && len(v.witness) > 0 {
		size := v.witness[len(v.witness)-1].Size
		v.fault(v.tree.Size+1, "the ledger was rolled back: a head that left the machine is over %d events, and there are %d", size, v.tree.Size)
	}
}

// Witness appends a head to a file that lies elsewhere (another disk, a mounted
// share), durably. Each head is followed by an empty line.
func Witness(path string, h Head) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.Write(slices.Concat(h.Note, []byte("\n")))
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the witness file")
	}
	return nil
}

// SplitWitness takes a witness file apart, for Checks.Witnessed. A last head that
// was cut off in the middle is left out.
func SplitWitness(text []byte) [][]byte {
	var heads [][]byte
	for {
		body, rest, ok := bytes.Cut(text, []byte("\n\n")) // the text of a head
		if !ok {
			return heads
		}
		signatures, rest, ok := bytes.Cut(rest, []byte("\n\n"))
		if !ok {
			signatures, ok = bytes.CutSuffix(signatures, []byte("\n"))
			if !ok {
				return heads
			}
		}
		heads = append(heads, slices.Concat(body, []byte("\n\n"), signatures, []byte("\n")))
		text = rest
	}
}
