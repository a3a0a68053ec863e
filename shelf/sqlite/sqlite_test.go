package sqlite

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
	"github.com/curfewhq/curfew/shelf"
	"github.com/curfewhq/curfew/shelf/shelftest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestShelf(t *testing.T) {
	shelftest.Run(t, shelftest.Maker{Open: func(folder string) (shelf.Rows, error) { return Open(filepath.Join(folder, "shelf.db")) }})
}

func TestCopyOfTheFolderOpensNothing(t *testing.T) {
	folder, ctx := t.TempDir(), context.Background()
	rows, err := Open(filepath.Join(folder, "a ?#% folder.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shelf.New(rows, seal.NewRing(seal.NewKey())).Put(ctx, "token", "id-1", []byte("canary-7f3a")); err != nil {
		t.Fatal(err)
	}
	// By hand, in the database: a row inserted, and one copied.
	for _, text := range []string{`INSERT INTO row VALUES ('token', 'id-2', x'0102')`, `INSERT INTO row SELECT kind, 'id-3', box FROM row WHERE name = 'id-1'`} {
		if _, err := rows.db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	other := shelf.New(rows, seal.NewRing(seal.NewKey()))
	for _, name := range []string{"id-1", "id-2", "id-3"} {
		if _, err := other.Get(ctx, "token", name); curfew.CodeOf(err) != curfew.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil || bytes.Contains(text, []byte("canary")) {
			t.Errorf("%s holds the value: %v", f, err)
		}
		if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v", f, err)
		}
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
}
