package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every command that a page of the console offers to be copied is there, and takes what it is given.
func TestCommandsThatPagesOfferCanBeRun(t *testing.T) {
	offer := regexp.MustCompile("[\"`](curfew [a-z][^\"`\n]*)[\"`]")
	value := regexp.MustCompile(`\$\{[^}]*\}+`)
	n := 0
	err := filepath.WalkDir(filepath.Join("..", "console", "web", "src"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".tsx" && filepath.Ext(path) != ".ts" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range offer.FindAllStringSubmatch(string(text), -1) {
			command, _, _ := strings.Cut(m[1], "${at ?") // a moment, at the end of some
			command = value.ReplaceAllString(command, "x")
			if i := strings.Index(command, "${"); i >= 0 {
				command = command[:i] + "x"
			}
			n++
			cmd, rest, err := New(Parts{}).Find(strings.Fields(command)[1:])
			if err != nil || !cmd.HasParent() {
				t.Errorf("%s offers %q, which is no command: %v", path, m[1], err)
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s offers %q: %v", path, m[1], err)
			} else if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%s offers %q: %v", path, m[1], err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 15 {
		t.Errorf("only %d commands were found", n)
	}
}
