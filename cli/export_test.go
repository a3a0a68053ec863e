package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/curfewhq/curfew/client"
)

func aConfiguration(names ...string) client.Configuration {
	c := client.Configuration{Base: "0011223344556677", Kept: true, By: "Dana Roux", At: at(0), Position: 41}
	for _, n := range names {
		c.Files = append(c.Files, client.File{Name: n, Text: "curfew: v1 # as it was applied\n"})
	}
	return c
}

func TestExportedFilesStayInTheirFolder(t *testing.T) {
	f := newFake(t)
	s := newShell(t, f)
	fails := func(want int, args ...string) {
		t.Helper()
		if code, out, errs := s.run("", args...); code != want {
			t.Errorf("curfew %v: exit %d, want %d\n%s%s", args, code, want, out, errs)
		}
	}
	folder := filepath.Join(t.TempDir(), "a", "out")
	f.on("GET /config", gives(aConfiguration("curfew.yaml", "curfew.d/more.yaml")))
	s.must("", "export", "--into", folder)
	for _, name := range []string{"curfew.yaml", "curfew.d/more.yaml"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", name, err)
		}
	}
	fails(exitFailed, "export", "--into", folder) // nothing is written over
	if err := os.Symlink("/tmp", filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(filepath.Dir(folder), "curfew-outside.yaml")
	for _, name := range []string{"../curfew-outside.yaml", outside, "link/curfew-outside.yaml", "a/../../curfew-outside.yaml", ""} {
		f.on("GET /config", gives(aConfiguration(name)))
		fails(exitFailed, "export", "--into", folder)
	}
	for _, path := range []string{outside, "/tmp/curfew-outside.yaml"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	f.on("GET /config", gives(aConfiguration("a.yaml", "b.yaml")))
	fails(exitUsage, "export") // two files on one stream would be none
}

func TestACauseIsSaid(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "curfew.yaml", Err: syscall.ENOSPC}
	for _, err := range []error{full, errors.Join(full, nil), errors.Join(nil, full), fmt.Errorf("twice: %w", full)} {
		if got := because(err); !errors.Is(got, syscall.ENOSPC) || strings.Contains(got.Error(), "curfew.yaml") {
			t.Errorf("%v: %v", err, got)
		}
	}
	if got := because(fs.ErrClosed); !errors.Is(got, fs.ErrClosed) {
		t.Errorf("without a path: %v", got)
	}
}
